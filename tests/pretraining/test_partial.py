from pathlib import Path

import pytest
import torch
from torch import nn

from clsim.pretraining import contrastive, supervised
from clsim.pretraining.corpora import ShapesCorpus
from clsim.pretraining.partial import Partial


def stop(*state):
    raise KeyboardInterrupt


@pytest.fixture
def unfinished(tmp_path):
    return Partial(tmp_path / "model.safetensors")


@pytest.fixture(params=["simplex", "learnable", "clip"])
def training(request, tiny_recipe, classifier_recipe, monkeypatch):
    """Trains one of the kinds of models: its weights, and the steps that were taken for them."""
    steps, clip = [], request.param == "clip"
    module, name = (contrastive, "learning_rate") if clip else (supervised, "one_cycle")
    schedule = getattr(module, name)

    def noting(step, *args, **kwargs):
        steps.append(step)
        return schedule(step, *args, **kwargs)

    monkeypatch.setattr(module, name, noting)
    if not clip:
        recipe = classifier_recipe.with_head(request.param)
        data = supervised.recipe_images(recipe)

    def train(**settings):
        steps.clear()
        if clip:
            model, _ = contrastive.train(tiny_recipe, ShapesCorpus(tiny_recipe), **settings)
            return model.state_dict(), list(steps)
        made = supervised.train(recipe, data, **settings)
        return {**made.backbone.state_dict(), "top": made.top}, list(steps)

    return train


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_what_is_resumed_ends_as_what_was_never_stopped(training, unfinished):
    whole, steps = training()
    with pytest.raises(KeyboardInterrupt):  # it is told of the last step, before the last epoch is kept
        training(unfinished=unfinished, progress=stop)
    behind = unfinished.load()["epoch"]
    assert behind >= 1
    torch.manual_seed(99)  # another process would stand elsewhere
    resumed, rest = training(unfinished=unfinished)
    assert same(resumed, whole)
    assert rest == steps[-len(rest) :]
    assert len(rest) == len(steps) // (behind + 1)


def test_a_damaged_file_starts_over(training, unfinished):
    whole, steps = training()
    with pytest.raises(KeyboardInterrupt):
        training(unfinished=unfinished, progress=stop)
    kept = unfinished.path.read_bytes()
    unfinished.path.write_bytes(kept[: len(kept) // 2])
    again, taken = training(unfinished=unfinished)
    assert taken == steps
    assert same(again, whole)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 half"])
def test_what_is_no_state_counts_as_none(unfinished, content):
    assert unfinished.load() is None
    unfinished.path.write_bytes(content)
    assert unfinished.load() is None


def test_a_table_of_other_things_counts_as_none(unfinished):
    for other in ({"epoch": 1}, [1, 2]):
        torch.save(other, unfinished.path)
        assert unfinished.load() is None


def test_it_lies_beside_the_weights_and_goes(unfinished):
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    unfinished.save(3, model, optimizer)
    assert unfinished.path == Path(unfinished.path.parent, ".model.safetensors.partial")
    assert list(unfinished.path.parent.iterdir()) == [unfinished.path]
    other = nn.Linear(2, 2)
    again = torch.optim.SGD(other.parameters(), lr=0.5, momentum=0.9)
    assert unfinished.restore(other, again) == 3
    assert torch.equal(other.weight, model.weight)
    momentum = again.state[other.weight]["momentum_buffer"]
    assert torch.equal(momentum, torch.ones(2, 2))
    unfinished.discard()
    unfinished.discard()
    assert not unfinished.path.exists()
    assert unfinished.restore(other, again) == 0
