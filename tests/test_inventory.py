"""The tables of ``clsim list`` and ``clsim data``."""

from __future__ import annotations

from pathlib import Path

import pytest
from desk import make_desk

from clsim.inventory import TOPICS, show, show_data


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLSIM_DATA", str(tmp_path / "data"))
    make_desk(tmp_path)


def rows(printed: str) -> dict[str, list[str]]:
    return {line.split("\t")[0]: line.split("\t")[1:] for line in printed.splitlines()}


def test_scenarios_and_strategies_are_described(capsys: pytest.CaptureFixture[str]) -> None:
    show("scenarios")
    assert rows(capsys.readouterr().out)["test"] == ["a test", "toy", "scenarios/test.yaml"]
    show("strategies")
    assert rows(capsys.readouterr().out)["toy"] == ["A strategy for tests.", "strategies/toy.py"]


def test_what_cannot_be_used_is_listed_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    Path("scenarios/test.yaml").write_text("a: [")
    Path("strategies/toy.py").write_text("def build(:")
    show("scenarios")
    assert "cannot be used: scenarios/test.yaml:1: not valid YAML" in rows(capsys.readouterr().out)["test"][0]
    show("strategies")
    assert "cannot be used: strategies/toy.py:1: not valid Python" in rows(capsys.readouterr().out)["toy"][0]
    show("models")  # and does not stop


def test_data_sets_models_and_metrics_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    show("datasets")
    assert rows(capsys.readouterr().out)["cub200"][:3] == ["200", "29", "224 px"]
    show("models")
    assert rows(capsys.readouterr().out)["small"] == ["clip on shapes", "test"]
    show("metrics")
    assert "forgetting" in rows(capsys.readouterr().out)
    show(None)
    printed = capsys.readouterr().out
    assert [line for line in printed.splitlines() if line.startswith("# ")] == [f"# {topic}" for topic in TOPICS]


def test_data_sets_say_where_they_stand(capsys: pytest.CaptureFixture[str]) -> None:
    assert show_data("status", [])
    status = rows(capsys.readouterr().out)
    assert status["shapes"][0] == "here"
    assert status["cifar100"][0] == "not here"
    assert not show_data("verify", ["cifar100"])
    assert show_data("verify", ["shapes"])
