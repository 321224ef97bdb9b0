"""The seeds of a run: one for everything, and for each of its parts one that follows from it. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from clsim.streams.settings import DRAWN
from clsim.utils.block import Block, Seed
from clsim.utils.derived_seed import derived_seed

DRAWN_BY = {"shots": "splits", "classes": "class_order"}
"""Seeds of what a stream may leave to them, with its key."""


class Seeds(Block):
    """Seeds of parts of a run in place of those that follow from ``seed``."""

    initialisation: Seed | None = Field(
        default=None, description="of random weights, those of models that arrive included; null: seed"
    )
    order: Seed | None = Field(
        default=None, description="of what training draws: data order, augmentation, rehearsal; null: seed"
    )
    classes: Seed | None = Field(default=None, description="of class_order: drawn; null: derived from seed")
    shots: Seed | None = Field(default=None, description="of splits: drawn; null: derived from seed")


@dataclass(frozen=True)
class EffectiveSeeds:
    """The seed of each part of a run; what they are for is said in :class:`Seeds`.

    Attributes:
        apart: whether initialisation and order were told apart; else both draw from one stream.

    """

    initialisation: int
    order: int
    classes: int
    shots: int
    apart: bool

    @classmethod
    def of(cls, seed: int, given: Seeds) -> EffectiveSeeds:
        """Those given, and for the others what follows from `seed`.

        Example:
            >>> EffectiveSeeds.of(42, Seeds(order=7, shots=8))
            EffectiveSeeds(initialisation=42, order=7, classes=1767522883, shots=8, apart=True)

        """
        return cls(
            initialisation=seed if given.initialisation is None else given.initialisation,
            order=seed if given.order is None else given.order,
            classes=derived_seed(seed, "classes") if given.classes is None else given.classes,
            shots=derived_seed(seed, "shots") if given.shots is None else given.shots,
            apart=given.initialisation is not None or given.order is not None,
        )


def fitting_seeds(given: Seeds, own: Seeds, stream: Block) -> dict[str, int | None]:
    """What a scenario of this stream must change of its `own` seeds to have those given, as overrides.

    Seeds of what the stream does not leave to them are left out.
    """
    usable = [key for key in Seeds.model_fields if key not in DRAWN_BY or getattr(stream, DRAWN_BY[key], "") == DRAWN]
    return {f"seeds.{key}": getattr(given, key) for key in usable if getattr(given, key) != getattr(own, key)}
