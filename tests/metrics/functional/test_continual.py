import pytest
from helpers.errors import refused

from clsim.metrics import (
    average_accuracy,
    average_accuracy_weighted,
    average_forgetting,
    forgetting,
    forgetting_by_session,
    harmonic_mean,
    performance_drop,
)

CIFAR = [87.83, 85.86, 84.93, 82.85, 82.64, 82.42, 82.27, 81.44, 80.52]
CUB = [81.58, 78.52, 76.68, 71.86, 71.52, 70.23, 67.66, 66.52, 65.09, 64.47, 64.60]
MINI = [90.23, 89.56, 87.42, 86.80, 86.51, 85.08, 83.43, 83.38, 82.77]
MATRIX = [[0.9], [0.8, 0.5], [0.85, 0.6, 0.7]]


@pytest.mark.parametrize(
    ("row", "base", "ways", "unweighted", "weighted", "drop"),
    [
        (CIFAR, 60, 5, 83.42, 83.08, 7.31),
        (MINI, 60, 5, 86.13, 85.73, 7.46),
        (CUB, 100, 10, 70.79, 69.64, 16.98),
    ],
)
def test_both_averages_and_the_drop_of_published_rows(row, base, ways, unweighted, weighted, drop):
    seen = [base + ways * session for session in range(len(row))]
    assert average_accuracy(row) == pytest.approx(unweighted, abs=0.005)
    # CUB's test images differ from class to class; weighting by classes is near enough for two digits.
    assert average_accuracy_weighted(row, seen) == pytest.approx(weighted, abs=0.006)
    assert performance_drop(row) == pytest.approx(drop, abs=0.0051)


def test_forgetting_from_best_and_from_first_by_hand():
    assert forgetting_by_session(MATRIX, "best") == pytest.approx([0.05, -0.1])
    assert forgetting_by_session(MATRIX, "first") == pytest.approx([0.05, -0.1])
    risen = [[0.5], [0.9, 0.5], [0.7, 0.4, 0.3]]
    assert forgetting_by_session(risen, "best") == pytest.approx([0.2, 0.1])
    assert forgetting_by_session(risen, "first") == pytest.approx([-0.2, 0.1])
    assert forgetting(risen, "best") == pytest.approx(0.15)
    assert forgetting(risen, "first") == pytest.approx(-0.05)


def test_average_forgetting_takes_every_pair_once():
    # after session 1: 0.9 - 0.8; after session 2: 0.9 - 0.85 and 0.5 - 0.6
    assert average_forgetting(MATRIX) == pytest.approx((0.1 + 0.05 - 0.1) / 3)


def test_one_session_has_forgotten_nothing_and_says_so():
    assert forgetting([[0.9]]) is None
    assert average_forgetting([[0.9]]) is None
    assert forgetting_by_session([[0.9]]) == []


def test_wrong_input_is_refused():
    with refused(ValueError, names=("reference",)):
        forgetting(MATRIX, "median")
    with refused(ValueError, names=("row",)):
        forgetting([[0.9], [0.8]])


def test_harmonic_mean():
    assert harmonic_mean(0.8, 0.4) == pytest.approx(2 * 0.32 / 1.2)
    assert harmonic_mean(0.0, 0.0) == 0.0


def plain_forgetting(matrix, reference):
    """Mean over the earlier sessions whose classes were measured, by a plain loop."""
    lost = []
    for column in range(len(matrix) - 1):
        values = [matrix[row][column] for row in range(column, len(matrix))]
        if any(value is None for value in values):
            continue
        earlier = values[:-1]
        lost.append((max(earlier) if reference == "best" else earlier[0]) - values[-1])
    return sum(lost) / len(lost)


@pytest.mark.parametrize("reference", ["best", "first"])
@pytest.mark.parametrize("missing", [None, float("nan")])
@pytest.mark.parametrize("unmeasured", [(1, 2, 3), (0, 2), (2,), ()])
def test_a_session_without_a_measured_class_is_not_counted(reference, missing, unmeasured):
    whole = [[0.6], [0.7, 0.5], [0.3, 0.55, 0.2], [0.4, 0.1, 0.25, 0.9]]
    gone = [[None if j in unmeasured else value for j, value in enumerate(row)] for row in whole]
    given = [[missing if j in unmeasured else value for j, value in enumerate(row)] for row in whole]
    assert forgetting(given, reference) == pytest.approx(plain_forgetting(gone, reference))
    pairs = [
        value for rows in range(2, 5) for value in forgetting_by_session(given[:rows], reference) if value is not None
    ]
    assert average_forgetting(given, reference) == pytest.approx(sum(pairs) / len(pairs))
    by_session = forgetting_by_session(given, reference)
    assert [value is None for value in by_session] == [j in unmeasured for j in range(3)]


def test_a_stream_of_which_one_session_is_measured_forgets_what_that_one_lost():
    rows = [[0.9], [0.8, None], [0.6, None, None], [0.7, None, None, None]]
    assert forgetting(rows) == pytest.approx(0.9 - 0.7)
    assert average_forgetting(rows) == pytest.approx((0.1 + 0.3 + 0.2) / 3)
    nothing = [[None], [None, None]]
    assert forgetting(nothing) is average_forgetting(nothing) is None


def test_averages_leave_sessions_out_that_were_not_measured():
    for missing in (None, float("nan")):
        assert average_accuracy([missing, 0.5, 0.7]) == pytest.approx(0.6)
        assert average_accuracy_weighted([missing, 0.5, 0.7], [0, 10, 30]) == pytest.approx(0.65)
        assert performance_drop([missing, 0.5]) is performance_drop([0.5, missing]) is None
        assert average_accuracy([missing]) is average_accuracy_weighted([missing], [0]) is None


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (lambda: average_accuracy([]), ("accuracies", "none")),
        (lambda: average_accuracy([0.5, float("inf")]), ("accuracies", "got inf")),
        (lambda: average_accuracy_weighted([], []), ("accuracies", "none")),
        (lambda: average_accuracy_weighted([0.5], [-1]), ("images", "-1")),
        (lambda: average_accuracy_weighted([0.5], [1, 2]), ("argument 2",)),
        (lambda: performance_drop([]), ("accuracies", "none")),
        (lambda: forgetting([]), ("matrix", "empty")),
        (lambda: forgetting([[0.5], [float("-inf"), 0.5]]), ("accuracies", "-inf")),
        (lambda: harmonic_mean(float("nan"), 0.5), ("harmonic_mean", "nan")),
        (lambda: harmonic_mean(-0.5, 0.5), ("harmonic_mean", "-0.5")),
    ],
)
def test_what_is_no_accuracy_is_refused(call, names):
    with refused(ValueError, names=names):
        call()
