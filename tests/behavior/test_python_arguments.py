"""What is composed in Python: numbers that a scenario would have refused are refused before anything is trained."""

import math
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from avalanche.evaluation.metrics import accuracy_metrics
from helpers.errors import refused
from helpers.tiny import TinyModel, tiny_clip, tiny_dataset
from torch import nn

import clsim
from clsim import losses
from clsim.config.discovery import find_strategy
from clsim.config.user_code import load_strategy
from clsim.data import load_dataset
from clsim.data.augment import Cutout, HorizontalFlip, RandomCrop, RandomResizedCrop, Resize
from clsim.models import (
    EmbeddingClassifier,
    LinearClassifier,
    OrthogonalAlignment,
    Projection,
    PromptedCLIP,
    SimplexClassifier,
    StationaryClassifier,
    dsimplex,
)
from clsim.models.backbones import make_backbone
from clsim.models.cpu_parallel import CpuDataParallel
from clsim.models.low_rank import LowRank
from clsim.plugins import (
    BaseSession,
    ClassScope,
    ClipUpgrade,
    FeatureReplay,
    FeatureTeacher,
    FreezeAfterBase,
    LossGuard,
    ModelUpgrade,
    OldPrototypes,
    OneCycle,
    Procrustes,
    Progress,
    ProgressiveResize,
    Rehearsal,
    TextProjection,
    WarmupCosine,
)
from clsim.streams import fscil, incremental
from clsim.utils.errors import ArgumentError, UserError

NAN = math.nan


class Body(nn.Module):
    num_features = 192


def cosine(**settings):
    return WarmupCosine(**{"max_lr": 0.1, "min_lr": 0.0, "warmup": 0, "cycle": 5, **settings})


def prompted(**settings):
    return PromptedCLIP.from_clip(tiny_clip(), ["a cat", "a dog"], **settings)


def strategy(**settings):
    return clsim.Strategy(**{"model": TinyModel(), **settings})


