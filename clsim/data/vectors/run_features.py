"""Features of a run: `features/version<t>.safetensors` and the labels beside them."""

from __future__ import annotations

import re
from pathlib import Path

from clsim.data.vectors.entry import Entries, Entry
from clsim.data.vectors.safetensors_file import safetensors_entries

_FILE = re.compile(r"(version\d+|labels)\.safetensors")


def run_entries(folder: Path) -> Entries:
    """Return the features of a run directory, or of its folder ``features``.

    Members are ``version0``, and ``labels`` for the class ids. If query and gallery are different images, these are of
    the gallery, and ``version0/query`` and ``labels/query`` are of the queries.
    """
    inner = folder / "features" if (folder / "features").is_dir() else folder
    files = {match[1]: file for file in inner.iterdir() if (match := _FILE.fullmatch(file.name))}
    if not files:
        raise ValueError("this folder holds no features of a run: features/version0.safetensors is missing")
    found: dict[str, Entry] = {}
    for name in sorted(files, key=lambda name: (name == "labels", len(name), name)):
        try:
            tensors = safetensors_entries(files[name])
            query = tensors["query"]
        except Exception as error:  # of any kind; the message names the file within the folder
            raise ValueError(f"{files[name].name} is damaged: {type(error).__name__}: {error}") from error
        found[name] = tensors.get("gallery", query)
        if "gallery" in tensors:
            found[f"{name}/query"] = query
    return found
