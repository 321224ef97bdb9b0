import pytest
import torch
from helpers.errors import refused
from helpers.published import HOC
from torch.nn.functional import normalize

from clsim.metrics import (
    average_compatibility,
    average_multimodel_accuracy,
    average_multimodel_accuracy_curve,
    backward_compatibility,
    constraints_satisfied,
    gain_over_first,
    update_gain,
)

HOC_CURVE = [0.58892, 0.60051, 0.62965, 0.64943, 0.66600, 0.67859, 0.68899]

# Its baseline: the diagonal and the third row are printed, the other cross-tests are put at the mean that AM leaves.
ER_DIAGONAL = [0.6342, 0.63092, 0.72734, 0.703, 0.74464, 0.72312, 0.71544]
ER_OTHERS = (28 * 0.35179 - sum(ER_DIAGONAL) - 0.11708 - 0.1123) / 19
ER = [[ER_OTHERS] * row + [own] for row, own in enumerate(ER_DIAGONAL)]
ER[2] = [0.11708, 0.1123, 0.72734]


def test_the_published_matrix():
    assert average_compatibility(HOC) == 20 / 21  # the fifth model on the fourth gallery fails
    assert average_compatibility(HOC, strict=False) == 20 / 21
    assert average_multimodel_accuracy(HOC) == pytest.approx(0.68899, abs=5e-6)
    assert average_multimodel_accuracy_curve(HOC) == pytest.approx(HOC_CURVE, abs=5.1e-6)
    assert average_compatibility(HOC[:4]) == 1.0
    assert gain_over_first(HOC) == pytest.approx(0.6314 - 0.58892)


def test_the_published_baseline():
    assert average_compatibility(ER) == 0.0
    assert average_compatibility(ER, strict=False) == 0.0
    assert average_multimodel_accuracy(ER) == pytest.approx(0.35179)
    assert average_multimodel_accuracy_curve(ER)[0] == 0.6342
    assert backward_compatibility(ER) < -0.4


def test_what_stands_above_the_diagonal_is_not_looked_at():
    for above in (None, 0.99, float("nan")):
        square = [row + [above] * (len(HOC) - len(row)) for row in HOC]
        assert average_compatibility(square) == 20 / 21
        assert average_multimodel_accuracy_curve(square) == average_multimodel_accuracy_curve(HOC)
        assert backward_compatibility(square) == backward_compatibility(HOC)
        assert gain_over_first(square) == gain_over_first(HOC)


def test_ties_fail_unless_they_are_allowed():
    tied = [[0.5], [0.5, 0.7], [0.5, 0.8, 0.9]]
    assert average_compatibility(tied) == 1 / 3
    assert average_compatibility(tied, strict=False) == 1.0
    worse = [[0.5], [0.5, 0.7], [0.4, 0.8, 0.9]]
    assert average_compatibility(worse, strict=False) == 2 / 3


def test_zeros_count():
    assert average_multimodel_accuracy([[0.6], [0.0, 0.6]]) == pytest.approx(0.4)
    assert average_multimodel_accuracy_curve([[0.0], [0.0, 0.0]]) == [0.0, 0.0]
    assert average_compatibility([[0.0], [0.0, 0.0]]) == 0.0
    assert average_compatibility([[0.0], [0.0, 0.0]], strict=False) == 1.0
    assert average_compatibility([[0.0], [0.1, 0.0]]) == 1.0


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_not_a_number_is_refused(number):
    for figure in (average_compatibility, average_multimodel_accuracy, backward_compatibility, gain_over_first):
        with refused(ValueError, names=("row 1", "finite")):
            figure([[0.5], [number, 0.5]])
    assert average_compatibility([[0.5, number], [0.6, 0.5]]) == 1.0  # above the diagonal nobody looks
    with refused(ValueError, names=("update_gain",)):
        update_gain(number, 0.5, 0.75)


def test_a_single_model_has_no_pair():
    assert average_compatibility([[0.7]]) is None
    assert average_multimodel_accuracy([[0.7]]) == 0.7
    assert average_multimodel_accuracy_curve([[0.7]]) == [0.7]
    assert backward_compatibility([[0.7]]) is None
    assert gain_over_first([[0.7]]) is None


