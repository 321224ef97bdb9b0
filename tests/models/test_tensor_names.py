import pytest
import torch
from torch import nn

from clsim.models.tensor_names import match_names


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Linear(4, 2))


def test_names_that_fit_stay(model):
    state = model.state_dict()
    found = match_names(state, state)
    assert (found.state, found.prefix, found.left_out, found.rivals) == (state, "", (), ())


def test_a_model_inside_another_is_found_by_its_names(model):
    state = {f"a.b.{key}": value for key, value in model.state_dict().items()} | {"a.c": torch.ones(1)}
    found = match_names(model.state_dict(), state)
    assert (found.prefix, found.left_out) == ("a.b.", ("a.c",))
    assert found.state.keys() == model.state_dict().keys()


def test_a_compiled_part_in_the_middle_of_a_name(model):
    state = {f"0.{key}": value for key, value in model.state_dict().items()}
    compiled = {key.replace("0.", "0._orig_mod.", 1): value for key, value in state.items()}
    assert match_names(state, compiled).state == state


def test_a_model_that_is_itself_a_wrapper_keeps_its_names():
    wrapper = nn.ModuleDict({"module": nn.Linear(2, 2)}).state_dict()
    assert match_names(wrapper, wrapper).state == wrapper


def test_a_prefix_needs_half_of_the_model(model):
    wanted = model.state_dict()
    few = {"x.0.weight": wanted["0.weight"], "y": torch.ones(1)}
    found = match_names(wanted, few)
    assert found.prefix == ""
    assert found.state.keys() >= few.keys()


def test_buffers_that_say_nothing_come_and_go(model):
    wanted = model.state_dict()
    state = {key: value for key, value in wanted.items() if not key.endswith("num_batches_tracked")}
    extra = {"x.position_ids": torch.arange(3), "attn_mask": torch.ones(2, 2), "context_length": torch.tensor(77)}
    found = match_names(wanted, {**state, **extra})
    assert found.state.keys() == wanted.keys()
    assert "surplus" in match_names(wanted, {**state, "surplus": torch.ones(1)}).state


@pytest.mark.parametrize(("stored", "wanted"), [([1], []), ([], [1]), ([1, 1], [1])])
def test_one_number_has_the_shape_that_the_model_wants(stored, wanted):
    found = match_names({"scale": torch.zeros(wanted)}, {"scale": torch.full(stored, 3.0)})
    assert found.state["scale"].shape == torch.Size(wanted)
    assert found.state["scale"].sum() == 3
