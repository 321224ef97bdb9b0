"""The registry of figures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clsim.results import figures as registry
from clsim.results.figures import BUILT_IN, Figure, at, figure, figures, figures_from_outside, ordered, register
from clsim.utils.errors import ArgumentError


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A registry that forgets what a test adds."""
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    yield


def test_keys_and_labels_are_unique() -> None:
    assert len({each.key for each in BUILT_IN}) == len({each.label for each in BUILT_IN}) == len(BUILT_IN)


def test_every_figure_has_a_meaning_and_a_place() -> None:
    for each in BUILT_IN:
        assert each.meaning.endswith("."), each.key
        assert each.session or each.run or each.key == registry.INDEPENDENT_GAIN, each.key


def test_values_come_from_records_and_summaries() -> None:
    record = {"accuracy": 0.5, "compatibility": {"self_test": 0.25}, "service": None}
    assert figure("accuracy").of_session(record) == 0.5
    assert figure("self_test").of_session(record) == 0.25
    assert figure("service_accuracy").of_session(record) is None
    results = {"sessions": [{}, record], "summary": {"final_accuracy": 0.5, "ac": float("nan")}}
    assert figure("final_accuracy").of_run(results) == 0.5
    assert figure("self_test").of_run(results) == 0.25
    assert figure("ac").of_run(results) is None
    assert figure("accuracy.1").of_run(results) == 0.5
    assert figure("accuracy.2").of_run(results) is None


@pytest.mark.parametrize(
    ("key", "value", "text", "signed"),
    [
        ("accuracy", 0.5, "50.00%", "+50.00"),
        ("train_seconds", 185, "3:05", "+3:05"),
        ("images_trained", 1200, "1,200", "+1,200"),
        ("peak_memory_bytes", 1 << 20, "1.0 MiB", "+1.0 MiB"),
        ("metrics.confidence", -0.25, "-0.25", "-0.25"),
        ("accuracy", None, "-", "-"),
    ],
)
def test_a_unit_has_one_format(key: str, value: float | None, text: str, signed: str) -> None:
    assert (figure(key).text(value), figure(key).text(value, signed=True)) == (text, signed)


def test_a_heading_has_two_lines_at_most() -> None:
    assert figure("harmonic_mean").heading == ("harmonic", "mean")
    assert figure("accuracy").heading == ("", "accuracy")
    assert all(each.short.count("\n") < 2 for each in BUILT_IN)


@pytest.mark.usefixtures("fresh")
def test_a_figure_from_outside_comes_after_the_others() -> None:
    mine = Figure("half_accuracy", "half the accuracy", session=lambda record: record["accuracy"] / 2, at_end=True)
    register(mine)
    register(mine)  # a module may be imported twice
    assert figures_from_outside() == (mine,)
    assert figures()[-1] is figure("half_accuracy") is mine
    assert ordered(["half_accuracy", "ac"]) == ["ac", "half_accuracy"]


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("key", ["accuracy", "metrics.mine", "Mine", ""])
def test_a_key_that_is_in_use_or_malformed_is_refused(key: str) -> None:
    with pytest.raises(ArgumentError, match=repr(key)):
        register(Figure(key, "mine", session=at("mine")))


def test_a_key_of_no_figure_is_an_error() -> None:
    with pytest.raises(KeyError):
        figure("nonsense")
