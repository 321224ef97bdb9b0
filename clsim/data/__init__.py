"""Data sets as uint8 tensors, their augmentation, and their files on disk.

`core` holds the types, `io` reads files and caches decoded images, `datasets` holds one module per data set. `vectors`
reads vectors that a user computed elsewhere.
May import `losses` and `utils`. Imports torch only when a data set is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsim.utils.lazy import lazy_exports

if TYPE_CHECKING:
    from clsim.data.core.captioned import CaptionDataSet, CaptionedImages
    from clsim.data.core.images import DataSet, Images
    from clsim.data.facts import Facts
    from clsim.data.loading import load_captions, load_dataset
    from clsim.data.registry import register_dataset
    from clsim.data.root import CAPTION_NAMES, NAMES, data_root
    from clsim.data.vectors.pairs import pair_vectors
    from clsim.data.vectors.vector_set import VectorSet, as_vectors, open_vectors

__all__ = [
    "CAPTION_NAMES",
    "NAMES",
    "CaptionDataSet",
    "CaptionedImages",
    "DataSet",
    "Facts",
    "Images",
    "VectorSet",
    "as_vectors",
    "data_root",
    "load_captions",
    "load_dataset",
    "open_vectors",
    "pair_vectors",
    "register_dataset",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "CAPTION_NAMES": "clsim.data.root",
        "NAMES": "clsim.data.root",
        "CaptionDataSet": "clsim.data.core.captioned",
        "CaptionedImages": "clsim.data.core.captioned",
        "DataSet": "clsim.data.core.images",
        "Facts": "clsim.data.facts",
        "Images": "clsim.data.core.images",
        "VectorSet": "clsim.data.vectors.vector_set",
        "as_vectors": "clsim.data.vectors.vector_set",
        "data_root": "clsim.data.root",
        "load_captions": "clsim.data.loading",
        "load_dataset": "clsim.data.loading",
        "open_vectors": "clsim.data.vectors.vector_set",
        "pair_vectors": "clsim.data.vectors.pairs",
        "register_dataset": "clsim.data.registry",
    },
)
