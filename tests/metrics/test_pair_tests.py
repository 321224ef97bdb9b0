from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from helpers.errors import refused
from torch import nn

from clsim.data.core.captioned import CaptionedImages
from clsim.metrics import recall_at_k
from clsim.metrics.feature_files import FeatureFiles
from clsim.metrics.functional.retrieval import NO_MATCH
from clsim.metrics.pair_tests import DIRECTIONS, PairTests, pair_ranks, recompute_pairs
from clsim.metrics.search_service import SearchService

COUNTS = [1, 3, 2, 2]
"""Captions of the images of the small world, 8 in all."""


def world(counts):
    """Images that are told by their first pixel, 1, 2, ..., and captions by their text."""
    pixels = torch.zeros(len(counts), 3, 1, 1, dtype=torch.uint8)
    pixels[:, 0, 0, 0] = torch.arange(len(counts))
    told = tuple(tuple(f"{image}/{number}" for number in range(count)) for image, count in enumerate(counts))
    return CaptionedImages(pixels, told, "world")


class Version(nn.Module):
    """Looks its features up."""

    def __init__(self, pairs, images, texts):
        super().__init__()
        self.images, self.place, self.texts = images, {text: row for row, text in enumerate(pairs.texts)}, texts

    def embed(self, images):
        return self.images[(images[:, 0, 0, 0] * 255).round().long()]

    def features_of(self, texts, size):
        return self.texts[[self.place[text] for text in texts]]


def measure(metric, *versions, precision="fp32"):
    """The records after each version, a pair of features of images and texts."""
    records = []
    for images, texts in versions:
        model = Version(metric.pairs, images, texts)
        strategy = SimpleNamespace(
            model=model, device="cpu", precision=precision, clock=SimpleNamespace(train_iterations=7)
        )
        metric.before_training_exp(strategy)
        metric.after_training_exp(strategy)
        told = {value.name: value.value for value in metric.after_eval(strategy)}
        record = metric.record()
        assert told == {f"clsim/{name}": record[name] for name in ("self_test", "ac", "am") if record[name] is not None}
        records.append(record)
    return records


def drawn(pairs, seed, width=6, noise=0.7):
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(len(pairs), width, generator=torch.Generator().manual_seed(99))
    images = centres + noise * torch.randn(centres.shape, generator=generator)
    texts = centres[pairs.items] + noise * torch.randn(len(pairs.texts), width, generator=generator)
    return images, texts


def stored(features):
    return (features / features.norm(dim=1, keepdim=True)).half().double()


def plain_recall(queries, index, right, k):
    """A double loop: what is as near as the best right answer, and wrong, stands before it."""
    found = 0
    for i, query in enumerate(queries):
        scores = [float(query @ item / query.norm() / item.norm()) for item in index]
        best = max(score for j, score in enumerate(scores) if right(i, j))
        found += sum(score >= best and not right(i, j) for j, score in enumerate(scores)) < k
    return found / len(queries)


AXES = torch.eye(4)
RIGHT = AXES, AXES[[0, 1, 1, 1, 2, 2, 3, 3]]
"""Every image and its captions on an axis of their own."""


def test_ranks_by_hand():
    items = torch.tensor([0, 1, 1, 1, 2, 2, 3, 3])
    texts = AXES[[0, 1, 0, 2, 3, 3, 3, 3]] + 0.01
    to_text, to_image = pair_ranks(*RIGHT, AXES, texts, items)
    # Image 0 is as near to a caption of image 1 as to its own, image 3 to two of image 2, and image 2 to all but one,
    # which is nearer: a tie counts as lost.
    assert to_text.tolist() == [2, 1, 7, 3]
    # Captions look among the images, where all is right.
    assert to_image.tolist() == [1] * 8
    # Four captions stand on the axis of a wrong image, as far from their own as from the others.
    to_text, to_image = pair_ranks(AXES, texts, *RIGHT, items)
    assert to_text.tolist() == [1] * 4
    assert to_image.tolist() == [1, 1, 4, 4, 4, 4, 1, 1]


def test_of_different_widths_nothing_is_found():
    items = torch.tensor([0, 1])
    to_text, to_image = pair_ranks(torch.eye(2), torch.eye(2), torch.eye(3)[:2], torch.eye(3)[:2], items)
    assert to_text.tolist() == to_image.tolist() == [NO_MATCH] * 2


