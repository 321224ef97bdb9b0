"""State of plugins that consists of a few attributes."""

from __future__ import annotations

from typing import Any, ClassVar

import torch


class AttributeState:
    """Mixin that stores and restores the attributes in ``state_names``.

    Every class names its own. A subclass that names none may have any attributes: a checkpoint then stores all that
    can change, as for Avalanche's plugins. A random generator stores its state and is restored in place. An attribute
    that every session sets when it begins needs no name.

    Example:
        >>> class Counter(AttributeState):
        ...     state_names = ("count",)
        ...     def __init__(self):
        ...         self.count = 0
        >>> counter = Counter()
        >>> counter.load_state_dict({"count": 3})
        >>> counter.state_dict()
        {'count': 3}

    """

    state_names: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def declares_state(cls) -> bool:
        """Return whether the class itself names its attributes, not only a base class."""
        return "state_names" in vars(cls)

    def state_dict(self) -> dict[str, Any]:
        """Return the attributes by name."""
        values = {name: vars(self)[name] for name in self.state_names}
        return {
            name: value.get_state() if isinstance(value, torch.Generator) else value for name, value in values.items()
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the attributes that the state contains."""
        for name in self.state_names:
            if name not in state:  # earlier versions left out what had not changed
                continue
            present, value = vars(self)[name], _unwrapped(state[name])
            if isinstance(present, torch.Generator):
                present.set_state(value)
            else:
                setattr(self, name, value)


def _unwrapped(stored: Any) -> Any:
    """Return the value of an attribute, which earlier versions stored as ``{kind: value}``."""
    wrapped = isinstance(stored, dict) and len(stored) == 1 and next(iter(stored)) in ("value", "generator")
    return next(iter(stored.values())) if wrapped else stored
