"""The state of a plugin or metric: declared by itself, or for foreign plugins the attributes that change."""

from __future__ import annotations

import types
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from avalanche.evaluation.metric_definitions import Metric
from torch import nn

from clsim.experiment.checkpoint.codec import NotStorable, State, is_storable
from clsim.plugins.state import AttributeState

_CONSTANT: tuple[type, ...] = (type, types.FunctionType, types.BuiltinFunctionType, types.MethodType, Path)
_CONSTANT = (*_CONSTANT, torch.device, torch.dtype, torch.memory_format)
_IMMUTABLE = (type(None), bool, int, float, str, frozenset)


@runtime_checkable
class Stateful(Protocol):
    """An object that stores and restores its own state."""

    def state_dict(self) -> State:
        """Return the state: numbers, texts, tensors and containers of these."""

    def load_state_dict(self, state: Any) -> object:
        """Restore the state."""


class PluginState(Protocol):
    """Access to the state of one plugin or metric."""

    @property
    def thing(self) -> object:
        """The plugin or metric."""

    def state(self) -> State:
        """Return the state to store.

        Raises:
            NotStorable: A part of it cannot be stored.

        """

    def restore(self, state: State) -> None:
        """Restore a stored state.

        Raises:
            ValueError: The state is another object's.

        """


def state_of(thing: object, known: Collection[object] = ()) -> PluginState:
    """Return the access to an object's state: by its own methods if it is :class:`Stateful`, else by reflection.

    A subclass of a plugin of clsim may have more state than that plugin declares, so its state is reflected, too.

    Args:
        thing: Plugin or metric, before the run begins.
        known: Objects that it may hold and whose state is stored elsewhere, or that have none.

    """
    undeclared = isinstance(thing, AttributeState) and not thing.declares_state()
    return OwnState(thing) if isinstance(thing, Stateful) and not undeclared else ReflectedState(thing, known)


class OwnState:
    """The state that an object stores and restores itself."""

    def __init__(self, thing: Stateful) -> None:
        self.thing = thing

    def state(self) -> State:
        """Return the object's ``state_dict()``."""
        return self.thing.state_dict()

    def restore(self, state: State) -> None:
        """Call the object's ``load_state_dict(state)``."""
        self.thing.load_state_dict(state)


class ReflectedState:
    """The state of an object that does not declare it, as Avalanche's plugins: the attributes that can change.

    These are numbers, texts, tensors, containers of them, random generators and Avalanche's metrics. Functions and
    other objects that it was made with (parts of the model, data, other plugins) are not state.

    Args:
        thing: Plugin or metric, before the run begins.
        known: Objects that it may hold and whose state is stored elsewhere, or that have none.

    """

    def __init__(self, thing: object, known: Collection[object] = ()) -> None:
        self.thing = thing
        self._known = {id(each) for each in known}
        self._start: dict[str, Any] = dict(vars(thing))
        # Avalanche's Metric is a Protocol without runtime checks, which isinstance refuses.
        metrics = {name: part for name, part in self._start.items() if Metric in type(part).__mro__}
        self._parts = {name: state_of(part, known) for name, part in metrics.items() if part not in known}

    def state(self) -> State:
        """Return the attributes that may have changed."""
        found: dict[str, Any] = {}
        for name, value in vars(self.thing).items():
            same = name in self._start and self._start[name] is value
            if not (same and self._is_constant(value)):
                found[name] = self._stored(name, value)
        return found

    def restore(self, state: State) -> None:
        """Set the attributes."""
        present = vars(self.thing)
        for name, stored in state.items():
            if "value" in stored:
                setattr(self.thing, name, stored["value"])
            elif name not in present:
                raise ValueError(f"{type(self.thing).__name__} has no {name}")
            elif "attributes" in stored and name in self._parts:
                self._parts[name].restore(stored["attributes"])
            elif "generator" in stored:
                present[name].set_state(stored["generator"])
            else:
                present[name].load_state_dict(stored["state_dict"])

    def _stored(self, name: str, value: object) -> dict[str, State]:
        if isinstance(value, torch.Generator):
            return {"generator": value.get_state()}
        if isinstance(value, Stateful) and not isinstance(value, nn.Module):
            return {"state_dict": value.state_dict()}
        if name in self._parts and self._parts[name].thing is value:
            return {"attributes": self._parts[name].state()}
        if is_storable(value):
            return {"value": value}
        what = f"{type(self.thing).__name__} holds a {type(value).__name__} in {name}, which cannot be stored"
        raise NotStorable(f"{what}; give it state_dict() and load_state_dict(state)")

    def _is_constant(self, value: object) -> bool:
        """Whether an attribute that is still the same object cannot have changed inside."""
        if isinstance(value, (*_CONSTANT, *_IMMUTABLE)) or id(value) in self._known:
            return True
        if isinstance(value, partial):
            return self._is_constant(value.func) and all(
                map(self._is_constant, (*value.args, *value.keywords.values()))
            )
        if isinstance(value, nn.Module):
            return not any(True for _ in (*value.parameters(), *value.buffers()))
        if type(value) is tuple:
            return all(map(self._is_constant, value))
        if isinstance(value, list | dict) and not is_storable(value):
            items = value.values() if isinstance(value, Mapping) else value
            return all(self._is_constant(item) or is_storable(item) for item in items)
        return bool(getattr(type(value), "__dataclass_params__", None) and type(value).__dataclass_params__.frozen)  # type: ignore[attr-defined]
