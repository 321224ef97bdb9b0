"""Avalanche's plugins in its own `Naive` and in clsim's strategy on the same stream: the table of docs/avalanche.md."""

import random
import re
import warnings
from importlib.util import find_spec
from typing import Any, NamedTuple

import avalanche.training.plugins as plugins
import numpy as np
import pytest
import torch
from avalanche.evaluation.metrics import accuracy_metrics
from avalanche.models import FeCAMClassifier, MlpVAE, NCMClassifier
from avalanche.models.base_model import BaseModel
from avalanche.models.dynamic_modules import TrainEvalModel
from avalanche.training import Naive
from avalanche.training.plugins import EvaluationPlugin, GenerativeReplayPlugin, SupervisedPlugin
from avalanche.training.plugins import bic as bic_module
from avalanche.training.supervised import VAETraining
from helpers.documents import DOCUMENTS
from helpers.errors import refused
from helpers.tiny import tiny_dataset
from torch import nn
from torch.optim.lr_scheduler import MultiStepLR, StepLR

from clsim.plugins import Rehearsal
from clsim.streams import incremental
from clsim.training import Strategy
from clsim.utils.errors import UserError


class Net(BaseModel, nn.Module):
    """Everything that some plugin asks of a model."""

    def __init__(self):
        super().__init__()
        self.feature_extractor = nn.Sequential(nn.Flatten(), nn.Linear(192, 16), nn.ReLU())
        self.classifier = nn.Linear(16, 10)
        self.features = None

    def forward(self, images):
        self.features = self.feature_extractor(images)
        return self.classifier(self.features)

    def get_features(self, images):
        return self.feature_extractor(images)

    def __getstate__(self):
        return {**self.__dict__, "features": None}


def two_classifiers(classifier):
    def make():
        net = Net()
        return TrainEvalModel(net.feature_extractor, net.classifier, classifier())

    return make


def generative(model, optimizer):
    vae = MlpVAE((3, 8, 8), nhid=2)
    generator = VAETraining(
        model=vae,
        optimizer=torch.optim.Adam(vae.parameters(), lr=0.001),
        train_mb_size=20,
        plugins=[GenerativeReplayPlugin()],
        evaluator=EvaluationPlugin(loggers=[]),
    )
    return [plugins.TrainGeneratorAfterExpPlugin(), GenerativeReplayPlugin(generator)]


class Case(NamedTuple):
    """A plugin in use, and what becomes of it in both templates.

    `end` is "same" (it changes the result, in both to the same bits), "nothing" (it does not change it), or the
    error that ends both.
    """

    make: Any
    end: str = "same"
    model: Any = Net
    settings: Any = None


