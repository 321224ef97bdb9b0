import json
import random

import numpy as np
import pytest
import torch

from clsim.experiment.checkpoint.codec import pack, unpack
from clsim.training.loaders import ResidentBatches
from clsim.utils import distributed
from clsim.utils.rng_state import loader_state, random_state, set_loader_state, set_random_state


def draw():
    return random.random(), random.gauss(0, 1), np.random.rand(3).tolist(), np.random.randn(), torch.rand(3).tolist()


def test_everything_that_is_drawn_comes_again():
    draw()  # leaves half a pair of normal numbers behind, in python and in numpy
    packed, tensors = pack(random_state("cpu"))
    wanted = draw(), draw()
    random.seed(9)
    np.random.seed(9)
    torch.manual_seed(9)
    set_random_state(unpack(json.loads(json.dumps(packed)), tensors), "cpu")
    assert (draw(), draw()) == wanted


def test_a_loaders_own_generator_is_part_of_its_state():
    order = torch.Generator().manual_seed(1)
    loader = ResidentBatches.__new__(ResidentBatches)
    loader.order = order
    state = loader_state(loader, "cpu")
    wanted = torch.randperm(9, generator=order), torch.rand(2)
    torch.rand(7, generator=order)
    set_loader_state(loader, state, "cpu")
    found = torch.randperm(9, generator=order), torch.rand(2)
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
    assert loader_state([], "cpu")["order"] is None


class Gpus:
    """Generators of GPUs that do not exist."""

    def __init__(self, *states):
        self.states = [torch.tensor([state], dtype=torch.uint8) for state in states]

    def get(self, device):
        return self.states[torch.device(device).index or 0]

    def set(self, state, device):
        self.states[torch.device(device).index or 0] = state

    @property
    def drawn(self):
        return [int(state) for state in self.states]


@pytest.fixture
def gpus(monkeypatch):
    def there(*states):
        present = Gpus(*states)
        monkeypatch.setattr(torch.cuda, "get_rng_state", present.get)
        monkeypatch.setattr(torch.cuda, "set_rng_state", present.set)
        monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
        return present

    return there


@pytest.mark.parametrize(("saved_on", "resumed_on"), [("cuda", "cuda"), ("cuda:1", "cuda:0"), ("cuda:1", "cuda:1")])
def test_the_state_of_the_gpu_in_use_goes_to_the_gpu_in_use_however_many_there_are(gpus, saved_on, resumed_on):
    gpus(7, 8)
    state = random_state(saved_on)
    present = gpus(*[0] * (1 + (torch.device(resumed_on).index or 0)))
    set_random_state(state, resumed_on)
    assert present.drawn[-1] == (8 if saved_on == "cuda:1" else 7)


def test_a_process_gets_the_first_ones_state_on_its_own_gpu(gpus, monkeypatch):
    gpus(7, 0)
    state = random_state("cuda:0")
    monkeypatch.setattr(distributed, "is_distributed", lambda: True)
    present = gpus(1, 1)
    set_random_state(state, "cuda:1")
    assert present.drawn == [1, 7]


def test_checkpoints_of_earlier_versions_hold_the_states_of_all_gpus(gpus, monkeypatch):
    state = random_state("cpu") | {"cuda": [torch.tensor([value], dtype=torch.uint8) for value in (7, 8)]}
    present = gpus(0, 0)
    set_random_state(state, "cuda:1")
    assert present.drawn == [0, 8]
    present = gpus(0)
    set_random_state(state, "cuda")
    assert present.drawn == [7]
    monkeypatch.setattr(distributed, "is_distributed", lambda: True)
    present = gpus(0, 0)
    set_random_state(state, "cuda:1")  # the first process, which stored them, drew from its own alone
    assert present.drawn == [0, 7]


def test_a_run_goes_on_without_the_gpu_that_it_began_on(gpus):
    gpus(7)
    state = random_state("cuda")
    torch.rand(3)
    set_random_state(state, "cpu")
    assert torch.equal(torch.get_rng_state(), state["torch"])
