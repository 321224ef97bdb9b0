import pytest
import torch
from helpers.errors import refused
from safetensors.torch import save_file

from clsim.metrics.feature_files import FeatureFiles, recompute_matrix
from clsim.metrics.functional.nearest_mean import nearest_class_mean_accuracy
from clsim.metrics.functional.precision import mean_average_precision
from clsim.metrics.functional.retrieval import cmc

QUERY_LABELS, GALLERY_LABELS = torch.arange(30) % 4, torch.arange(20) % 4


def features(labels, seed):
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(4, 6, generator=generator)
    return (centres[labels] + 1.5 * torch.randn(len(labels), 6, generator=generator)).half()


QUERY, GALLERY = [features(QUERY_LABELS, seed) for seed in (0, 1)], [features(GALLERY_LABELS, seed) for seed in (0, 1)]


@pytest.fixture
def files(tmp_path):
    files = FeatureFiles(tmp_path / "features")
    files.save_labels(QUERY_LABELS, GALLERY_LABELS, {"query_sha256": "ab"})
    for version in (0, 1):
        files.save(version, QUERY[version], GALLERY[version], {"model": f"v{version}"})
    return files


def test_what_was_saved_is_loaded(files):
    loaded = files.load(1)
    assert loaded.query.equal(QUERY[1])
    assert loaded.gallery.equal(GALLERY[1])
    assert loaded.query.dtype == torch.float16
    assert loaded.info == {"model": "v1"}
    labels = files.load_labels()
    assert labels.query.equal(QUERY_LABELS)
    assert labels.gallery.equal(GALLERY_LABELS)
    assert not labels.same_images
    assert files.versions() == 2
    assert sorted(file.name for file in files.folder.iterdir()) == [
        "labels.safetensors",
        "version0.safetensors",
        "version1.safetensors",
    ]


def test_matrix_from_files_by_any_criterion(files):
    def expected(measure):
        return [[measure(QUERY[i], QUERY_LABELS, GALLERY[j], GALLERY_LABELS) for j in range(i + 1)] for i in (0, 1)]

    assert recompute_matrix(files.folder) == expected(nearest_class_mean_accuracy)
    assert recompute_matrix(files.folder, "cmc@2") == expected(lambda *sides: cmc(*sides, k=(2,))[2])
    assert recompute_matrix(files.folder, "map") == expected(mean_average_precision)


def test_the_same_images_are_stored_once_and_never_match_themselves(tmp_path):
    files = FeatureFiles(tmp_path)
    files.save_labels(QUERY_LABELS, None)
    files.save(0, QUERY[0], None)
    assert files.load(0).gallery.equal(QUERY[0])
    assert files.load_labels().same_images
    assert recompute_matrix(tmp_path, "cmc@1")[0][0] < 1
    with refused(ValueError, names=("nearest_class_mean", "cmc@1")):
        recompute_matrix(tmp_path)


def test_features_of_other_images_are_not_mixed(files):
    files.save_labels(QUERY_LABELS, GALLERY_LABELS, {"query_sha256": "ab"})
    for query, gallery, info in (
        (QUERY_LABELS + 1, GALLERY_LABELS, {"query_sha256": "ab"}),
        (QUERY_LABELS, None, {"query_sha256": "ab"}),
        (QUERY_LABELS, GALLERY_LABELS, {"query_sha256": "cd"}),
    ):
        with refused(where="labels.safetensors"):
            files.save_labels(query, gallery, info)


def test_missing_and_damaged_files_are_named(files):
    files.save(3, QUERY[0], GALLERY[0])
    with refused(where=str(files.folder), names=("version 2",)):
        recompute_matrix(files.folder)
    (files.folder / "version3.safetensors").unlink()
    path = files.folder / "version1.safetensors"
    path.write_bytes(path.read_bytes()[:-7])
    with refused(where=str(path), names=("damaged",)):
        recompute_matrix(files.folder)
    with refused(where=str(files.folder / "nowhere"), names=("missing",)):
        recompute_matrix(files.folder / "nowhere")


def test_a_save_that_fails_leaves_what_was_there(files, monkeypatch):
    def fail(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("safetensors.torch.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        files.save(1, QUERY[0], GALLERY[0])
    assert files.load(1).query.equal(QUERY[1])
    assert len(list(files.folder.iterdir())) == 3


@pytest.mark.parametrize(
    ("tensors", "names"),
    [
        ({"gallery": GALLERY[1]}, ("query", "missing")),
        ({"query": QUERY[1].flatten(), "gallery": GALLERY[1]}, ("query", "torch.float16 [180]")),
        ({"query": QUERY[1], "gallery": GALLERY[1].long()}, ("gallery", "torch.int64")),
        ({"query": QUERY[1], "gallery": GALLERY[1][:0]}, ("gallery", "torch.float16 [0, 6]")),
        ({"query": QUERY[1], "gallery": GALLERY[1][:, :4].contiguous()}, ("width",)),
        ({"query": QUERY[1], "gallery": GALLERY[1] * float("inf")}, ("gallery", "infinite")),
        ({"query": QUERY[1][:29], "gallery": GALLERY[1]}, ("29 features of the query", "30 labels")),
        ({"query": QUERY[1]}, ("30 features of the gallery", "20 labels")),
    ],
)
def test_what_is_no_features_of_these_images_is_refused(files, tensors, names):
    save_file(tensors, files.folder / "version1.safetensors")
    with refused(where=str(files.folder / "version1.safetensors"), names=names):
        recompute_matrix(files.folder)


@pytest.mark.parametrize("labels", [torch.ones(30), torch.ones(30, 1).long(), torch.ones(0).long()])
def test_what_is_no_labels_is_refused(files, labels):
    save_file({"query": labels}, files.folder / "labels.safetensors")
    with refused(where="labels.safetensors", names=("class ids",)):
        recompute_matrix(files.folder)


def test_a_folder_in_the_place_of_a_file_is_refused(files):
    (files.folder / "version1.safetensors").unlink()
    (files.folder / "version1.safetensors").mkdir()
    with refused(where="version1.safetensors"):
        recompute_matrix(files.folder)


@pytest.mark.parametrize(
    "own", [torch.ones(30, 1), torch.ones(30).long(), torch.ones(29, 1).long(), torch.full((30, 2), 20)]
)
def test_items_that_no_query_can_be_are_refused(files, own):
    labels = files.load_labels()
    tensors = {"query": labels.query, "gallery": labels.gallery}
    save_file({**tensors, "own": own}, files.folder / "labels.safetensors")
    with refused(where="labels.safetensors", names=("gallery items",)):
        files.load_labels()
    save_file({**tensors, "own": torch.full((30, 2), 19)}, files.folder / "labels.safetensors")
    assert files.load_labels().self_items.shape == (30, 2)
