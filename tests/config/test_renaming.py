"""Former keys of scenarios: accepted with a warning that names the new one."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers.errors import refused
from helpers.workspace import SCENARIO, edited, problems_of

from clsim.config import load_scenario
from clsim.config.discovery import list_strategies
from clsim.config.load import read_resolved
from clsim.config.models.classifier import ClassifierRecipe
from clsim.config.models.sources import TimmModel
from clsim.config.signatures import read_signature
from clsim.config.user_code import load_strategy
from clsim.models import make_backbone
from clsim.utils.arguments import checked
from clsim.utils.errors import ArgumentError, RenamedWarning
from clsim.utils.renamed import RENAMED

STRATEGY = (
    "def build(stream, *, cpu_workers: int = 2, regularize: bool = True, influence: float = 1.0,\n"
    "    form: str = 'a'): return cpu_workers, influence\n"
)
OLD = edited(SCENARIO, "strategy: toy", "strategy: mine").replace(
    "  toy: {epochs: 2, lr: 1, mode: accumulate}", "  mine: {lanes: 4, influence: 3}"
)


STREAM = SimpleNamespace(kinds=("fscil",))


@pytest.fixture
def mine(scenario: Path) -> Path:
    Path("strategies/mine.py").write_text(STRATEGY)
    scenario.write_text(OLD)
    return scenario


def test_every_new_name_is_in_use_and_no_former_one_is() -> None:
    settings = {name for path in list_strategies().values() for name in read_signature(path).settings}
    assert set(RENAMED.values()) <= settings | {"initialization", "own_weight"} | set(TimmModel.model_fields)
    assert not set(RENAMED) & (settings | set(TimmModel.model_fields)) - {"pretrained"}  # in use for CLIPs


def test_a_former_key_of_a_strategy_is_the_new_one_with_a_warning(mine: Path) -> None:
    with pytest.warns(RenamedWarning) as caught:
        loaded = load_scenario(mine)
    assert loaded.selected_strategy.settings == {"cpu_workers": 4, "regularize": True, "influence": 3.0, "form": "a"}
    (warning,) = caught  # influence is still a name of this strategy
    assert all(part in str(warning.message) for part in ("test.yaml:13", "'lanes'", "'cpu_workers'"))


@pytest.mark.parametrize("key", ["lanes", "cpu_workers"])
@pytest.mark.parametrize("text", ["lanes: 4", "cpu_workers: 4"])
@pytest.mark.filterwarnings("ignore::clsim.utils.errors.RenamedWarning")
def test_an_override_of_either_name_wins(mine: Path, key: str, text: str) -> None:
    mine.write_text(OLD.replace("lanes: 4", text))
    loaded = load_scenario(mine, [f"strategy.{key}=8"])
    assert loaded.selected_strategy.settings["cpu_workers"] == 8
    assert loaded.overrides_setting("cpu_workers")


@pytest.mark.filterwarnings("ignore::clsim.utils.errors.RenamedWarning")
def test_both_names_in_one_place_are_refused(mine: Path) -> None:
    (problem,) = problems_of(mine, OLD.replace("lanes: 4", "lanes: 4, cpu_workers: 4"))
    assert problem.where == "scenarios/test.yaml:13"
    assert "'lanes'" in problem.what


@pytest.mark.filterwarnings("ignore::clsim.utils.errors.RenamedWarning")
def test_a_wrong_value_under_a_former_key_is_reported_at_its_line(mine: Path) -> None:
    (problem,) = problems_of(mine, OLD.replace("lanes: 4", "lanes: x"))
    assert problem.where == "scenarios/test.yaml:13"
    assert "cpu_workers" in problem.what


def test_seeds_and_models_have_their_new_keys(scenario: Path) -> None:
    scenario.write_text(
        SCENARIO.replace("models:\n", "models:\n  two: {kind: classifier, dataset: shapes, classes: 9, lanes: 3}\n")
        + "seeds: {initialisation: 5}\n"
    )
    with pytest.warns(RenamedWarning) as caught:
        loaded = load_scenario(scenario, {"models.two.lanes": 1})
    assert loaded.seeds.initialization == 5
    recipe = loaded.models["two"]
    assert isinstance(recipe, ClassifierRecipe)
    assert recipe.cpu_workers == 1
    assert len(caught) == 3  # two in the file, one override
    with pytest.warns(RenamedWarning, match="--set seeds.initialisation=7"):
        assert load_scenario("stand_in", ["seeds.initialisation=7"]).seeds.initialization == 7


def test_a_resolved_scenario_of_before_is_read_without_a_warning(scenario: Path) -> None:
    old = load_scenario("stand_in").to_yaml().replace("initialization: null", "initialisation: 5")
    Path("old.yaml").write_text(old)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_resolved(Path("old.yaml")).seeds.initialization == 5


def test_settings_of_published_figures_follow(mine: Path) -> None:
    figures = "[0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]"
    row = f"  mine: {{accuracy: {figures}, source: nowhere, settings: {{lanes: 4}}}}\n"
    mine.write_text(OLD.replace("published:\n", f"published:\n{row}"))
    with pytest.warns(RenamedWarning):
        assert "mine" in load_scenario(mine).published
    with pytest.warns(RenamedWarning):
        assert "mine" not in load_scenario(mine, ["strategy.cpu_workers=1"]).published


def test_arguments_in_python_have_them_too(mine: Path) -> None:
    build = load_strategy(Path("strategies/mine.py"))
    with pytest.warns(RenamedWarning, match="mine: 'lanes' is now 'cpu_workers'"):
        assert build(STREAM, lanes=8) == (8, 1.0)
    with pytest.warns(RenamedWarning, match="make_backbone"):
        make_backbone("resnet8x2", zero_init=False)  # type: ignore[call-arg]
    with refused(ArgumentError, where="mine", names=("lanes", "cpu_workers")):
        build(STREAM, lanes=8, cpu_workers=8)


def test_an_argument_that_still_has_the_name_keeps_it() -> None:
    @checked
    def call(*, contrast: float, contrast_weight: float = 0.0) -> Any:
        return contrast, contrast_weight

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert call(contrast=1.0) == (1.0, 0.0)


def test_the_name_of_a_model_made_before_stays() -> None:
    recipe = ClassifierRecipe(kind="classifier", dataset="shapes", classes=5, head="simplex")
    assert recipe.hash == "63f02a0572f49484"


def test_a_timm_model_keeps_its_former_keys(tmp_path: Path) -> None:
    path = tmp_path / "timm.yaml"
    path.write_text(
        "stream: {kind: fscil, dataset: shapes, base_classes: 60, ways: 5, shots: 5, splits: drawn}\n"
        "strategy: fine_tune\n"
        "models:\n"
        "  random: {kind: timm, model: resnet18, pretrained: false}\n"
        "  hub: {kind: timm, model: resnet18.a1_in1k, pretrained: true}\n"
        "  now: {kind: timm, name: tf_efficientnet_lite2, weights: registry, image_size: 128}\n"
    )
    with pytest.warns(RenamedWarning):
        models = load_scenario(path).models
    assert models == {
        "random": TimmModel(kind="timm", name="resnet18", weights="none"),
        "hub": TimmModel(kind="timm", name="resnet18.a1_in1k", weights="hub"),
        "now": TimmModel(kind="timm", name="tf_efficientnet_lite2", weights="registry", image_size=128),
    }
