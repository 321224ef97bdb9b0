import pytest
import torch

from clsim import plugins
from clsim.experiment.checkpoint.plugin_state import OwnState, ReflectedState, Stateful, state_of
from clsim.plugins import ClassScope, LossGuard, OneCycle, Rehearsal


@pytest.mark.parametrize("plugin", [getattr(plugins, name) for name in plugins.__all__])
def test_every_plugin_declares_its_state(plugin):
    assert issubclass(plugin, Stateful)


@pytest.mark.parametrize("plugin", [ClassScope(), LossGuard(), OneCycle(max_lr=1, later_lr=1), Rehearsal()])
def test_the_state_of_a_new_plugin_fits_another(plugin):
    state = plugin.state_dict()
    assert set(state) == set(plugin.state_names)
    plugin.load_state_dict(state)
    assert isinstance(state_of(plugin), OwnState)


def test_a_generator_continues_in_place():
    rehearsal, resumed = Rehearsal(), Rehearsal()
    rehearsal.chosen = {3: torch.tensor([5, 6])}
    torch.rand(4, generator=rehearsal.order)
    order = resumed.order
    resumed.load_state_dict(rehearsal.state_dict())
    assert resumed.order is order
    assert torch.equal(torch.rand(3, generator=order), torch.rand(3, generator=rehearsal.order))
    assert resumed.indices.tolist() == [5, 6]


def test_a_state_of_an_earlier_version_is_restored():
    """It named the kind of every value, left out what had not changed, and contained what a session sets anew."""
    draw = torch.Generator().manual_seed(9)
    rehearsal = Rehearsal()
    choice = rehearsal.choice.get_state()
    rehearsal.load_state_dict({"chosen": {"value": {0: torch.tensor([7])}}, "order": {"generator": draw.get_state()}})
    assert rehearsal.indices.tolist() == [7]
    assert torch.equal(rehearsal.order.get_state(), draw.get_state())
    assert torch.equal(rehearsal.choice.get_state(), choice)
    scope = ClassScope()
    scope.load_state_dict({"_seen": {"value": {1, 2}}, "_excluded": {"value": None}})
    assert scope.state_dict() == {"_classes": None, "_seen": {1, 2}}


def test_more_state_of_a_subclass_is_stored():
    class Counting(Rehearsal):
        def __init__(self):
            super().__init__()
            self.seen = []

    plugin, resumed = Counting(), Counting()
    access = state_of(plugin)
    plugin.seen.append(4)
    plugin.chosen[1] = torch.tensor([2])
    assert isinstance(access, ReflectedState)
    state_of(resumed).restore(access.state())
    assert resumed.seen == [4]
    assert resumed.indices.tolist() == [2]
