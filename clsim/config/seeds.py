"""Seeds of a run: one for everything, from which those of its parts are derived. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from clsim.streams.settings import DRAWN
from clsim.utils.block import Block, Seed
from clsim.utils.derived_seed import derived_seed

DRAWN_BY = {"shots": "splits", "classes": "class_order"}
"""Seeds of draws in a stream, each with the stream's key."""


class Seeds(Block):
    """Seeds of parts of a run, instead of those derived from ``seed``."""

    initialization: Seed | None = Field(
        default=None, description="seed of random weights, also of incoming models; null: seed"
    )
    order: Seed | None = Field(
        default=None, description="seed of draws in training: data order, augmentation, rehearsal; null: seed"
    )
    classes: Seed | None = Field(default=None, description="seed of class_order: drawn; null: derived from seed")
    shots: Seed | None = Field(default=None, description="seed of splits: drawn; null: derived from seed")


@dataclass(frozen=True)
class EffectiveSeeds:
    """Seed of each part of a run; see :class:`Seeds`. The manifest of a run stores it under these names.

    Attributes:
        initialisation: Seed of random weights.
        order: Seed of draws in training.
        classes: Seed of a drawn order of classes.
        shots: Seed of drawn shots.
        apart: Whether initialization or order has a seed. Otherwise both draw from one generator.

    """

    initialisation: int
    order: int
    classes: int
    shots: int
    apart: bool

    @classmethod
    def of(cls, seed: int, given: Seeds) -> EffectiveSeeds:
        """Return the given seeds, and derive the others from ``seed``.

        Example:
            >>> EffectiveSeeds.of(42, Seeds(order=7, shots=8))
            EffectiveSeeds(initialisation=42, order=7, classes=1767522883, shots=8, apart=True)

        """
        return cls(
            initialisation=seed if given.initialization is None else given.initialization,
            order=seed if given.order is None else given.order,
            classes=derived_seed(seed, "classes") if given.classes is None else given.classes,
            shots=derived_seed(seed, "shots") if given.shots is None else given.shots,
            apart=given.initialization is not None or given.order is not None,
        )


def fitting_seeds(given: Seeds, own: Seeds, stream: Block) -> dict[str, int | None]:
    """Return the overrides that replace a scenario's seeds by others.

    Args:
        given: Seeds to have.
        own: Seeds that the scenario has.
        stream: Block ``stream`` of the scenario. Seeds by which it does not draw are left out.

    """
    usable = [key for key in Seeds.model_fields if key not in DRAWN_BY or getattr(stream, DRAWN_BY[key], "") == DRAWN]
    return {f"seeds.{key}": getattr(given, key) for key in usable if getattr(given, key) != getattr(own, key)}