ncm, fecam = two_classifiers(NCMClassifier), two_classifiers(FeCAMClassifier)
MISSING = "same" if find_spec("quadprog") else "SolverNotFound"
OLD_TORCH = "verbose" in MultiStepLR.__init__.__code__.co_varnames
CASES = {
    "AGEMPlugin": Case(lambda m, o: [plugins.AGEMPlugin(20, 20)]),
    "BiCPlugin": Case(
        lambda m, o: [plugins.BiCPlugin(40, val_percentage=0.5, stage_2_epochs=3)],
        "same" if OLD_TORCH else "TypeError",
    ),
    "CWRStarPlugin": Case(lambda m, o: [plugins.CWRStarPlugin(m)]),
    "CoPEPlugin": Case(lambda m, o: [plugins.CoPEPlugin(40, 10, 10, max_it_cnt=3)]),
    "CurrentDataFeCAMUpdate": Case(lambda m, o: [plugins.CurrentDataFeCAMUpdate()], model=fecam),
    "CurrentDataNCMUpdate": Case(lambda m, o: [plugins.CurrentDataNCMUpdate()], model=ncm),
    "EWCPlugin": Case(lambda m, o: [plugins.EWCPlugin(1.0)]),
    "EarlyStoppingPlugin": Case(lambda m, o: [plugins.EarlyStoppingPlugin(1, "test")], settings={"eval_every": 1}),
    "FeCAMOracle": Case(lambda m, o: [plugins.FeCAMOracle()], model=fecam),
    "FeatureDistillationPlugin": Case(lambda m, o: [plugins.FeatureDistillationPlugin()]),
    "FromScratchTrainingPlugin": Case(lambda m, o: [plugins.FromScratchTrainingPlugin()]),
    "GDumbPlugin": Case(lambda m, o: [plugins.GDumbPlugin(40)]),
    "GEMPlugin": Case(lambda m, o: [plugins.GEMPlugin(20, 0.5)], MISSING),
    "GSS_greedyPlugin": Case(lambda m, o: [plugins.GSS_greedyPlugin(200, 2, [3, 8, 8])]),
    "GenerativeReplayPlugin": Case(generative),
    "LFLPlugin": Case(lambda m, o: [plugins.LFLPlugin(1.0)]),
    "LRSchedulerPlugin": Case(lambda m, o: [plugins.LRSchedulerPlugin(StepLR(o, 1, 0.5))]),
    "LwFPlugin": Case(lambda m, o: [plugins.LwFPlugin()]),
    "MASPlugin": Case(lambda m, o: [plugins.MASPlugin()]),
    "MIRPlugin": Case(lambda m, o: [plugins.MIRPlugin(10, 40, 20)]),
    "MemoryFeCAMUpdate": Case(lambda m, o: [plugins.MemoryFeCAMUpdate(80)], model=fecam),
    "MemoryNCMUpdate": Case(lambda m, o: [plugins.MemoryNCMUpdate(40)], model=ncm),
    "NCMOracle": Case(lambda m, o: [plugins.NCMOracle()], model=ncm),
    "RARPlugin": Case(lambda m, o: [plugins.RARPlugin(20, 40)]),
    "RWalkPlugin": Case(lambda m, o: [plugins.RWalkPlugin(delta_t=2)]),
    "ReplayPlugin": Case(lambda m, o: [plugins.ReplayPlugin(40)]),
    "SynapticIntelligencePlugin": Case(lambda m, o: [plugins.SynapticIntelligencePlugin(1000.0)], "nothing"),
    "TrainGeneratorAfterExpPlugin": Case(generative),
}
LIMITS = {
    # Batches of 20 new and 32 remembered images are more than it holds.
    "a memory of GSS smaller than a batch": Case(
        lambda m, o: [plugins.GSS_greedyPlugin(40, 2, [3, 8, 8])], "ValueError"
    ),
    # Sessions of 12 and 9 steps.
    "sessions of RWalk shorter than delta_t": Case(lambda m, o: [plugins.RWalkPlugin(delta_t=20)], "NaN"),
}
NO_PLUGINS = {"EvaluationPlugin", "SupervisedPlugin"}
"""What strategies have anyhow, and the base class."""


class Draws(SupervisedPlugin):
    """Seeds the global generator at each point where a plugin draws: loaders take different numbers from it."""

    def __init__(self):
        super().__init__()
        self.steps = 0

    def before_train_dataset_adaptation(self, strategy, **kwargs):
        torch.manual_seed(10_000 + self.steps)

    def before_training_exp(self, strategy, **kwargs):
        torch.manual_seed(20_000 + self.steps)

    def before_training_iteration(self, strategy, **kwargs):
        self.steps += 1
        torch.manual_seed(self.steps)

    def after_training_exp(self, strategy, **kwargs):
        torch.manual_seed(30_000 + self.steps)


class Outputs(SupervisedPlugin):
    """What the model made of every test image, after the other plugins."""

    def __init__(self):
        super().__init__()
        self.found = []

    def before_eval(self, strategy, **kwargs):
        self.found = []

    def after_eval_forward(self, strategy, **kwargs):
        self.found.append(strategy.mb_output.detach().clone())


