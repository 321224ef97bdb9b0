"""Class names of WordNet ids such as ``n01443537``, the folder names of ImageNet and its subsets."""

from __future__ import annotations

from collections.abc import Iterable


def wnid_names(wnids: Iterable[str]) -> tuple[str, ...]:
    """Return the first synonym of each id: ``n01443537`` is "goldfish".

    The names come from timm's tables, so no extra file is needed. An unknown id is returned unchanged.
    """
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo()

    def name(wnid: str) -> str:
        try:
            return info.label_name_to_description(wnid, detailed=False).split(",")[0]
        except KeyError:
            return wnid

    return tuple(map(name, wnids))
