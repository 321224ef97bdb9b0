import pytest
from helpers.errors import refused
from PIL import Image

from clsim.data import catalog, load_captions
from clsim.data.datasets import flickr8k
from clsim.data.facts import CAPTIONED
from clsim.utils.errors import DataMissing


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "flickr8k"
    (folder / "images").mkdir(parents=True)
    lines = []
    for index, part in enumerate(["train", "train", "dev", "test"]):
        Image.new("RGB", (40, 30), (60 * index, 0, 0)).save(folder / "images" / f"{index}.png")
        with (folder / f"split_{part}.txt").open("a") as file:
            file.write(f"{index}.png\n")
        lines += [f"{index}.png\t{n}\tcaption {n} of {index} ." for n in range(5)]
    (folder / "captions.tsv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_photographs_come_with_all_their_captions(root):
    found = flickr8k.load(("train", "dev"), root, 16)
    assert found.pixels.shape == (3, 3, 16, 16)
    assert found.pixels[:, 0, 8, 8].tolist() == [0, 60, 120]
    assert found.captions[1] == tuple(f"caption {n} of 1 ." for n in range(5))


def test_the_test_part_stays_out(root):
    found = flickr8k.load(("train", "dev"), root, 16)
    assert not any("of 3" in text for text in found.texts)


def test_training_and_test_part(root):
    data = load_captions("flickr8k", root=root, image_size=16)
    assert data.train.pixels[:, 0, 8, 8].tolist() == [0, 60]
    assert data.test.pixels[:, 0, 8, 8].tolist() == [180]
    assert data.test.texts == tuple(f"caption {n} of 3 ." for n in range(5))
    assert load_captions("flickr8k", root=root).train.pixels.shape == (2, 3, 224, 224)


def test_status_and_verify(root):
    (state,) = catalog.status(["flickr8k"], root)
    assert state.present and state.where == root / "flickr8k"
    (state,) = catalog.verify(["flickr8k"], root)
    assert "(2, 1)" in state.fault and "(6000, 1000)" in state.fault


def test_missing_data_and_a_bad_line_are_the_users_to_mend(root, tmp_path):
    with refused(DataMissing, where="flickr8k", names=("flickr8k",)):
        flickr8k.load(("train",), tmp_path / "nowhere", 16)
    (root / "flickr8k" / "captions.tsv").write_text("0.png\t0\tfine .\nno tabs\n")
    with refused(where="captions.tsv:2", names=("caption",)):
        flickr8k.load(("train",), root, 16)


def test_a_photograph_without_captions_is_named(root):
    (root / "flickr8k" / "captions.tsv").write_text("0.png\t0\tfine .\n")
    with refused(where="split_train.txt:2", names=("1.png",)):
        flickr8k.load(("train",), root, 16)


def test_a_list_that_is_missing_is_missing_data(root):
    (root / "flickr8k" / "split_test.txt").unlink()
    with pytest.raises(DataMissing):
        load_captions("flickr8k", root=root)


@pytest.mark.real_data("flickr8k")
def test_the_real_photographs(data_root):
    data, facts = load_captions("flickr8k", root=data_root, image_size=32), CAPTIONED["flickr8k"]
    assert (len(data.train), len(data.test)) == (facts.train, facts.test) == (6_000, 1_000)
    assert {len(texts) for texts in data.train.captions + data.test.captions} == {facts.captions}
    assert not set(data.train.captions) & set(data.test.captions)
    assert data.train.pixels.float().mean(dim=(0, 2, 3)).sub(115).abs().max() < 15  # photographs, not noise
