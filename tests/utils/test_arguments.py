"""Arguments in Python are held to their annotations: what is converted, what is refused, in which words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import numpy as np
import pytest
import torch
from pydantic import Field
from torch import nn

from clsim.utils.arguments import Count, Fraction, Positive, Seed, Whole, checked, checked_fields
from clsim.utils.errors import ArgumentError, UserErrors
from clsim.utils.plain import plain

if TYPE_CHECKING:
    from clsim.models.replacement_model import ReplacementModel


class Listener(Protocol):
    def hear(self) -> None: ...


@checked
def called(
    first: Count = 1,
    number: float = 1.0,
    /,
    *rest: Any,
    steps: Whole = 0,
    seed: Seed = 0,
    share: Fraction = 0.5,
    lr: Positive | None = None,
    name: str = "a",
    flag: bool = False,
    mode: Literal["on", "off"] = "on",
    sizes: Sequence[int] = (),
    pair: tuple[float, float] = (0.0, 1.0),
    many: int | Sequence[int] | None = None,
    module: nn.Module | None = None,
    modules: Sequence[nn.Module] = (),
    loss: Callable[[int], int] | None = None,
    listener: Listener | None = None,
    arrival: "ReplacementModel | None" = None,
    copy: int = 0,
    **others: Any,
) -> dict[str, Any]:
    return {key: value for key, value in locals().items() if key not in ("rest", "others")}


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ({"steps": np.int64(3)}, 3),
        ({"steps": torch.tensor(3)}, 3),
        ({"steps": np.array(3)}, 3),
        ({"lr": np.float32(0.5)}, 0.5),
        ({"lr": 2}, 2.0),
        ({"lr": torch.tensor(0.5)}, 0.5),
        ({"flag": np.bool_(True)}, True),
        ({"name": np.str_("b")}, "b"),
        ({"sizes": np.arange(3)}, [0, 1, 2]),
        ({"sizes": torch.arange(2)}, [0, 1]),
        ({"sizes": range(2)}, [0, 1]),
        ({"sizes": (np.int64(1), 2)}, [1, 2]),
        ({"pair": [0.0, 2.0]}, (0.0, 2.0)),
        ({"many": np.array([4, 5])}, [4, 5]),
        ({"many": np.uint8(4)}, 4),
        ({"copy": np.int8(4)}, 4),
        ({"listener": 3}, 3),  # what cannot be checked is not
        ({"arrival": 3}, 3),
    ],
)
def test_what_means_the_same_is_converted(given, value):
    found = called(**given)[next(iter(given))]
    assert found == value
    assert type(found) is type(value)
    if isinstance(value, list):
        assert all(type(each) is int for each in found)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"steps": -1}, "steps: must be at least 0, got -1"),
        ({"steps": 1.0}, "steps: expected an integer, got 1.0"),
        ({"steps": True}, "steps: expected an integer, got true"),
        ({"steps": np.bool_(True)}, "steps: expected an integer, got true"),
        ({"steps": torch.tensor(True)}, "steps: expected an integer, got true"),
        ({"steps": "1"}, "steps: expected an integer, got the string '1'"),
        ({"steps": None}, "steps: expected an integer, got nothing"),
        ({"steps": np.array([1])}, "steps: expected an integer, got a list of 1"),
        ({"seed": 2**32}, "seed: must be less than 4294967296"),
        ({"share": 1.5}, "share: must be at most 1"),
        ({"share": float("nan")}, "share: must be a finite number, got nan"),
        ({"lr": np.float64("inf")}, "lr: must be a finite number, got inf"),
        ({"lr": 0}, "lr: must be more than 0, got 0"),
        ({"lr": False}, "lr: expected a number, got false"),
        ({"name": 3}, "name: expected a string, got 3"),
        ({"flag": 1}, "flag: expected true or false, got 1"),
        ({"mode": "of"}, "mode: expected on or off, got the string 'of'"),
        ({"mode": True}, "mode: expected on or off, got true"),
        ({"sizes": "12"}, "sizes: expected a list, got the string '12'"),
        ({"sizes": 3}, "sizes: expected a list, got 3"),
        ({"sizes": np.array([0.0])}, "sizes.0: expected an integer, got 0.0"),
        ({"sizes": [0, True]}, "sizes.1: expected an integer, got true"),
        ({"module": "resnet20"}, "module: expected Module, got the string 'resnet20'"),
        ({"modules": [nn.ReLU(), 3]}, "modules.1: expected Module, got 3"),
        ({"modules": nn.ReLU()}, "modules: expected a list, got an object of type ReLU"),
        ({"loss": 3}, "loss: expected a function, got 3"),
        ({"copy": 0.5}, "copy: expected an integer, got 0.5"),
    ],
)
def test_what_means_something_else_is_refused(given, said):
    with pytest.raises(ArgumentError) as caught:
        called(**given)
    assert caught.value.what.startswith(said)
    assert caught.value.where == "called"
    assert isinstance(caught.value, ValueError)


def test_positions_are_checked_like_names():
    with pytest.raises(ArgumentError, match="called: first: must be at least 1, got 0"):
        called(0)
    with pytest.raises(UserErrors, match=r"(?s)first: must be at least 1.*number: expected a number"):
        called(0, "1")
    assert called(np.int8(2), 3, "anything", unknown=object())["first"] == 2


def test_a_call_that_python_refuses_is_refused_in_its_own_words():
    @checked
    def needs(first: Count) -> int:
        return first

    with pytest.raises(TypeError, match=r"needs\(\) missing 1 required positional argument: 'first'"):
        needs()
    with pytest.raises(TypeError, match="unexpected keyword argument 'second'"):
        needs(first=1, second=2)


def test_defaults_are_the_functions_own_affair():
    @checked
    def made(first: Count = None) -> Any:
        return first

    assert made() is None


def test_objects_come_as_they_are():
    module, loss = nn.ReLU(), abs
    found = called(module=module, loss=loss, modules=(module,))
    assert found["module"] is module
    assert found["modules"][0] is module
    assert found["loss"] is loss


def test_a_frozen_dataclass_is_checked_when_it_is_filled_in():
    @dataclass(frozen=True)
    class Cut:
        size: Count
        share: Annotated[float, Field(ge=0, lt=1)] = 0.0

        def __post_init__(self) -> None:
            checked_fields(self)

    assert type(Cut(np.int64(3)).size) is int
    with pytest.raises(ArgumentError, match="Cut: size: must be at least 1, got 0"):
        Cut(0)
    with pytest.raises(ArgumentError, match="Cut: share: must be less than 1"):
        Cut(1, share=1.0)


def test_plain_values_are_those_that_yaml_holds():
    given = {"a": np.arange(2), "b": (torch.tensor(1), [np.float64(0.5)]), "c": "text", "d": None, "e": np.bool_(False)}
    found = plain(given)
    assert found == {"a": [0, 1], "b": [1, [0.5]], "c": "text", "d": None, "e": False}
    assert type(found["b"][0]) is int
    assert type(found["e"]) is bool
