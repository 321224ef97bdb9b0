"""Rules of ``published:``: one figure per session, and criteria that the scenario measures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from clsim.config.evaluation import Published
from clsim.streams.kinds import CAPTION_KINDS, UPGRADE_KINDS
from clsim.utils.issues import Finding
from clsim.utils.text import suggestion

FIGURES = tuple(key for key in Published.model_fields if key != "source")
BY_SESSION = ("accuracy", "self_test")
DIRECTIONS = ("", "/image_to_text", "/text_to_image")


def check_published(
    published: Mapping[str, Any], sessions: int | None, kind: object, evaluation: Mapping[str, Any]
) -> Iterator[Finding]:
    """Yield the findings of the raw block.

    Args:
        published: Block ``published``.
        sessions: Number of sessions; ``None`` if it depends on data that is not loaded.
        kind: Kind of the stream.
        evaluation: Block ``evaluation``.

    """
    for name, row in published.items():
        if not isinstance(row, Mapping):
            continue
        for key in BY_SESSION:
            figures = row.get(key)
            if sessions is not None and isinstance(figures, list) and len(figures) != sessions:
                counted = f"{len(figures)} figure{'' if len(figures) == 1 else 's'} for {sessions} sessions"
                what = f"published.{name}.{key}: {counted} (the base session counts)"
                yield Finding(("published", name, key), what)
        misspelt = set(row) - set(Published.model_fields)  # reported already
        if not misspelt and all(row.get(figure) is None for figure in FIGURES):
            fix = "give accuracy (by session), ac, am, self_test (by session) or upgrade (by criterion)"
            yield Finding(("published", name), f"published.{name}: holds no figure", fix)
        if isinstance(row.get("upgrade"), Mapping):
            yield from _upgrade(name, row["upgrade"], kind, evaluation)


def _upgrade(name: str, upgrade: Mapping[str, Any], kind: object, evaluation: Mapping[str, Any]) -> Iterator[Finding]:
    if kind not in UPGRADE_KINDS:
        what = f"published.{name}.upgrade: has a meaning only on streams of kind upgrade and text_upgrade"
        yield Finding(("published", name, "upgrade"), what, "remove it")
        return
    compatibility = evaluation.get("compatibility")
    compatibility = compatibility if isinstance(compatibility, Mapping) else {}
    also = compatibility.get("also")
    named = [compatibility.get("criterion", "nearest_class_mean"), *(also if isinstance(also, list) else [])]
    directions = DIRECTIONS if kind in CAPTION_KINDS else DIRECTIONS[:1]
    known = [f"{criterion}{direction}" for criterion in named for direction in directions]
    for criterion in upgrade:
        if criterion not in known:
            what = f"published.{name}.upgrade: the scenario does not measure '{criterion}'"
            yield Finding(("published", name, "upgrade", criterion), what, suggestion(str(criterion), known))
