import json
import random

import numpy as np
import torch

from clsim.resume.codec import pack, unpack
from clsim.resume.randomness import loader_state, random_state, set_loader_state, set_random_state
from clsim.training.loaders import ResidentBatches


def draw():
    return random.random(), random.gauss(0, 1), np.random.rand(3).tolist(), np.random.randn(), torch.rand(3).tolist()


def test_everything_that_is_drawn_comes_again():
    draw()  # leaves half a pair of normal numbers behind, in python and in numpy
    packed, tensors = pack(random_state())
    wanted = draw(), draw()
    random.seed(9)
    np.random.seed(9)
    torch.manual_seed(9)
    set_random_state(unpack(json.loads(json.dumps(packed)), tensors))
    assert (draw(), draw()) == wanted


def test_a_loaders_own_generator_is_part_of_its_state():
    order = torch.Generator().manual_seed(1)
    loader = ResidentBatches.__new__(ResidentBatches)
    loader.order = order
    state = loader_state(loader)
    wanted = torch.randperm(9, generator=order), torch.rand(2)
    torch.rand(7, generator=order)
    set_loader_state(loader, state)
    found = torch.randperm(9, generator=order), torch.rand(2)
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
    assert loader_state([])["order"] is None
