"""Names of Avalanche that are not public and that clsim uses: a new version must still have them."""

import re
from importlib import metadata
from pathlib import Path

import pytest
import torch
from avalanche.benchmarks import DatasetExperience
from avalanche.benchmarks.utils import classification_dataset
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.templates import SupervisedTemplate
from torch import nn
from torch.utils.data import TensorDataset

from clsim.utils import avalanche

SOURCES = Path(avalanche.__file__).parents[1]

HOOKS = (
    "_before_training_exp",
    "_train_exp",
    "_after_training_exp",
    "_before_training_epoch",
    "_after_training_epoch",
    "_unpack_minibatch",
    "_make_empty_loss",
    "_check_distributed_training_compatibility",
)
"""Methods of the template that Strategy calls or overrides."""
STATE = ("_criterion", "_stop_training")
"""Attributes of the template that Strategy reads or sets."""
EVALUATION = ("_active", "_metric_values")
"""Attributes of the evaluation plugin."""


def template():
    model = nn.Linear(1, 1)
    return SupervisedTemplate(model=model, optimizer=torch.optim.SGD(model.parameters()), evaluator=EvaluationPlugin())


@pytest.mark.parametrize("name", HOOKS)
def test_avalanches_template_has_the_hook(name):
    assert callable(getattr(SupervisedTemplate, name, None)), f"Avalanche renamed SupervisedTemplate.{name}"


@pytest.mark.parametrize("name", STATE)
def test_avalanches_template_has_the_attribute(name):
    assert name in vars(template()), f"Avalanche renamed SupervisedTemplate.{name}"


@pytest.mark.parametrize("name", EVALUATION)
def test_avalanches_evaluation_plugin_has_the_attribute(name):
    assert name in vars(EvaluationPlugin()), f"Avalanche renamed EvaluationPlugin.{name}"


def test_avalanches_experience_stores_its_data_set_where_a_session_replaces_it():
    assert "_dataset" in vars(DatasetExperience(dataset=[1])), "Avalanche renamed DatasetExperience._dataset"


def test_the_wrapped_items_keep_targets_and_have_task_labels():
    name = "_as_taskaware_supervised_classification_dataset"
    assert hasattr(classification_dataset, name), f"Avalanche renamed {name}"
    items = TensorDataset(torch.rand(3, 2), torch.tensor([4, 5, 4]))
    items.targets = [4, 5, 4]
    wrapped = avalanche.supervised_dataset(items)
    assert list(wrapped.targets) == [4, 5, 4]
    assert list(wrapped.targets_task_labels) == [0, 0, 0]
    assert len(wrapped[0]) == 3


def test_private_names_are_imported_by_the_adapter_alone():
    private = re.compile(r"^\s*from avalanche\S* import [^#\n]*\b_\w+|\[\"_(?:active|metric_values)\"\]", re.MULTILINE)
    found = {path.relative_to(SOURCES).as_posix() for path in SOURCES.rglob("*.py") if private.search(path.read_text())}
    multiline = re.compile(r"from avalanche\S* import \(([^)]*)\)")
    for path in SOURCES.rglob("*.py"):
        if any(re.search(r"\b_\w+", names) for names in multiline.findall(path.read_text())):
            found.add(path.relative_to(SOURCES).as_posix())
    assert found == {"utils/avalanche.py"}


def test_the_installed_version_is_one_that_was_checked():
    """A newer version needs a look at this file and a new bound in pyproject.toml."""
    assert metadata.version("avalanche-lib").startswith("0.6.")
