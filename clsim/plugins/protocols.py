"""What a plugin may offer beside Avalanche's callbacks."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from clsim.utils.template import Template


@runtime_checkable
class HearsReplacement(Protocol):
    """Plugin that keeps something of the model and must renew it when the model is replaced amid a session."""

    # Not called after_...: Avalanche would mistake it for one of its callbacks.
    def model_replaced(self, strategy: Template) -> None:
        """Adapt to the new model of the strategy."""


@runtime_checkable
class Rebuilds(Protocol):
    """Plugin that exchanges the model; a resumed run repeats the exchange without training."""

    def rebuild(self, strategy: Template) -> None:
        """Give the model the structure that it has in ``strategy.experience``, with any weights."""


@runtime_checkable
class RebuildsEnd(Protocol):
    """Plugin that changes the structure of the model at the end of a session."""

    def rebuild_end(self, strategy: Template) -> None:
        """Repeat the change, with any weights."""


@runtime_checkable
class RebuildsAmid(Protocol):
    """Plugin that exchanges the model amid a session."""

    def rebuild_amid(self, strategy: Template, state: dict[str, Any]) -> None:
        """Repeat the exchanges of a stored ``state_dict()``, before it is loaded."""
