import json
import time
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from avalanche.training import Naive
from avalanche.training.plugins import EvaluationPlugin
from helpers.errors import refused
from helpers.tiny import TinyModel, tiny_dataset, tiny_images
from torch import nn

from clsim.data.core.images import Images
from clsim.metrics.cross_test import CrossTests
from clsim.metrics.feature_files import FeatureFiles, recompute_matrix
from clsim.metrics.functional.nearest_mean import nearest_class_mean_accuracy
from clsim.metrics.search_service import SearchService
from clsim.streams import fscil
from clsim.training import Strategy

QUERY, GALLERY = tiny_images(6, seed=2), tiny_images(4, seed=3)


class Embedding(TinyModel):
    """Its logits are its features."""

    def embed(self, images):
        return self(images)


def strategy_of(template, model, metric, **settings):
    optimizer = partial(torch.optim.SGD, lr=0.1)
    return template(
        model=model,
        optimizer=optimizer if template is Strategy else optimizer(model.parameters()),
        train_mb_size=10,
        eval_mb_size=50,
        plugins=[],
        evaluator=EvaluationPlugin(metric),
        **settings,
    )


def tiny_stream():
    return fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})


def rounded(model, images):
    features = model.embed(images.pixels.float() / 255)
    return (features / features.norm(dim=1, keepdim=True)).half().float()


@pytest.mark.parametrize("template", [Strategy, Naive])
def test_matrix_equals_features_extracted_by_hand(template):
    stream, model, metric = tiny_stream(), Embedding(), CrossTests(QUERY, GALLERY, batch_size=7)
    strategy = strategy_of(template, model, metric)
    galleries, told = [], {}
    for session in range(3):
        strategy.train(stream.train_stream[session], eval_streams=[])
        told = strategy.eval(stream.test_stream[: session + 1])
        with torch.no_grad():
            query = rounded(model, QUERY)
            galleries.append(rounded(model, GALLERY))
        expected = [nearest_class_mean_accuracy(query, QUERY.labels, one, GALLERY.labels) for one in galleries]
        assert metric.matrix[session] == expected
        assert metric.record()["cross_tests"] == expected[:-1]
    assert len({value for row in metric.matrix for value in row}) > 2
    assert metric.passes == 6
    assert metric.result() is metric.matrix
    for name in ("self_test", "ac", "am"):
        assert told[f"clsim/{name}"] == metric.record()[name]


def test_only_the_evaluation_after_an_experience_counts():
    stream, metric = tiny_stream(), CrossTests(QUERY, GALLERY)
    strategy = strategy_of(Strategy, Embedding(), metric, train_epochs=2, eval_every=1)
    strategy.eval(stream.test_stream[:1])
    assert metric.record() is None
    for session in range(2):
        strategy.train(stream.train_stream[session], eval_streams=[stream.test_stream[:1]])
        assert len(metric.matrix) == session
        told = strategy.eval(stream.test_stream[:1])
        strategy.eval(stream.test_stream[:1])
        assert len(metric.matrix) == session + 1
        assert ("clsim/ac" in told) == bool(session)


def test_a_version_that_nobody_evaluates_is_an_error():
    stream, metric = tiny_stream(), CrossTests(QUERY, GALLERY)
    strategy = strategy_of(Strategy, Embedding(), metric)
    with refused(RuntimeError, names=("version 0", "eval")):
        strategy.train(stream.train_stream, eval_streams=[])


class Versions:
    """A stand-in for a strategy: every version is a projection of the pixels, drawn or given."""

    def __init__(self, metric, *projections, seconds_a_batch=0.0):
        self.metric, self.batches = metric, 0
        self.strategy = SimpleNamespace(
            model=nn.Identity(), device=torch.device("cpu"), clock=SimpleNamespace(train_iterations=0)
        )
        self.seconds_a_batch = seconds_a_batch
        self.seconds = []
        for projection in projections:
            self.add(projection)

    def add(self, projection):
        def embed(images):
            self.batches += 1
            time.sleep(self.seconds_a_batch)
            return images.flatten(1) @ projection

        self.strategy.model.embed = embed
        self.metric.before_training_exp(self.strategy)
        self.metric.after_training_exp(self.strategy)
        started = time.perf_counter()
        values = self.metric.after_eval(self.strategy)
        self.seconds.append(time.perf_counter() - started)
        return {value.name: value.value for value in values}


def projection(seed, width=5):
    return torch.randn(192, width, generator=torch.Generator().manual_seed(seed))


