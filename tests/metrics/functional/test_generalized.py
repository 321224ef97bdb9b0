import numpy as np
import pytest
from helpers.errors import refused
from hypothesis import given
from hypothesis import strategies as st

from clsim.metrics import generalized_accuracy, generalized_accuracy_area

CHECKED = [[0.80], [0.70, 0.65], [0.65, 0.60, 0.55]]


def test_the_value_of_the_authors_own_code():
    """Computed with ``models/metric.py`` of iSEE-Laboratory/Revisting_FSCIL, 12 = 60 base classes / 5 ways."""
    found = [generalized_accuracy(CHECKED, weight) for weight in (0, 1, 12)]
    assert found == pytest.approx([0.408333, 0.691667, 0.711813], abs=1e-6)
    assert generalized_accuracy_area(CHECKED, 12) == pytest.approx(0.693696, abs=1e-6)


def plain(matrix, ratio):
    """The area by a sum, and loops over sessions as their definition is written."""
    curve = []
    for weight in range(ratio + 1):
        values = []
        for session, row in enumerate(matrix):
            total = weight * row[0]
            for accuracy in row[1:]:
                total += accuracy
            values.append(total / (weight + session) if weight + session else 0.0)
        curve.append(np.mean(values))
    return (sum(curve) - (curve[0] + curve[-1]) / 2) / ratio


@st.composite
def matrices(draw):
    sessions = draw(st.integers(1, 6))
    share = st.floats(0, 1, allow_subnormal=False)
    return [[draw(share) for _ in range(session + 1)] for session in range(sessions)]


@given(matrices(), st.integers(1, 15))
def test_it_equals_a_plain_loop(matrix, ratio):
    assert generalized_accuracy_area(matrix, ratio) == pytest.approx(plain(matrix, ratio), abs=1e-12)


@given(matrices(), st.integers(1, 30))
def test_with_the_ratio_of_the_sizes_it_is_the_mean_of_ordinary_accuracies(matrix, ratio):
    """A base session of `ratio` classes and one class in each later session, with the same images for each class."""
    ordinary = [np.average(row, weights=[ratio, *[1] * (len(row) - 1)]) for row in matrix]
    assert generalized_accuracy(matrix, ratio) == pytest.approx(np.mean(ordinary))


def test_a_ratio_between_two_numbers_ends_the_curve_there():
    at = {weight: generalized_accuracy(CHECKED, weight) for weight in (0, 1, 2, 2.5)}
    area = (at[0] + at[1]) / 2 + (at[1] + at[2]) / 2 + 0.5 * (at[2] + at[2.5]) / 2
    assert generalized_accuracy_area(CHECKED, 2.5) == pytest.approx(area / 2.5)
    assert generalized_accuracy_area(CHECKED, 0.5) == pytest.approx((at[0] + generalized_accuracy(CHECKED, 0.5)) / 2)


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_sessions_without_test_images_do_not_count(missing):
    matrix = [[0.8], [0.6, missing], [0.6, missing, 0.4]]
    assert generalized_accuracy(matrix, 1) == pytest.approx((0.8 + 0.6 + 0.5) / 3)
    assert generalized_accuracy([[missing], [missing, 0.5]], 1) is None
    assert generalized_accuracy_area([[missing], [missing, 0.5]], 2) is None


def test_wrong_input_is_refused():
    with refused(ValueError, names=("weight", -1)):
        generalized_accuracy(CHECKED, -1)
    with refused(ValueError, names=("ratio", 0)):
        generalized_accuracy_area(CHECKED, 0)
    with refused(ValueError, names=("ratio", "inf")):
        generalized_accuracy_area(CHECKED, float("inf"))
    with refused(ValueError, names=("row 1", 2)):
        generalized_accuracy([[0.5], [0.5]], 1)
    with refused(ValueError, names=("empty",)):
        generalized_accuracy([], 1)