def outcome(template, case):
    """The outputs after three sessions, or the name of the error that ended them."""
    stream = incremental(tiny_dataset(), base_classes=4, ways=3)
    for seed in (torch.manual_seed, np.random.seed, random.seed):
        seed(0)
    model, outputs = case.model(), Outputs()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    learner = template(
        model=model,
        optimizer=optimizer,
        train_mb_size=20,
        train_epochs=3,
        eval_mb_size=50,
        plugins=[Draws(), *case.make(model, optimizer), outputs],
        evaluator=EvaluationPlugin(accuracy_metrics(stream=True), loggers=[]),
        **(case.settings or {}),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for number, session in enumerate(stream.train_stream):
                watched = [stream.test_stream[: number + 1]] if case.settings else []
                learner.train(session, eval_streams=watched, shuffle=False)
                learner.eval(stream.test_stream[: number + 1])
        except Exception as error:
            return type(error).__name__
    found = torch.cat([output.flatten() for output in outputs.found])
    return found if torch.isfinite(found).all() else "NaN"


@pytest.fixture(scope="module")
def without():
    """The outputs without any plugin, by model."""
    return {model: outcome(Naive, Case(lambda m, o: [], model=model)) for model in (Net, ncm, fecam)}


@pytest.mark.parametrize("name", [*CASES, *LIMITS])
def test_a_plugin_ends_in_our_strategy_as_in_naive(name, without):
    case = {**CASES, **LIMITS}[name]
    theirs, ours = outcome(Naive, case), outcome(Strategy, case)
    if case.end in ("same", "nothing"):
        assert torch.is_tensor(theirs), theirs
        assert torch.is_tensor(ours), ours
        assert torch.equal(ours, theirs)
        assert torch.equal(theirs, without[case.model]) == (case.end == "nothing")
    else:
        assert (theirs, ours) == (case.end, case.end)


def test_no_plugin_of_avalanche_is_missing():
    known = {
        name for name, kind in vars(plugins).items() if isinstance(kind, type) and hasattr(kind, "before_training")
    }
    assert known - NO_PLUGINS == set(CASES)


def test_the_documentation_says_what_was_found():
    table = re.findall(
        r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|", DOCUMENTS["avalanche.md"].read_text(), flags=re.MULTILINE
    )
    said = {name: (theirs, ours) for name, theirs, ours in table}
    ends = {"same": ("runs", "same"), "nothing": ("no effect", "no effect")}
    expected = {name: ends.get(case.end, ("fails", "fails")) for name, case in CASES.items()}
    expected["GEMPlugin"] = ("runs", "same")  # with its solver, which need not be here
    expected["BiCPlugin"] = ("fails", "fails")
    assert said == expected


def test_bic_needs_an_older_torch_and_nothing_else(monkeypatch, without):
    """Its scheduler has lost the argument `verbose`; without it the held-out images do what they do in Naive."""

    def scheduler(*args, verbose=False, **settings):
        return MultiStepLR(*args, **settings)

    monkeypatch.setattr(bic_module, "MultiStepLR", scheduler)
    theirs, ours = outcome(Naive, CASES["BiCPlugin"]), outcome(Strategy, CASES["BiCPlugin"])
    assert torch.equal(ours, theirs)
    assert not torch.equal(theirs, without[Net])


class HoldsOut(SupervisedPlugin):
    """As BiC does: the session trains on fewer images than it has."""

    def before_train_dataset_adaptation(self, strategy, **kwargs):
        strategy.experience.dataset = strategy.experience.dataset.subset(range(30))


def test_images_that_a_plugin_holds_out_are_not_trained_on_and_come_back():
    session = incremental(tiny_dataset(), base_classes=4, ways=3).train_stream[0]
    for _ in range(2):
        learner = Strategy(model=Net(), optimizer=torch.optim.SGD, train_mb_size=20, plugins=[HoldsOut()])
        learner.train(session, eval_streams=[])
        assert learner.images_trained == 30
        assert (len(session.dataset), len(session.resident)) == (80, 80)
    learner = Strategy(model=Net(), optimizer=torch.optim.SGD, train_mb_size=20, plugins=[HoldsOut(), Rehearsal(2)])
    with refused(TypeError, names=("Rehearsal",)):
        learner.train(session, eval_streams=[])


def test_a_scheduler_of_an_optimizer_that_does_not_train_is_refused():
    session = incremental(tiny_dataset(), base_classes=4, ways=3).train_stream[0]
    model = Net()
    stepped = plugins.LRSchedulerPlugin(StepLR(torch.optim.SGD(model.parameters(), lr=0.1), 1))
    learner = Strategy(model=model, optimizer=torch.optim.SGD, plugins=[stepped])
    with refused(UserError, names=("LRSchedulerPlugin",)):
        learner.train(session, eval_streams=[])


def test_synaptic_intelligence_warns_that_it_does_nothing_here():
    session = incremental(tiny_dataset(), base_classes=4, ways=3).train_stream[0]
    learner = Strategy(model=Net(), optimizer=torch.optim.SGD, plugins=[plugins.SynapticIntelligencePlugin(1.0)])
    with pytest.warns(UserWarning, match="no effect on a CPU"):
        learner.train(session, eval_streams=[])
