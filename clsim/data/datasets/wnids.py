"""Names for WordNet ids such as ``n01443537``, which ImageNet and its descendants use as folder names."""

from __future__ import annotations

from collections.abc import Iterable


def wnid_names(wnids: Iterable[str]) -> tuple[str, ...]:
    """The first of the synonyms of each id: ``n01443537`` is "goldfish".

    From the tables inside timm, so no file beside the images is needed. An unknown id stays as it is.
    """
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo()

    def name(wnid: str) -> str:
        try:
            return info.label_name_to_description(wnid, detailed=False).split(",")[0]
        except KeyError:
            return wnid

    return tuple(map(name, wnids))
