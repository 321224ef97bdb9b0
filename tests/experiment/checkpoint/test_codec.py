import json
import math

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from clsim.experiment.checkpoint.codec import NotStorable, is_storable, pack, unpack

DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool]

keys = st.recursive(st.integers() | st.text(), st.tuples, max_leaves=3)
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.sets(st.integers(0, 7))
states = st.recursive(
    leaves,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(keys, inner),
    max_leaves=10,
)


def there_and_back(state):
    packed, tensors = pack(state)
    return unpack(json.loads(json.dumps(packed, allow_nan=False)), tensors)


@given(states)
@example({1: "one", "1": "other", (1, 2): [3]})
@example({"tensor": "not one", "float": [1], "dict": {"set": set()}})
@example([5e-324, math.inf, -math.inf, -(2**70), "\x00 \u2028"])
def test_a_state_returns_equal_and_of_its_types(state):
    assert repr(there_and_back(state)) == repr(state)


def test_nan_returns():
    assert math.isnan(there_and_back(float("nan")))


def test_numpy_numbers_become_pythons():
    assert there_and_back([np.float64(0.1)]) == [0.1]


@given(st.sampled_from(DTYPES), st.lists(st.integers(0, 4), max_size=4))
def test_tensors_return_bit_for_bit(dtype, shape):
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