def test_backward_compatibility_by_hand():
    matrix = [[0.5], [0.9, 0.6], [0.55, 0.4, 0.7]]
    assert backward_compatibility(matrix) == pytest.approx((0.05 - 0.2) / 2)
    assert gain_over_first(matrix) == pytest.approx(0.05)


def test_update_gain():
    assert update_gain(0.6, 0.5, 0.75) == pytest.approx(0.4)
    assert update_gain(0.4, 0.5, 0.75) == pytest.approx(-0.4)
    assert update_gain(0.8, 0.5, 0.75) == pytest.approx(1.2)
    assert update_gain(0.6, 0.5, 0.5) is None
    assert update_gain(0.6, 0.5, 0.4) is None


@pytest.mark.parametrize("matrix", [[], [[]], [[0.5], [0.6]], [[0.5], [0.6, None]], [[None]]])
@pytest.mark.parametrize(
    "metric", [average_compatibility, average_multimodel_accuracy, backward_compatibility, gain_over_first]
)
def test_an_incomplete_matrix_is_refused(metric, matrix):
    with refused(ValueError, names=("cross-test matrix",)):
        metric(matrix)


def pairs_that_hold(new, old, gallery, labels, gallery_labels, selves=()):
    """The definition, pair by pair."""
    kinds = {True: [], False: []}
    for i in range(len(new)):
        for j in range(len(gallery)):
            if (i, j) not in selves:
                before = 1 - float(normalize(old[i].double(), dim=0) @ normalize(gallery[j].double(), dim=0))
                after = 1 - float(normalize(new[i].double(), dim=0) @ normalize(gallery[j].double(), dim=0))
                same = bool(labels[i] == gallery_labels[j])
                kinds[same].append(after <= before if same else after >= before)
    return tuple(sum(held) / len(held) for held in (kinds[True], kinds[False]))


@pytest.mark.parametrize("chunk", [1, 4, None])
def test_constraints_pair_by_pair(chunk):
    draw = torch.Generator().manual_seed(0)
    old, new, gallery = (torch.randn(n, 5, generator=draw) for n in (13, 13, 17))
    labels, gallery_labels = (torch.randint(3, (n,), generator=draw) for n in (13, 17))
    told = constraints_satisfied(new, old, gallery, labels, gallery_labels, chunk=chunk)
    assert told == pairs_that_hold(new, old, gallery, labels, gallery_labels)


def test_constraints_without_each_image_itself():
    draw = torch.Generator().manual_seed(1)
    old, new = (torch.randn(12, 4, generator=draw) for _ in range(2))
    labels = torch.arange(12) % 3
    told = constraints_satisfied(new, old, old, labels, labels, exclude_self=True)
    assert told == pairs_that_hold(new, old, old, labels, labels, {(i, i) for i in range(12)})
    counted = constraints_satisfied(new, old, old, labels, labels)
    assert counted[0] < told[0]  # no other feature is nearer to the old one than itself
    assert counted[1] == told[1]


def test_a_model_satisfies_both_constraints_against_itself():
    features, labels = torch.randn(20, 6), torch.arange(20) % 4
    assert constraints_satisfied(features, features, features, labels, labels) == (1.0, 1.0)


def test_without_pairs_of_a_kind_there_is_no_share():
    features = torch.randn(3, 4)
    one, two = torch.zeros(3, dtype=torch.long), torch.ones(3, dtype=torch.long)
    assert constraints_satisfied(features, features, features, one, one) == (1.0, None)
    assert constraints_satisfied(features, features, features, one, two) == (None, 1.0)


def test_constraints_need_the_same_queries_of_both_models():
    labels = torch.zeros(3, dtype=torch.long)
    with refused(ValueError, names=("new_query", "old_query")):
        constraints_satisfied(torch.randn(2, 4), torch.randn(3, 4), torch.randn(3, 4), labels, labels)
    with refused(ValueError, names=("width", 4, 5)):
        constraints_satisfied(torch.randn(3, 4), torch.randn(3, 4), torch.randn(3, 5), labels, labels)
