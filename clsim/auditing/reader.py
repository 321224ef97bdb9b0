"""Reader of ``audit.json``: any content ends in an audit or in a clear error."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from clsim.auditing.record import FILE, FORMAT, Audit
from clsim.utils.errors import UserError
from clsim.utils.json_files import read_json
from clsim.utils.schema_errors import findings
from clsim.utils.text import describe


def read_audit(path: Path | str) -> Audit:
    """Return the audit that :meth:`Audit.save` wrote.

    Args:
        path: Directory with ``audit.json``, or the file itself.

    Raises:
        UserError: There is no such file, or it is not what an audit writes; the first problem is named.

    Example:
        >>> read_audit("nowhere")
        Traceback (most recent call last):
        clsim.utils.errors.UserError: nowhere/audit.json: there is no audit here

    """
    file = Path(path)
    if file.is_dir() or not file.suffix:
        file /= FILE
    if not file.exists():
        raise UserError("there is no audit here", where=str(file))
    content = read_json(file)
    if not isinstance(content, dict):
        raise UserError(f"expected an object, got {describe(content)}", where=str(file))
    if content.get("format") != FORMAT or isinstance(content["format"], bool):
        found = describe(content["format"]) if "format" in content else "none"
        raise UserError(f"format: expected {FORMAT}, got {found}", where=str(file))
    try:
        # By way of JSON, where a strict tuple is a list.
        audit = _adapter().validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        what = next((found.what for found in findings(error, content)), str(error).splitlines()[0])
        raise UserError(what, where=str(file)) from error
    if problem := _contradiction(audit):
        raise UserError(problem, where=str(file))
    return audit


@cache
def _adapter() -> TypeAdapter[Audit]:
    return TypeAdapter(Audit)


def _contradiction(audit: Audit) -> str | None:
    """Return what types cannot say: a reference to nothing, an interval without extent, a curve without a point."""
    verdict = audit.verdict
    names = [(each.name, each.bridge) for each in audit.arrangements]
    if not any(name == verdict.arrangement and verdict.bridge in (None, bridge) for name, bridge in names):
        return f"verdict.arrangement: no arrangement {verdict.arrangement!r} with bridge {verdict.bridge!r}"
    if verdict.undecided is not None and verdict.undecided not in (name for name, _ in names):
        return f"verdict.undecided: no arrangement {verdict.undecided!r}"
    for place, each in enumerate(audit.arrangements):
        at = f"arrangements.{place}"
        if audit.primary not in each.figures:
            return f"{at}.figures: {audit.primary!r} is missing"
        for name, estimate in {**each.figures, "kept": each.kept, "gain": each.gain}.items():
            if estimate.low > estimate.high:
                return f"{at}: the interval of {name!r} ends before it begins: {estimate.low:g} to {estimate.high:g}"
        if each.curve is not None and not 0 < len(each.curve.fractions) == len(each.curve.values):
            return f"{at}.curve: expected one value for each fraction and at least one"
    return None
