import json
import math

import numpy as np
import pytest
import torch

from clsim.experiment.checkpoint.codec import NotStorable, is_storable, pack, unpack


def there_and_back(state):
    packed, tensors = pack(state)
    return unpack(json.loads(json.dumps(packed, allow_nan=False)), tensors)


@pytest.mark.parametrize(
    "state",
    [
        None,
        True,
        3,
        -(2**70),
        0.1 + 0.2,
        5e-324,
        math.inf,
        -math.inf,
        "text \x00 \u2028 é",
        [],
        [1, [2.5, None]],
        (1, ("a", (2,))),
        {3, 1, 2},
        {1: "one", "1": "other", (1, 2): [3]},
        {"tensor": "not one", "float": [1], "dict": {"set": set()}},
    ],
)
def test_what_is_stored_comes_back_equal_and_of_its_type(state):
    found = there_and_back(state)
    assert found == state
    assert type(found) is type(state)


def test_nan_comes_back():
    assert math.isnan(there_and_back(float("nan")))


def test_numpy_numbers_become_pythons():
    assert there_and_back([np.float64(0.1)]) == [0.1]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int64", "bool"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3, 4, 5)])
def test_tensors_come_back_bit_for_bit(dtype, shape):
    dtype = getattr(torch, dtype)
    tensor = (torch.rand(shape) * 100).to(dtype)
    found = there_and_back({"t": [tensor]})["t"][0]
    assert found.dtype == dtype
    assert found.shape == tensor.shape
    assert torch.equal(found, tensor)


def test_the_order_in_memory_comes_back():
    for tensor in (torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last), torch.rand(3, 4).T):
        found = there_and_back(tensor)
        assert found.stride() == tensor.stride()
        assert torch.equal(found, tensor)


def test_a_part_of_a_tensor_comes_back_by_itself():
    whole = torch.rand(4, 6)
    found = there_and_back([whole[1:3, ::2], whole.requires_grad_()])
    assert torch.equal(found[0], whole[1:3, ::2])
    assert torch.equal(found[1], whole)
    assert not found[1].requires_grad


def test_what_is_no_state_is_refused_with_its_place():
    with pytest.raises(NotStorable, match=r"state\.plugin\[1\] is a object"):
        pack({"plugin": [1, object()]})
    with pytest.raises(NotStorable, match="sparse"):
        pack(torch.eye(2).to_sparse())
    assert not is_storable(lambda: 0)
    assert is_storable({"a": (1,)})


@pytest.mark.parametrize(
    "packed",
    [
        {},
        {"tensor": "gone"},
        {"unknown": []},
        {"dict": [1]},
        {"dict": [[[], 1]]},
        {"tuple": 3},
        {"float": "1e3"},
        {"a": 1, "b": 2},
        {"tensor": "t", "order": [0, 1, 2]},
        {"set": [[]]},
    ],
)
def test_what_pack_never_gave_is_refused(packed):
    with pytest.raises(ValueError):
        unpack(packed, {"t": torch.ones(2, 2)})


def test_deep_nesting_is_refused():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="RecursionError"):
        unpack(deep, {})
