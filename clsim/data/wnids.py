"""Names for WordNet ids such as ``n01443537``, which ImageNet and its descendants use as folder names."""

from __future__ import annotations

from collections.abc import Iterable


def wnid_names(wnids: Iterable[str]) -> tuple[str, ...]:
    """The first of the synonyms of each id: ``n01443537`` is "goldfish".

    From the tables inside timm, so no file beside the images is needed. An unknown id stays as it is.
    """
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo()
    names = (info.label_name_to_description(wnid, detailed=False) or wnid for wnid in wnids)
    return tuple(name.split(",")[0] for name in names)
