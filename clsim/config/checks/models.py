"""Rules of references to ``models:``."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from clsim.utils.issues import Finding, KeyPath
from clsim.utils.text import suggestion


def check_model(path: KeyPath, name: object, models: Collection[str]) -> Iterator[Finding]:
    """Yield a finding at ``path`` if a text is no name in the block ``models``."""
    if isinstance(name, str) and name not in models:
        fix = suggestion(name, models) or f"describe it: models: {{{name}: {{kind: ...}}}}"
        yield Finding(path, f"{'.'.join(map(str, path))}: there is no '{name}' in models", fix)
