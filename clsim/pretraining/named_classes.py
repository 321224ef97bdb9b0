"""Texts of ImageNet's classes: names, their head nouns and definitions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from timm.data.imagenet_info import ImageNetInfo

from clsim.pretraining.corpora import PHOTO_TEMPLATES

HEAD_NOUN, DEFINITION = 0.2, 0.1
"""Shares of texts with the head noun and with the definition; the others have a whole name."""


class NamedClass(NamedTuple):
    """Class with its texts.

    Attributes:
        wordnet: WordNet id, for instance n01443537.
        names: Synonyms.
        definition: Definition.

    """

    wordnet: str
    names: tuple[str, ...]
    definition: str

    def text(self, draws: Sequence[float]) -> str:
        """Return one of the texts that describe this class.

        The head noun of a name is its last word, "shark" of "tiger shark". Names that share one teach the text tower
        what it means alone.

        Args:
            draws: Three numbers in [0, 1), which choose the kind of text, the name and the template.

        Example:
            >>> shark = NamedClass("n01491361", ("tiger shark",), "large dangerous warm-water shark")
            >>> shark.text([0.1, 0, 0]), shark.text([0.25, 0, 0]), shark.text([0.5, 0, 0.99])
            ('a photo of a shark.', 'large dangerous warm-water shark', 'tiger shark')

        """
        kind, name, template = draws
        if HEAD_NOUN <= kind < HEAD_NOUN + DEFINITION:
            return self.definition
        chosen = self.names[int(name * len(self.names))]
        if kind < HEAD_NOUN:
            chosen = chosen.split()[-1]
        return PHOTO_TEMPLATES[int(template * len(PHOTO_TEMPLATES))].replace("[]", chosen)

    def texts(self) -> tuple[str, ...]:
        """Return names and definition, for a vocabulary."""
        return (*self.names, self.definition)


def imagenet_classes() -> tuple[NamedClass, ...]:
    """Return ImageNet's 1000 classes in the order of its classifiers, as WordNet describes them."""
    info = ImageNetInfo()
    described = zip(info.label_names(), info.label_descriptions(), info.label_descriptions(detailed=True), strict=True)
    return tuple(
        NamedClass(wordnet, tuple(short.split(", ")), long.removeprefix(f"{short}: "))
        for wordnet, short, long in described
    )


def class_positions(names: Sequence[str], classes: Sequence[NamedClass]) -> tuple[int, ...]:
    """Return the positions of classes by their first names, both in the order of their WordNet ids.

    Two classes of ImageNet are a crane, and two a maillot; the order tells them apart.

    Raises:
        ValueError: A name is missing or out of order.

    Example:
        >>> classes = [NamedClass("", (name,), "") for name in ("crane", "cup", "crane")]
        >>> class_positions(["cup", "crane"], classes)
        (1, 2)

    """
    found: list[int] = []
    first = [named.names[0] for named in classes]
    for name in names:
        found.append(first.index(name, found[-1] + 1 if found else 0))
    return tuple(found)
