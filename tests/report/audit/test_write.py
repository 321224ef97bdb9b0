"""The files of an audit."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.audits import made_audit, real_audit

from clsim.auditing import read_audit
from clsim.report.audit import audit_tables, write_audit
from clsim.report.audit.page import audit_page

NAMES = ["audit.json", "audit.html", "audit.csv", "audit.md", "audit.tex"]


def test_the_files_hold_the_audit(tmp_path: Path) -> None:
    paths = write_audit(real_audit(), tmp_path / "a" / "b")
    assert [path.name for path in paths] == NAMES
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == sorted(NAMES)
    assert read_audit(paths[0]).to_dict() == real_audit().to_dict()
    assert paths[1].read_text(encoding="utf-8") == audit_page(real_audit())
    assert paths[2].read_bytes().decode() == audit_tables(real_audit(), "csv")


def test_the_page_of_an_audit_that_was_read_is_the_same(tmp_path: Path) -> None:
    real_audit().save(tmp_path)
    assert audit_page(read_audit(tmp_path)) == audit_page(real_audit())


def test_files_are_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_audit(real_audit(), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(self: Path, *args: object, **settings: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(OSError):
        write_audit(made_audit(), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