def without_address(value):
    """Return a test id that every test worker agrees on."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


WRONG = {
    partial(strategy): [
        *[("train_mb_size", value) for value in (0, -1, 2.0, True, "8", NAN)],
        *[("train_epochs", value) for value in (-1, 0.5, True, None)],
        *[("eval_mb_size", value) for value in (0, -5, 2.5)],
        *[("precision", value) for value in ("fp8", None, 16)],
        *[("compile", value) for value in ("yes", True)],
        *[("model", value) for value in ("resnet20", None, TinyModel)],
        *[("optimizer", value) for value in ("sgd", 0.1)],
        *[("plugins", value) for value in ([ClassScope], ["lwf"], ClassScope())],
        *[("device", value) for value in ("gpu", "", 0)],
    ],
    partial(BaseSession, epochs=1, train_mb_size=1): [
        *[("epochs", value) for value in (-1, 1.5, True)],
        *[("train_mb_size", value) for value in (0, 1.0)],
    ],
    partial(ClassScope): [("training", "now"), ("evaluation", "everything"), ("training", True)],
    partial(FeatureReplay, None): [
        *[("weight", value) for value in (-0.1, 1.1, NAN, "1")],
        *[("per_class", value) for value in (0, 2.5)],
        ("own_weight", 2),
        ("sharpness", NAN),
    ],
    partial(FeatureTeacher, lambda new, old, labels: new.sum(), weight=1.0): [
        *[("weight", value) for value in (-1.0, NAN, True)],
        ("own_weight", math.inf),
        ("old_classes_only", 1),
    ],
    partial(FreezeAfterBase): [("module", "backbone"), ("module", None)],
    partial(LossGuard): [("on_nan", "ignore"), ("on_nan", None)],
    partial(ModelUpgrade): [("make", "resnet20")],
    partial(OldPrototypes, ModelUpgrade(lambda old: old)): [("losses", [(NAN, min)]), ("losses", [("1", min)])],
    partial(OneCycle, max_lr=0.1, later_lr=0.1): [
        *[("warmup", value) for value in (0.0, 1.0, -0.5, 1.5, NAN)],
        ("max_lr", -0.1),
        ("later_lr", NAN),
    ],
    partial(Procrustes): [("upgrade", None)],
    partial(Progress, None): [("interval", -1.0)],
    partial(ProgressiveResize): [("sizes", value) for value in ([], [0], [8, 1.5], 8)],
    partial(Rehearsal): [("per_class", value) for value in (-1, 2.0, True, None)],
    partial(TextProjection, ClipUpgrade([], min), ["a dog"]): [("steps", -1), ("lr", NAN), ("batch_size", 0)],
    partial(cosine): [
        *[("cycle", value) for value in (-1, 2.5)],
        ("warmup", -1),
        ("max_lr", NAN),
        ("min_lr", -0.1),
        ("every", "day"),
    ],
    partial(make_backbone): [("name", None), ("name", 20)],
    partial(make_backbone, "resnet20"): [("image_size", 0), ("image_size", 32.0), ("pretrained", 1)],
    partial(LinearClassifier, Body()): [("classes", value) for value in (0, -1, 10.0, True, "10")],
    partial(EmbeddingClassifier, Body(), dimensions=8, classes=10): [
        ("dimensions", 0),
        ("dimensions", 8.0),
        ("classes", 0),
        ("turned", 1),
    ],
    partial(StationaryClassifier, Body()): [("vertices", value) for value in (1, 0, 10.0, True)],
    partial(SimplexClassifier): [("vertices", value) for value in (1, -3, 2.5)],
    partial(dsimplex): [("vertices", value) for value in (1, 2.0, True, NAN)],
    partial(OrthogonalAlignment): [("dimensions", value) for value in (0, 1.5)],
    partial(Projection, width=4, old_width=4): [("hidden", -1), ("width", 0), ("old_width", 4.0)],
    partial(LowRank, rows=4, columns=4, rank=2): [("rank", 0), ("rank", 1.0), ("alpha", NAN)],
    partial(CpuDataParallel, Body()): [("workers", value) for value in (0, 1.5)],
    partial(prompted): [
        *[("prompts", value) for value in (0, -1, 2.0, True)],
        *[("depth", value) for value in (0, -1, 2.5)],
        ("text_mode", "add"),
        ("template", 3),
    ],
    partial(RandomCrop): [("padding", -1), ("padding", 1.5), ("mode", "mirror")],
    partial(HorizontalFlip): [("probability", 1.5), ("probability", NAN)],
    partial(Resize): [("size", 0), ("size", 224.0)],
    partial(RandomResizedCrop, 8): [("scale", (0.5, 1.5)), ("scale", 0.5), ("ratio", (0, 1))],
    partial(Cutout): [("size", -1), ("size", 2.5)],
}


@pytest.mark.parametrize(
    ("make", "key", "value"),
    [
        pytest.param(make, *case, id=f"{make.func.__name__}-{case[0]}-{without_address(case[1])}")
        for make in WRONG
        for case in WRONG[make]
    ],
)
def test_what_is_no_such_number_is_refused_by_the_constructor(make, key, value):
    with pytest.raises(UserError, match=rf"\b{key}\b.*: |unknown device"):
        make(**{key: value})


def test_numbers_of_numpy_and_torch_compose_a_strategy():
    made = strategy(train_mb_size=np.int64(4), train_epochs=torch.tensor(2), eval_mb_size=np.uint8(8))
    assert (made.train_mb_size, made.train_epochs, made.eval_mb_size) == (4, 2, 8)
    assert all(type(each) is int for each in (made.train_mb_size, made.train_epochs, made.eval_mb_size))
    assert type(LinearClassifier(Body(), np.int64(10)).head.out_features) is int
    assert dsimplex(np.int32(3)).shape == (3, 2)


def test_metrics_may_come_in_lists_as_avalanches_helpers_give_them():
    metrics = accuracy_metrics(epoch=True)
    assert len(strategy(metrics=[metrics]).evaluator.metrics) == len(strategy(metrics=metrics).evaluator.metrics) == 1


@pytest.fixture(scope="module")
def build():
    return load_strategy(find_strategy("fine_tune"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"epochs": -1}, "strategies.fine_tune.epochs: must be at least 0, got -1"),
        ({"epochs": 1.5}, "strategies.fine_tune.epochs: expected an integer, got 1.5"),
        ({"epochs": True}, "strategies.fine_tune.epochs: expected an integer, got true"),
        ({"batch_size": 0}, "strategies.fine_tune.batch_size: must be at least 1, got 0"),
        ({"lr": NAN}, "strategies.fine_tune.lr: must be a finite number, got nan"),
        ({"lr": "0.1"}, "strategies.fine_tune.lr: expected a number, got the string '0.1'"),
        ({"momentum": 1.5}, "strategies.fine_tune.momentum: must be at most 1, got 1.5"),
        ({"precision": "fp8"}, "strategies.fine_tune.precision: expected fp32, bf16 or fp16, got the string 'fp8'"),
        ({"epoch": 3}, "unknown setting 'epoch' of fine_tune"),
        ({"backbone": object}, "strategies.fine_tune.backbone: expected a string"),
    ],
)
def test_a_strategys_file_called_from_python_refuses_what_a_scenario_refuses(build, settings, said):
    stream = incremental(tiny_dataset(), base_classes=6, ways=4)
    with pytest.raises(UserError, match=said):
        build(stream, **settings)


def test_a_strategys_file_called_from_python_takes_numpys_numbers(build):
    stream = fscil(tiny_dataset(), base_classes=6, ways=4, shots=2, splits={"draw": 1})
    made = build(stream, epochs=np.int64(2), lr=np.float32(0.5), batch_size=torch.tensor(4), device="cpu")
    assert (made.train_epochs, made.train_mb_size) == (2, 4)
    with pytest.raises(UserError, match="does not run on a stream of kind fscil"):
        load_strategy(find_strategy("oca"))(stream)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"seed": -1}, "run: seed: must be at least 0"),
        ({"seed": 1.5}, "run: seed: expected an integer"),
        ({"seed": True}, "run: seed: expected an integer"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"device": 0}, "run: device: expected a string or device, got 0"),
        ({"out": 3}, "run: out: "),
        ({"resume": 1}, "run: resume: expected true or false"),
        ({"overrides": "stream.shots=1"}, "overrides: expected a list or a block of keys, got the string"),
        ({"overrides": {"stream.shots": np.float64(2.5)}}, "stream.shots: expected an integer, got 2.5"),
        ({"overrides": {"stream.shots": np.bool_(True)}}, "stream.shots: expected an integer, got true"),
        ({"trackers": "wandb"}, "run: trackers: expected a list"),
        ({"trackers": ["wand"]}, "there is no tracker 'wand'"),
        ({"strategy": 3}, "run: strategy: expected a string"),
        ({"strategy": "fine_tun"}, "there is no strategy 'fine_tun'"),
    ],
)
def test_run_refuses_what_the_command_line_refuses(given, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=said):
        clsim.run("shapes_fscil", **given)
    assert not list(Path().iterdir())


@pytest.mark.parametrize("scenario", [None, 3, ["shapes_fscil"], tiny_dataset()])
def test_run_wants_a_scenario_or_a_stream(scenario):
    with pytest.raises(ArgumentError, match="run: scenario: "):
        clsim.run(scenario)


def test_overrides_may_hold_numpys_numbers_and_lists():
    order = np.random.default_rng(0).permutation(100)
    overrides = {"stream.shots": np.int64(3), "stream.class_order": order, "strategy.epochs": torch.tensor(2)}
    scenario = clsim.load_scenario("shapes_fscil", overrides, strategy="fine_tune", seed=np.int64(7))
    assert scenario.stream.shots == 3
    assert scenario.stream.class_order == order.tolist()
    assert scenario.selected_strategy.settings["epochs"] == 2
    assert scenario.seed == 7


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"confidence": "0.95"}, "compare: confidence: expected a number"),
        ({"confidence": NAN}, "confidence"),
        ({"confidence": 95}, "the confidence is 95"),
        ({"latest": "yes"}, "compare: latest: expected true or false"),
    ],
)
def test_compare_refuses_what_the_command_line_refuses(given, said):
    with pytest.raises(UserError, match=said):
        clsim.compare([], **given)


@pytest.mark.parametrize(
    ("name", "size", "argument"),
    [
        ("shapes", 0, "image_size"),
        ("shapes", -5, "image_size"),
        ("shapes", 32.5, "image_size"),
        ("shapes", True, "image_size"),
        ("shapes", 5000, "image_size"),
        (3, None, "name"),
        (Path("shapes"), 8, "name"),
    ],
)
def test_load_dataset_checks_its_arguments(name, size, argument):
    with refused(ArgumentError, where="load_dataset", names=(argument,)):
        load_dataset(name, image_size=size)


def test_a_model_with_too_few_outputs_is_told_by_their_number(tmp_path):
    stream = incremental(tiny_dataset(), base_classes=6, ways=4)
    short = strategy(model=TinyModel(classes=8), optimizer=partial(torch.optim.SGD, lr=0.1))
    with refused(UserError, names=("8 logits", "class 9")):
        clsim.run(stream, short, out=tmp_path / "run")


def test_epochs_without_an_optimizer_would_learn_nothing(tmp_path):
    stream = incremental(tiny_dataset(), base_classes=6, ways=4)
    with pytest.raises(ArgumentError, match="no optimizer"):
        clsim.run(stream, strategy(), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert clsim.run(stream, strategy(train_epochs=0), out=tmp_path / "run").status == "complete"


FEATURES, LABELS = torch.eye(4), torch.tensor([0, 1, 0, 1])


@pytest.mark.parametrize(
    "call",
    [
        lambda: losses.higher_order_compatibility(FEATURES, FEATURES[:1], LABELS),
        lambda: losses.higher_order_compatibility(FEATURES, FEATURES, LABELS[:, None]),
        lambda: losses.higher_order_compatibility(FEATURES, FEATURES, LABELS[:3]),
        lambda: losses.higher_order_compatibility(FEATURES, FEATURES, LABELS, mu=NAN),
        lambda: losses.cosine_distillation(FEATURES, FEATURES[:1]),
        lambda: losses.cosine_distillation(FEATURES[0], FEATURES[0]),
        lambda: losses.smoothed_cross_entropy(FEATURES, LABELS, 1.5),
        lambda: losses.smoothed_cross_entropy(FEATURES, LABELS, -0.1),
        lambda: losses.smoothed_cross_entropy(FEATURES, LABELS[:, None], 0.1),
    ],
)
def test_losses_stretch_nothing_to_fit(call):
    with pytest.raises(ArgumentError, match=r"features of the same images|mu: must be|label_smoothing: must be"):
        call()


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, True, "1", None])
def test_another_seed_is_a_seed(seed):
    with pytest.raises(ArgumentError, match="seed: expected an integer from 0"):
        clsim.load_scenario("shapes_fscil").with_seed(seed)
    assert clsim.load_scenario("shapes_fscil").with_seed(np.int64(3)).seed == 3


def test_another_strategy_may_be_a_path():
    path = find_strategy("replay")
    assert clsim.load_scenario("shapes_fscil").with_strategy(path).selected_strategy.path == path


@pytest.mark.parametrize(("overrides", "said"), [([3], "--set 3: has no value"), ({3: 4}, "unknown key '3'")])
def test_an_override_that_is_no_text_is_told(overrides, said):
    with pytest.raises(UserError, match=said):
        clsim.load_scenario("shapes_fscil", overrides)


@pytest.mark.parametrize("paths", [None, 3, [3], [None]])
def test_what_is_compared_are_directories(paths):
    with pytest.raises(ArgumentError, match="compare: paths: expected run directories"):
        clsim.compare(paths)