def test_two_versions_by_hand():
    """Version 1 confuses images 2 and 3, on both sides, and finds everything in its own index."""
    swap = [0, 1, 3, 2]
    pairs = world(COUNTS)
    first, second = measure(PairTests(pairs, also=[2]), RIGHT, (AXES[swap], RIGHT[1] @ AXES[swap]))
    assert first == {
        "self_test": 1.0,
        "cross_tests": [],
        "also": {f"recall@{k}/{direction}": [1.0] for k in (1, 2) for direction in DIRECTIONS},
        "compatible": None,
        "ac": None,
        "am": first["am"],
        "against_first": first["against_first"],
        "backward_compatibility": first["backward_compatibility"],
        "negative_flip_rate": None,
        "positive_flip_rate": None,
        "relative_negative_flip_rate": None,
        "update_gain": None,
        "constraints": None,
    }
    assert second["self_test"] == 1.0
    assert second["cross_tests"] == [0.5]
    # Images 2 and 3 of 4, and captions 4 to 7 of 8, find the other first: both halves of the mean are a half.
    assert second["also"]["recall@1/image_to_text"] == [0.5, 1.0]
    assert second["also"]["recall@1/text_to_image"] == [0.5, 1.0]
    assert (second["negative_flip_rate"], second["positive_flip_rate"]) == (0.5, 0.0)
    assert second["relative_negative_flip_rate"] == 1.0  # the old model makes no errors
    assert second["compatible"]["recall@1/image_to_text"] is False
    assert second["ac"] == 0.0


def test_the_mean_of_both_directions_is_over_directions_and_not_over_queries():
    pairs = world([3, 1])
    images, texts = torch.eye(2), torch.eye(2)[[0, 0, 1, 0]]  # one caption of image 0 is off, and that of image 1
    (record,) = measure(PairTests(pairs), (images, texts))
    # Image 0 finds one of its own, with as near a wrong one before it; image 1 has a wrong one before it.
    assert record["also"]["recall@1/image_to_text"] == [0.0]
    assert record["also"]["recall@1/text_to_image"] == [0.5]
    assert record["self_test"] == 0.25


@pytest.mark.parametrize("k", [1, 3])
def test_rows_are_those_of_recall_at_k_and_of_a_double_loop(k):
    pairs = world(COUNTS * 4)
    metric = PairTests(pairs, k=k, also=[2, k, 5], batch_size=3)
    versions = [drawn(pairs, seed) for seed in range(3)]
    records = measure(metric, *versions)
    mask = pairs.items == torch.arange(len(pairs))[:, None]
    for number, record in enumerate(records):
        assert list(record["also"]) == [f"recall@{count}/{d}" for count in (k, 2, 5) for d in DIRECTIONS]
        images, texts = map(stored, versions[number])
        for old, (old_images, old_texts) in enumerate(versions[: number + 1]):
            old_images, old_texts = stored(old_images), stored(old_texts)
            to_text = recall_at_k(images.float(), old_texts.float(), mask, k=(k, 2, 5))
            to_image = recall_at_k(texts.float(), old_images.float(), mask.T, k=(k, 2, 5))
            for count in (k, 2, 5):
                assert record["also"][f"recall@{count}/image_to_text"][old] == to_text[count]
                assert record["also"][f"recall@{count}/text_to_image"][old] == to_image[count]
            by_loop = (
                plain_recall(images, old_texts, lambda i, j: bool(mask[i, j]), k),
                plain_recall(texts, old_images, lambda i, j: bool(mask[j, i]), k),
            )
            assert by_loop == (to_text[k], to_image[k])
            assert metric.matrix[number][old] == sum(by_loop) / 2
        assert [*record["cross_tests"], record["self_test"]] == metric.matrix[number]
    assert len({value for row in metric.matrix for value in row}) > 3
    assert metric.passes == 3


@pytest.mark.parametrize("k", [1, 2])
def test_flips_make_up_the_difference_to_the_older_self_test(k):
    pairs = world([1, 2, 3, 2] * 4)  # 16 images and 32 captions: halves and sums are exact
    metric = PairTests(pairs, k=k)
    records = measure(metric, *[drawn(pairs, seed) for seed in range(4)])
    for number, record in enumerate(records[1:], 1):
        negative, positive = record["negative_flip_rate"], record["positive_flip_rate"]
        assert negative > 0 and positive > 0
        assert positive - negative == record["cross_tests"][-1] - records[number - 1]["self_test"]


def test_compatible_compares_with_the_version_before_row_by_row():
    pairs = world(COUNTS * 4)
    for strict in (True, False):
        records = measure(
            PairTests(pairs, also=[2, 5], strict=strict),
            *[drawn(pairs, seed) for seed in range(3)],
            drawn(pairs, 2),  # the same again: a tie everywhere
        )
        for before, record in pairwise(records):
            expected = {}
            for name, row in record["also"].items():
                older = before["also"][name][-1]
                expected[name] = row[-2] > older or (not strict and row[-2] == older)
            assert record["compatible"] == expected
        assert set(records[-1]["compatible"].values()) == {not strict}


def test_widths_that_differ_count_as_nothing_found():
    pairs = world(COUNTS)
    metric = PairTests(pairs, also=[5])
    records = measure(metric, RIGHT, (torch.eye(5)[:4], torch.eye(5)[pairs.items]), RIGHT)
    assert metric.matrix == [[1.0], [0.0, 1.0], [1.0, 0.0, 1.0]]
    assert records[1]["also"]["recall@5/text_to_image"] == [0.0, 1.0]
    assert records[1]["negative_flip_rate"] == 1.0
    assert set(records[1]["compatible"].values()) == {False}


