"""The state of an object that does not say itself what its state is: a plugin or a metric."""

from __future__ import annotations

import types
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from avalanche.evaluation.metric_definitions import Metric
from torch import nn

from clsim.experiment.checkpoint.codec import NotStorable, State, is_storable

_CONSTANT: tuple[type, ...] = (type, types.FunctionType, types.BuiltinFunctionType, types.MethodType, Path)
_CONSTANT = (*_CONSTANT, torch.device, torch.dtype, torch.memory_format)
_IMMUTABLE = (type(None), bool, int, float, str, frozenset)


class Attributes:
    """Knows what an object was made with, and so which of its attributes have to be stored.

    An object with ``state_dict()`` and ``load_state_dict(state)`` says itself what its state is. Of any other the
    attributes are: numbers, texts, tensors, containers of them, random generators and Avalanche's metrics. Functions
    and what else it was made with (parts of the model, data, other plugins) stay as they are.

    Args:
        thing: as it is before the run begins.
        known: objects that it may hold and whose state is stored elsewhere, or that have none.

    """

    def __init__(self, thing: Any, known: Collection[object] = ()) -> None:
        self.thing = thing
        self._known = {id(each) for each in known}
        self._start: dict[str, Any] = {} if _says_itself(thing) else dict(vars(thing))
        # Of Avalanche's plugin metrics the part that counts; their class is a protocol, which isinstance does not take.
        metrics = {name: part for name, part in self._start.items() if Metric in type(part).__mro__}
        self._parts = {name: Attributes(part, known) for name, part in metrics.items() if part not in known}

    def state(self) -> State:
        """What has to be stored.

        Raises:
            NotStorable: an attribute is none of the above, so that the object could not be made as it is.

        """
        if _says_itself(self.thing):
            return self.thing.state_dict()
        found: dict[str, Any] = {}
        for name, value in vars(self.thing).items():
            same = name in self._start and self._start[name] is value
            if same and self._stays(value):
                continue
            if isinstance(value, torch.Generator):
                found[name] = {"generator": value.get_state()}
            elif _says_itself(value) and not isinstance(value, nn.Module):
                found[name] = {"state_dict": value.state_dict()}
            elif name in self._parts and self._parts[name].thing is value:
                found[name] = {"attributes": self._parts[name].state()}
            elif is_storable(value):
                found[name] = {"value": value}
            else:
                raise NotStorable(
                    f"{type(self.thing).__name__} keeps a {type(value).__name__} in {name}; "
                    "with state_dict() and load_state_dict(state) it can say what that is made of"
                )
        return found

    def restore(self, state: State) -> None:
        """Makes the object what it was.

        Raises:
            ValueError: the state is another object's.

        """
        if _says_itself(self.thing):
            self.thing.load_state_dict(state)
            return
        for name, kept in state.items():
            if "value" in kept:
                setattr(self.thing, name, kept["value"])
            elif not hasattr(self.thing, name):
                raise ValueError(f"{type(self.thing).__name__} has no {name}")
            elif "attributes" in kept and name in self._parts:
                self._parts[name].restore(kept["attributes"])
            elif "generator" in kept:
                getattr(self.thing, name).set_state(kept["generator"])
            else:
                getattr(self.thing, name).load_state_dict(kept["state_dict"])

    def _stays(self, value: object) -> bool:
        """Whether an attribute that is still the same object cannot have changed inside."""
        if isinstance(value, (*_CONSTANT, *_IMMUTABLE)) or id(value) in self._known:
            return True
        if isinstance(value, partial):
            return self._stays(value.func) and all(map(self._stays, (*value.args, *value.keywords.values())))
        if isinstance(value, nn.Module):
            return not any(True for _ in (*value.parameters(), *value.buffers()))
        if type(value) is tuple:
            return all(map(self._stays, value))
        if isinstance(value, list | dict) and not is_storable(value):
            items = value.values() if isinstance(value, Mapping) else value
            return all(self._stays(item) or is_storable(item) for item in items)
        return bool(getattr(type(value), "__dataclass_params__", None) and type(value).__dataclass_params__.frozen)  # type: ignore[attr-defined]


def _says_itself(thing: object) -> bool:
    return hasattr(thing, "state_dict") and hasattr(thing, "load_state_dict")
