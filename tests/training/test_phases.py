"""Plugins stand in the order of their phases, and a wrong order is refused."""

from pathlib import Path

import pytest
from avalanche.training.plugins import SupervisedPlugin
from helpers.errors import refused
from helpers.tiny import TinyModel

from clsim.config import load_scenario
from clsim.experiment.build import prepare
from clsim.experiment.checkpoint.snapshots import Snapshots
from clsim.plugins import ClassScope, LossGuard, ModelReplacement, ModelUpgrade, Procrustes, Progress, Rehearsal
from clsim.training import Phase, Strategy
from clsim.training.phases import check_order, phase_of, place_for
from clsim.utils.errors import ArgumentError

HEADS = ("ncm", "teen", "fecam", "ranpac", "joint", "tip_adapter", "bimc")
ORDERS = {
    ("shapes_fscil", "cpe_clip"): "BaseSession ClassScope WarmupCosine NewClassGradientScale",
    ("shapes_fscil", "zero_shot"): "ClassScope",
    ("shapes_fscil", "fine_tune"): "BaseSession ClassScope",
    ("shapes_fscil", "lwf"): "BaseSession ClassScope SteadyLwF",
    ("shapes_fscil", "feature_distillation"): "BaseSession ClassScope SteadyFeatures",
    **{("shapes_fscil", head): "ClassScope FitHead" for head in HEADS},
    ("shapes_fscil", "stationary"): ("BaseSession ClassScope OneCycle ProgressiveResize FreezeAfterBase FeatureReplay"),
    ("shapes_replacement", "stationary"): "Rehearsal ModelReplacement ClassScope WarmupCosine FeatureTeacher",
    ("shapes_replacement", "replay"): "Rehearsal ModelReplacement ClassScope WarmupCosine",
    ("shapes_upgrade", "oca"): "ModelUpgrade ClassScope OldPrototypes WarmupCosine",
    ("shapes_upgrade", "bct"): "ModelUpgrade ClassScope OldPrototypes WarmupCosine",
    ("shapes_upgrade", "independent"): "ModelUpgrade ClassScope WarmupCosine",
    ("shapes_upgrade", "procrustes"): "Procrustes ModelUpgrade ClassScope WarmupCosine",
    ("shapes_text_upgrade", "clip_independent"): "ClipUpgrade",
    ("shapes_text_upgrade", "clip_procrustes"): "ClipUpgrade TextProjection",
    ("shapes_text_upgrade", "xbt"): "ClipUpgrade TextProjection CaptionContrast WarmupCosine",
}
EVALUATION = ["EvaluationPlugin", "PeriodicEval", "Clock"]


class Silent:
    def on_event(self, event):
        """Ignore the event."""


def names(plugins):
    return [type(plugin).__name__ for plugin in plugins]


@pytest.mark.parametrize(("scenario", "strategy"), ORDERS)
def test_the_order_of_every_shipped_strategy(scenario, strategy):
    loaded = load_scenario(scenario, {"strategy.precision": "fp32"}, strategy=strategy)
    made = prepare(loaded, None, None, None, "cpu", strict=True).strategy
    own = ORDERS[scenario, strategy].split()
    assert names(made.plugins) == [*own, *EVALUATION]
    made.add_plugin(LossGuard())
    made.add_plugin(Snapshots(made))
    made.add_plugin(Progress(Silent()))
    assert names(made.plugins) == ["Snapshots", *own, "LossGuard", "Progress", *EVALUATION]


def test_every_shipped_strategy_has_its_order_here():
    shipped = {path.stem for path in (Path(__file__).parents[2] / "strategies").glob("*.py") if path.stem[0] != "_"}
    assert {strategy for _, strategy in ORDERS} >= shipped - {"__init__"}


def test_plugins_in_the_wrong_order_are_refused():
    upgrade = ModelUpgrade(lambda old: old)
    with refused(ArgumentError, names=("ModelUpgrade (MODEL)", "Procrustes (ALIGNMENT)", "Procrustes, ModelUpgrade")):
        Strategy(model=TinyModel(), plugins=[upgrade, ClassScope(), Procrustes(upgrade)])
    memory = Rehearsal(1)
    with refused(ArgumentError, names=("ModelReplacement", "Rehearsal")):
        check_order([ModelReplacement(memory), SupervisedPlugin(), memory])


def test_plugins_without_a_phase_may_stand_anywhere():
    anywhere, memory = [SupervisedPlugin() for _ in range(3)], Rehearsal(1)
    check_order([anywhere[0], memory, anywhere[1], ModelReplacement(memory), anywhere[2]])
    assert phase_of(anywhere[0]) is None
    assert phase_of(memory) is Phase.DATA


def test_a_plugin_joins_behind_its_phase_and_before_the_evaluation():
    strategy = Strategy(model=TinyModel(), plugins=[ClassScope(), LossGuard()])
    for plugin in (SupervisedPlugin(), Rehearsal(1), LossGuard()):
        strategy.add_plugin(plugin)
    assert names(strategy.plugins) == [
        "Rehearsal",
        "ClassScope",
        "SupervisedPlugin",
        "LossGuard",
        "LossGuard",
        *EVALUATION,
    ]
    assert place_for(Rehearsal(1), strategy.plugins, 5) == 1
