"""Order of the plugins of a strategy, declared by the plugins and checked once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from itertools import pairwise
from typing import Any, Protocol, runtime_checkable

from clsim.utils.errors import ArgumentError


class Phase(IntEnum):
    """Place of a plugin in a strategy's list; plugins of a lower phase are called first.

    A plugin declares a phase only where its place matters. Without one it may stand anywhere.
    """

    SNAPSHOT = 0
    """Reads every model before it is trained."""
    DATA = 1
    """Provides the data loader."""
    ALIGNMENT = 2
    """Needs the old model at the end of a session, before the plugin of the next phase releases it."""
    MODEL = 3
    """Exchanges the model; may ask for the length of the data loader."""
    PROJECTION = 4
    """Trains a part of the new model before the session, with the help of the old one."""
    LOSS = 5
    """Adds to the loss, with targets of an earlier phase."""
    GUARD = 6
    """Checks the complete loss before the step."""
    PROGRESS = 7
    """Reports a step that is complete."""


@runtime_checkable
class HasPhase(Protocol):
    """Plugin that declares its place."""

    @property
    def phase(self) -> Phase:
        """Place in the list of plugins."""


def phase_of(plugin: object) -> Phase | None:
    """Return the declared phase of a plugin, None for one that may stand anywhere."""
    return plugin.phase if isinstance(plugin, HasPhase) else None


def check_order(plugins: Iterable[object]) -> None:
    """Check that plugins stand in the order of their phases.

    Args:
        plugins: Plugins of a strategy; those without a phase are skipped.

    Raises:
        ArgumentError: A plugin stands before one of a lower phase.

    """
    declared = [plugin for plugin in plugins if phase_of(plugin) is not None]
    for first, second in pairwise(declared):
        if _rank(first) > _rank(second):
            names = [f"{type(plugin).__name__} ({Phase(_rank(plugin)).name})" for plugin in (first, second)]
            wanted = ", ".join(type(plugin).__name__ for plugin in sorted(declared, key=_rank))
            raise ArgumentError(
                f"Strategy: plugins: {names[0]} stands before {names[1]}, which must run first",
                fix=f"pass them in the order {wanted}",
            )


def place_for(plugin: object, plugins: Sequence[Any], end: int) -> int:
    """Return the index at which a plugin joins a list: behind all plugins of its phase and below.

    Args:
        plugin: Plugin to insert; without a phase it counts as one of ``LOSS``.
        plugins: Present plugins.
        end: Index that it may not pass, where the evaluation begins.

    """
    rank = _rank(plugin)
    return next((index for index, present in enumerate(plugins[:end]) if _rank(present) > rank), end)


def _rank(plugin: object) -> int:
    phase = phase_of(plugin)
    return Phase.LOSS if phase is None else phase