def test_31_versions_cost_62_passes_and_as_much_time_each():
    metric = CrossTests(QUERY, GALLERY, batch_size=20)
    runs = Versions(metric, *map(projection, range(31)), seconds_a_batch=0.001)
    assert metric.passes == 62
    assert runs.batches == 31 * (60 + 40) // 20
    assert [len(row) for row in metric.matrix] == list(range(1, 32))
    early, late = (sorted(part)[len(part) // 2] for part in (runs.seconds[:10], runs.seconds[-10:]))
    assert late < 3 * early  # 527 passes would make it tenfold


def test_the_same_images_are_gone_through_once(tmp_path):
    metric = CrossTests(QUERY, tiny_images(6, seed=2), criterion="cmc@1", folder=tmp_path)
    Versions(metric, projection(0), projection(1))
    assert metric.same_images
    assert metric.passes == 2
    assert FeatureFiles(tmp_path).load_labels().same_images
    assert metric.matrix[0][0] < 1  # each would find itself
    assert recompute_matrix(tmp_path, "cmc@1") == metric.matrix


@pytest.mark.parametrize("kept_in_files", [False, True])
@pytest.mark.parametrize("criterion", ["cmc@1", "cmc@5", "map"])
def test_queries_find_themselves_in_no_order_of_the_gallery(criterion, kept_in_files, tmp_path):
    turned = QUERY.subset(torch.randperm(len(QUERY), generator=torch.Generator().manual_seed(1)))
    folders = [tmp_path / name if kept_in_files else None for name in ("same", "turned")]
    matrices, flips = [], []
    for gallery, folder in zip((QUERY, turned), folders, strict=True):
        metric = CrossTests(QUERY, gallery, criterion=criterion, folder=folder)
        Versions(metric, projection(0), projection(1))
        matrices.append(metric.matrix)
        flips.append({key: metric.record()[key] for key in ("negative_flip_rate", "constraints", "update_gain")})
        if folder is not None:
            assert recompute_matrix(folder, criterion) == metric.matrix
    assert matrices[0] == matrices[1]
    assert flips[0] == flips[1]
    assert metric.note.startswith("60 of 60 query images")
    assert metric.record()["queries_in_gallery"] == 60


def both(*parts):
    return Images(
        torch.cat([part.pixels for part in parts]),
        torch.cat([part.labels for part in parts]),
        QUERY.class_names,
        "both",
    )


@pytest.mark.parametrize("truncate", [False, True])
@pytest.mark.parametrize("kept_in_files", [False, True])
def test_class_means_are_of_images_that_are_no_queries(kept_in_files, truncate, tmp_path):
    mixed, folder = both(GALLERY, QUERY.subset(range(0, 60, 3))), tmp_path / "mixed"
    found = []
    for gallery in (GALLERY, mixed):
        metric = CrossTests(
            QUERY,
            gallery,
            also=["cmc@1"],
            truncate=truncate,
            service=SearchService(2, criterion="nearest_class_mean"),
            folder=folder if gallery is mixed and kept_in_files else None,
        )
        Versions(metric, projection(0), projection(1))
        found.append((metric.matrix, {**metric.service_record(), "device_seconds_saved": 0}))
    assert found[0] == found[1]
    assert metric.note.endswith("20 gallery images enter no class mean")
    if kept_in_files:
        assert recompute_matrix(folder, truncate=truncate) == metric.matrix
    with refused(ValueError, names=("60 of 60", "class mean", "cmc@1")):
        CrossTests(QUERY, QUERY.subset(range(59, -1, -1)))


def test_the_service_keeps_queries_from_finding_themselves():
    turned = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    records = []
    for gallery in (QUERY, QUERY.subset(turned)):
        # One session, so that the order of arrival plays no part.
        metric = CrossTests(QUERY, gallery, criterion="cmc@1", service=SearchService(1))
        Versions(metric, projection(0))
        records.append(metric.service_record()["accuracy"])
    assert records[0] == records[1] == metric.matrix[0][0] < 1


@pytest.mark.parametrize("kept_in_files", [False, True])
@pytest.mark.parametrize("criterion", ["nearest_class_mean", "cmc@1", "cmc@5", "map"])
def test_files_give_the_matrix_of_the_run(criterion, kept_in_files, tmp_path):
    folder = tmp_path / "features"
    metric = CrossTests(QUERY, GALLERY, criterion=criterion, folder=folder if kept_in_files else None)
    Versions(metric, *map(projection, range(4)))
    if kept_in_files:
        assert recompute_matrix(folder, criterion) == metric.matrix
        info = FeatureFiles(folder).load(2).info
        assert (info["query_sha256"], info["gallery_sha256"]) == (QUERY.sha256, GALLERY.sha256)
    else:
        with_files = CrossTests(QUERY, GALLERY, criterion=criterion, folder=folder)
        Versions(with_files, *map(projection, range(4)))
        assert with_files.matrix == metric.matrix
        assert with_files.record() == metric.record()


@pytest.mark.parametrize("kept_in_files", [False, True])
def test_further_criteria_have_their_rows_in_the_record(kept_in_files, tmp_path):
    folder = tmp_path / "features" if kept_in_files else None
    names = ["cmc@1", "cmc@5", "map"]
    metric = CrossTests(QUERY, GALLERY, also=names, folder=folder)
    Versions(metric, projection(0), projection(1))
    record = metric.record()
    for name in names:
        alone = CrossTests(QUERY, GALLERY, criterion=name)
        Versions(alone, projection(0), projection(1))
        assert record["also"][name] == alone.matrix[-1]
    assert metric.passes == 4


def test_longer_features_are_compared_by_their_first_numbers_if_they_may_be(tmp_path):
    first, second = projection(0), projection(1)
    longer = torch.cat([second, projection(2, width=3)], 1)
    equal, refused = (CrossTests(QUERY, GALLERY, criterion="cmc@1") for _ in range(2))
    cut = CrossTests(QUERY, GALLERY, criterion="cmc@1", truncate=True, folder=tmp_path)
    Versions(equal, first, second)
    Versions(refused, first, longer)
    Versions(cut, first, longer)
    assert refused.matrix[1][0] == 0.0
    assert refused.record()["constraints"] is None
    assert cut.matrix[1][0] == equal.matrix[1][0] > 0
    assert cut.matrix[1][1] == refused.matrix[1][1] != equal.matrix[1][1]  # by all its numbers where both have them
    assert cut.record()["constraints"] == pytest.approx(equal.record()["constraints"], abs=0.02)
    assert recompute_matrix(tmp_path, "cmc@1", truncate=True) == cut.matrix
    assert recompute_matrix(tmp_path, "cmc@1") == refused.matrix


def bright_pixels(*places):
    """A projection to the pixels that tell the classes ``places``, and to no other."""
    matrix = torch.zeros(3, 8, 8, len(places))
    for column, place in enumerate(places):
        matrix[0, place % 8, place // 8, column] = 1
    return matrix.flatten(0, 2)


def test_record_of_two_versions_by_hand():
    """Version 0 tells classes 0 to 4, version 1 classes 0 and 1, with which it swaps 2 and 3."""
    metric = CrossTests(QUERY, GALLERY, criterion="cmc@1")
    told = Versions(metric).add(bright_pixels(0, 1, 2, 3, 4))
    assert metric.record() == {
        "self_test": metric.matrix[0][0],
        "cross_tests": [],
        "also": {},
        "ac": None,
        "am": metric.matrix[0][0],
        "against_first": None,
        "backward_compatibility": None,
        "negative_flip_rate": None,
        "positive_flip_rate": None,
        "relative_negative_flip_rate": None,
        "reindex_recall": None,
        "update_gain": None,
        "constraints": None,
    }
    assert told == {"clsim/self_test": metric.matrix[0][0], "clsim/am": metric.matrix[0][0]}
    told = Versions(metric).add(bright_pixels(0, 1, 3, 2, 4))
    (old,), (cross, new) = metric.matrix
    record = metric.record()
    assert new == old  # a renumbering of its features changes nothing for a version by itself
    assert record["negative_flip_rate"] - record["positive_flip_rate"] == pytest.approx(old - cross)
    wrong = 1 - cross
    assert record["relative_negative_flip_rate"] == pytest.approx(record["negative_flip_rate"] / (old * wrong))
    assert 0.0 <= record["reindex_recall"] < 1.0
    # Of ten classes, all 6 queries of each of the two swapped ones go astray; the others find what they found.
    assert 0.2 <= record["negative_flip_rate"] < 0.3
    assert record["against_first"] == record["backward_compatibility"] == cross - old
    assert record["update_gain"] is None  # nothing to gain
    assert record["ac"] == 0.0
    assert told["clsim/am"] == record["am"] == pytest.approx((old + cross + new) / 3)
    json.dumps(record, allow_nan=False)


def test_a_version_equal_to_the_last_is_compatible_only_if_ties_are():
    for strict, expected in ((True, 0.0), (False, 1.0)):
        metric = CrossTests(QUERY, GALLERY, strict=strict)
        Versions(metric, projection(0), projection(0))
        assert metric.record()["ac"] == expected
        assert metric.record()["constraints"] == {"same_class": 1.0, "different_class": 1.0}
        assert metric.record()["negative_flip_rate"] == metric.record()["positive_flip_rate"] == 0.0


@pytest.mark.parametrize("gallery", [GALLERY, QUERY], ids=["other images", "same images"])
def test_constraints_equal_a_loop_over_all_pairs(gallery):
    metric = CrossTests(QUERY, gallery, criterion="cmc@1")
    projections = projection(0), projection(1)
    Versions(metric, *projections)
    features = [
        [nn.functional.normalize(images.pixels.flatten(1) / 255 @ one).half().double() for images in (QUERY, gallery)]
        for one in projections
    ]
    (old_query, old_gallery), (new_query, _) = features
    held, pairs = {True: 0, False: 0}, {True: 0, False: 0}
    for i, label in enumerate(QUERY.labels):
        for j, other in enumerate(gallery.labels):
            if gallery is QUERY and i == j:
                continue
            new, old = (nn.functional.cosine_similarity(q[i], old_gallery[j], dim=0) for q in (new_query, old_query))
            same = bool(label == other)
            pairs[same] += 1
            held[same] += bool(new >= old) if same else bool(new <= old)
    assert metric.record()["constraints"] == {
        "same_class": pytest.approx(held[True] / pairs[True]),
        "different_class": pytest.approx(held[False] / pairs[False]),
    }
    fewer = CrossTests(QUERY, gallery, criterion="cmc@1", constraint_queries=10)
    Versions(fewer, *projections)
    assert fewer.record()["constraints"] != metric.record()["constraints"]


@pytest.mark.parametrize("criterion", ["nearest_class_mean", "cmc@1", "map"])
def test_versions_of_other_widths_cannot_be_compared(criterion):
    metric = CrossTests(QUERY, GALLERY, criterion=criterion, service=SearchService(3))
    Versions(metric, projection(0), projection(1, width=7), projection(2))
    assert metric.matrix[1][0] == metric.matrix[2][1] == 0.0
    assert metric.matrix[2][0] > 0
    assert metric.record()["constraints"] is None
    assert metric.record()["positive_flip_rate"] == 0.0
    assert metric.record()["negative_flip_rate"] > 0
    json.dumps([metric.record(), metric.service_record()], allow_nan=False)


def test_the_service_sees_every_version_and_the_time_of_its_gallery():
    metric = CrossTests(QUERY, GALLERY, batch_size=10, service=SearchService(2))
    runs = Versions(metric, seconds_a_batch=0.005)
    assert metric.service_record() is None
    runs.add(projection(0))
    assert metric.service_record()["items_by_version"] == [20]
    runs.add(projection(1))
    record = metric.service_record()
    assert record["items_by_version"] == [20, 20]
    # 4 batches of 10 images at 5 ms and more: half a millisecond an image, for 20 images of version 0
    assert 0.01 <= record["device_seconds_saved"] < 0.25
    assert metric.passes == 4
    metric.reset()
    assert metric.service_record() is None
    assert metric.matrix == []
    runs.add(projection(0))
    assert metric.service_record()["items_by_version"] == [20]


def test_features_are_made_in_the_precision_of_the_strategy_and_by_another_embedding_if_one_is_given():
    dtypes, layer = [], nn.Linear(192, 4)

    def embed(images):
        output = layer(images.flatten(1))
        dtypes.append(output.dtype)
        return output

    for precision in ("fp32", "bf16"):
        metric = CrossTests(QUERY, GALLERY, embed=embed)
        runs = Versions(metric)
        runs.strategy.precision = precision
        runs.add(projection(0))
    assert dtypes == [torch.float32] * 2 + [torch.bfloat16] * 2


def test_what_cannot_be_measured_is_refused():
    with refused(ValueError, names=("criterion",)):
        CrossTests(QUERY, GALLERY, criterion="accuracy")
    with refused(ValueError, names=("nearest_class_mean", "cmc@1")):
        CrossTests(QUERY, QUERY)
    with refused(ValueError, names=("query", "gallery", "classes")):
        CrossTests(QUERY, tiny_images(4, classes=3))
    with refused(ValueError, names=("query", "gallery")):
        CrossTests(QUERY, GALLERY.subset([]))
    metric = CrossTests(QUERY, GALLERY)
    metric.after_training_exp(None)
    with refused(TypeError, names=("TinyModel", "embed")):
        metric.after_eval(SimpleNamespace(model=TinyModel(), device="cpu"))