def test_stored_features_give_the_matrices_of_the_run(tmp_path):
    pairs = world(COUNTS * 4)
    metric = PairTests(pairs, k=1, also=[5], folder=tmp_path)
    measure(metric, *[drawn(pairs, seed) for seed in range(3)], drawn(pairs, 3, width=4))
    final = metric.record()["also"]
    for k in (1, 5):
        again = recompute_pairs(tmp_path, k)
        assert {direction: rows[-1] for direction, rows in again.items()} == {
            direction: final[f"recall@{k}/{direction}"] for direction in DIRECTIONS
        }
    one, other = (recompute_pairs(tmp_path)[direction] for direction in DIRECTIONS)
    mean = [[(a + b) / 2 for a, b in zip(*rows, strict=True)] for rows in zip(one, other, strict=True)]
    assert mean == metric.matrix
    files = FeatureFiles(tmp_path)
    assert files.load(0).query.shape == (32, 6) and files.load(0).gallery.shape == (16, 6)
    assert files.load(3).info["pairs_sha256"] == pairs.sha256


def test_features_are_made_in_the_precision_of_the_strategy():
    pairs, dtypes = world(COUNTS), []
    layer = nn.Linear(3, 4)

    class Model(nn.Module):
        def embed(self, images):
            return self.note(layer(images.flatten(1)))

        def features_of(self, texts, size):
            return self.note(layer(torch.ones(len(texts), 3)))

        def note(self, output):
            dtypes.append(output.dtype)
            return output

    for precision in ("fp32", "bf16"):
        metric = PairTests(pairs)
        metric.after_training_exp(None)
        metric.after_eval(
            SimpleNamespace(model=Model(), device="cpu", precision=precision, clock=SimpleNamespace(train_iterations=0))
        )
    assert dtypes == [torch.float32] * 2 + [torch.bfloat16] * 2


def test_the_service_by_hand_where_half_of_the_images_are_indexed():
    """Captions look for images; those of images that are not indexed yet do not take part."""
    pairs = world(COUNTS)
    service = SearchService(2, steps=2)
    metric = PairTests(pairs, service=service)
    seen = []
    index = service.index

    def record(query, gallery, seconds):
        seen.append((query.shape, gallery.shape))
        return index(query, gallery, seconds)

    service.index = record
    measure(metric, RIGHT)
    first = metric.service_record()
    indexed = service._items[:2].tolist()
    late = service._items[2:].tolist()
    assert sorted(indexed + late) == [0, 1, 2, 3]
    assert {key: first[key] for key in ("accuracy", "gallery_items", "items_by_version")} == {
        "accuracy": 1.0,  # with every caption taking part it would be less
        "gallery_items": 2,
        "items_by_version": [2],
    }
    # Version 1 has one image of each half where version 0 had the other. Where the first of the two should be there is
    # nothing now, and where the second should be there are both; captions of the other two images find theirs.
    swapped = AXES.clone()
    swapped[[indexed[0], late[0]]] = AXES[[late[0], indexed[0]]]
    measure(metric, (swapped, swapped[pairs.items]))
    second = metric.service_record()
    assert seen == [((8, 4), (4, 4))] * 2
    assert second["accuracy"] == (COUNTS[indexed[1]] + COUNTS[late[1]]) / 8
    assert second["full_backfill"] == second["no_update"] == 1.0
    assert second["items_by_version"] == [2, 2]
    assert second["backfill"]["random"][0] == second["accuracy"]
    assert second["backfill"]["random"][-1] == 1.0


def test_a_version_that_nobody_evaluates_is_an_error():
    metric = PairTests(world(COUNTS))
    metric.after_training_exp(None)
    with refused(RuntimeError, names=("version 0", "eval")):
        metric.before_training_exp(None)


def test_only_the_first_evaluation_after_a_session_measures():
    metric = PairTests(world(COUNTS))
    assert metric.after_eval(None) is None
    measure(metric, RIGHT)
    assert metric.after_eval(None) is None
    assert metric.matrix == metric.result() == [[1.0]]
    metric.reset()
    assert (metric.matrix, metric.record(), metric.service_record()) == ([], None, None)
    (record,) = measure(metric, RIGHT)
    assert record["compatible"] is record["negative_flip_rate"] is None


def test_what_cannot_be_measured_is_refused():
    pairs = world(COUNTS)
    with refused(ValueError, names=("pairs", "none")):
        PairTests(pairs.subset([]))
    with refused(ValueError, names=("recall@K",)):
        PairTests(pairs, k=0)
    with refused(ValueError, names=("recall@K",)):
        PairTests(pairs, also=[5, 0])
    metric = PairTests(pairs)
    metric.after_training_exp(None)
    with refused(TypeError, names=("Linear", "embed")):
        metric.after_eval(SimpleNamespace(model=nn.Linear(1, 1), device="cpu"))
