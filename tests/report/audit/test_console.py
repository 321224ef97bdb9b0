"""The verdict on the console: about ten lines, the answer first, at every width."""

from __future__ import annotations

import io

import pytest
from helpers.audits import made_audit, real_audit, unkind_audit
from rich.console import Console

from clsim.auditing import Audit, Verdict
from clsim.report.audit.console import print_audit


def printed(audit: Audit, width: int | None = None) -> str:
    """Return what is printed: to a terminal of a width, or to a pipe."""
    out = io.StringIO()
    terminal = width is not None
    print_audit(audit, Console(file=out, width=width, force_terminal=terminal, markup=False, color_system=None))
    return out.getvalue()


@pytest.mark.parametrize("width", [None, 120, 80, 50, 32])
def test_the_answer_is_first_then_the_reason_and_the_figures(width: int | None) -> None:
    text = printed(made_audit(notes=("A note.",)), width)
    lines = text.splitlines()
    assert lines[0].startswith("Bridge the queries with ridge")
    assert "It keeps enough." in lines[1]
    assert "87.00" in text and "Procrustes bound" in text and "A note." in text
    if width is not None:
        assert max(map(len, lines)) <= width


def test_a_pipe_gets_one_plain_line_for_each_thing() -> None:
    text = printed(real_audit())
    assert "\x1b" not in text and "─" not in text
    assert len(text.splitlines()) <= 13
    assert printed(real_audit()) == text


def test_a_real_verdict_fits_a_terminal() -> None:
    assert len(printed(real_audit(), 120).splitlines()) <= 20


def test_an_open_verdict_emphasizes_no_row() -> None:
    out = io.StringIO()
    audit = made_audit(Verdict("cannot_tell", "Maybe.", "full_reindex", undecided="bridge_query", queries_needed=2500))
    print_audit(audit, Console(file=out, width=120, force_terminal=True, markup=False, color_system="standard"))
    text = out.getvalue()
    assert "2,500 queries" in text
    assert "\x1b[1;33m" in text  # yellow, since nothing is decided
    (row,) = (line for line in text.splitlines() if "re-index everything" in line and "90.00" in line)
    assert "\x1b[1m" not in row


def test_names_are_text() -> None:
    for width in (None, 100):
        text = printed(unkind_audit(), width)
        assert "\x1b" not in text and "\u202e" not in text
