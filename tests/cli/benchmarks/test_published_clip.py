"""All savings together change nothing: the published way, with the same parameters, gives the same."""

import pytest
import torch
from helpers.pretended_cuda import pretended
from helpers.tiny import tiny_clip
from torch.nn import functional as F

from clsim.cli.benchmarks.published_clip import PublishedWay
from clsim.models import PromptedCLIP

NAMES = ["ape", "a very long name", "bee", "cat", "doe", "elk"]


@pytest.fixture
def model():
    torch.manual_seed(1)
    made = PromptedCLIP.from_clip(tiny_clip(), NAMES, depth=3)
    torch.nn.init.normal_(made.prompts)  # so that they matter
    return made


@pytest.fixture
def images():
    return torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(2))


def test_logits_of_all_classes_seen(model, images):
    model.score_only(torch.arange(5))
    with torch.no_grad():
        ours, theirs = model.eval()(images)[:, :5], PublishedWay(model, 5)(images)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert float(theirs.std()) > 0.1


@pytest.mark.parametrize("new", [1, 2, 6])
def test_loss_and_gradients_over_the_sessions_classes(model, images, new):
    labels = torch.arange(4) % new + len(NAMES) - new
    model.train().score_only(torch.arange(len(NAMES) - new, len(NAMES)))
    results = []
    for loss in (F.cross_entropy(model(images), labels), PublishedWay(model, len(NAMES)).loss(images, labels, new)):
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        results.append([loss, *torch.autograd.grad(loss, trained)])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    assert new == 1 or float(results[1][1].abs().max()) > 0


def test_on_a_gpu_it_waits_for_nothing(model, images):
    with pretended() as device:
        way, there = PublishedWay(model.to("cuda"), len(NAMES)), images.to("cuda")
        device.waits.clear()
        way.loss(there, torch.arange(4, device="cuda") + 2, 4).backward()
    assert not device.waits
