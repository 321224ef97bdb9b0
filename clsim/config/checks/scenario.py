"""Rules between the blocks of a scenario, checked on the raw mapping.

Each check uses the values that it can and ignores others, so that one wrong value hides no other. The schema checks
types.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from clsim.config.checks.budget import check_budget
from clsim.config.checks.draws import check_draws
from clsim.config.checks.evaluation import check_evaluation
from clsim.config.checks.published import check_published
from clsim.config.checks.replacement import check_replacements
from clsim.config.checks.seeds import check_seeds
from clsim.config.checks.text_upgrade import check_text_upgrades
from clsim.config.checks.upgrade import check_upgrades
from clsim.config.discovery import find_scenario
from clsim.streams.kinds import CAPTION_KINDS
from clsim.streams.rules import check_stream, session_count
from clsim.utils.errors import UserError
from clsim.utils.issues import Finding


def check(raw: Mapping[str, Any], file: Path) -> Iterator[Finding]:
    """Yield the findings of a raw scenario."""
    stream, models, evaluation = (_block(raw, key) for key in ("stream", "models", "evaluation"))
    sessions = session_count(stream)
    yield from check_stream(stream)
    if stream.get("kind") == "replacement":
        yield from check_replacements(stream.get("replacements"), models, sessions)
    if stream.get("kind") == "upgrade":
        yield from check_upgrades(stream, models)
    if stream.get("kind") in CAPTION_KINDS:
        yield from check_text_upgrades(stream, models)
    yield from check_evaluation(evaluation, stream)
    yield from check_budget(raw.get("budget"), stream)
    yield from check_draws(raw.get("draws"), stream, evaluation)
    yield from check_seeds(_block(raw, "seeds"), stream, draws=raw.get("draws") is not None)
    yield from _validation(raw, stream)
    yield from check_published(_block(raw, "published"), sessions, stream.get("kind"), evaluation)
    yield from _stand_in(raw, file)


def _block(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    block = raw.get(key)
    return block if isinstance(block, Mapping) else {}


def _validation(raw: Mapping[str, Any], stream: Mapping[str, Any]) -> Iterator[Finding]:
    if raw.get("validation") is not None and stream.get("kind") in CAPTION_KINDS:
        what = "validation: images with captions have no classes to hold images out of"
        yield Finding(("validation",), what, "leave it out")


def _stand_in(raw: Mapping[str, Any], file: Path) -> Iterator[Finding]:
    name = raw.get("otherwise")
    if not isinstance(name, str):
        return
    try:
        itself = find_scenario(name).resolve() == file.resolve()
    except UserError as error:
        yield Finding(("otherwise",), f"otherwise: {error.what}", error.fix)
    else:
        if itself:
            yield Finding(("otherwise",), "otherwise: a scenario cannot stand in for itself")
