"""The tables of ``clsim list`` and ``clsim data``."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from helpers.workspace import REPLACEMENT, make_workspace

from clsim.cli.listing import INCOMING, TOPICS, show, show_data, show_settings
from clsim.pretraining import ModelRecipe
from clsim.utils.errors import UserError


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLSIM_DATA", str(tmp_path / "data"))
    make_workspace(tmp_path)


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
    data_sets = rows(capsys.readouterr().out)
    assert data_sets["cub200"][:3] == ["200", "29", "224 px"]
    assert data_sets["flickr8k"][2] == "224 px" and "6,000 training images, 5 captions each" in data_sets["flickr8k"][3]
    assert data_sets["shapes"][3].endswith("also with captions") and "captions:PATH" in data_sets
    show("models")
    assert "small\tclip on shapes\ttest\n" in capsys.readouterr().out
    show("metrics")
    assert "forgetting" in rows(capsys.readouterr().out)
    show(None)
    printed = capsys.readouterr().out
    assert [line for line in printed.splitlines() if line.startswith("# ")] == [f"# {topic}" for topic in TOPICS]


def test_models_say_where_they_come_from(capsys: pytest.CaptureFixture[str]) -> None:
    text = REPLACEMENT.replace("models:", "models:\n  v4: {kind: open_clip, model: ViT-B-32, pretrained: openai}")
    text = text.replace("v2: {", "v5: {kind: classifier, dataset: shapes, classes: 9, head: simplex}\n  v2: {")
    Path("scenarios/arriving.yaml").write_text(text)
    show("models")
    found = rows(capsys.readouterr().out)
    assert {name: found[name] for name in ("v1", "v2", "v3", "v4", "v5")} == {
        "v1": ["classifier on tiny_imagenet32, 50 classes, simplex or learnable head", "arriving"],
        "v2": ["timm resnet18.a1_in1k, hub", "arriving"],
        "v3": ["checkpoint v3.safetensors", "arriving"],
        "v4": ["open_clip ViT-B-32, openai", "arriving"],
        "v5": ["classifier on shapes, 9 classes, simplex head", "arriving"],
    }
    kinds = get_args(get_args(ModelRecipe)[0])
    assert set(INCOMING) == {get_args(kind.model_fields["kind"].annotation)[0] for kind in kinds}


def test_data_sets_say_where_they_stand(capsys: pytest.CaptureFixture[str]) -> None:
    assert show_data("status", [])
    status = rows(capsys.readouterr().out)
    assert status["shapes"][0] == "here"
    assert status["cifar100"][0] == status["coco_captions"][0] == "not here"
    assert not show_data("verify", ["cifar100"])
    assert show_data("verify", ["shapes"])


def test_the_settings_of_a_strategy_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    show_settings("toy")
    told = {line.split("\t")[0]: line.split("\t")[1:] for line in capsys.readouterr().out.splitlines()}
    assert told["epochs"] == ["an integer", "5", "passes over a session."]
    assert told["mode"][:2] == ["replace or accumulate", '"replace"']
    assert "device" not in told
    with pytest.raises(UserError, match="there is no strategy 'tyo'"):
        show_settings("tyo")


def test_models_are_listed_with_the_strategies_that_declare_to_use_them(capsys: pytest.CaptureFixture[str]) -> None:
    mine = 'REQUIRES = ("replacement",)\ndef build(stream, *, backbone: str = "x"):\n    """Compose it.\n\n    Args:\n'
    Path("strategies/mine.py").write_text(f'{mine}        backbone: Name of my network.\n    """\n')
    show("models")
    printed = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert ["strategy.backbone", "Name of my network.", "mine"] in printed
    users = {cells[2] for cells in printed if cells[1].startswith("as a replacement")}
    assert len(users) == 1 and set(users.pop().split(", ")) == {"mine", "replay", "stationary"}
