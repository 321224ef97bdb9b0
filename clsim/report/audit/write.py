"""The files of an audit."""

from __future__ import annotations

from pathlib import Path

from clsim.auditing import Audit
from clsim.report.audit.tables import Format, audit_tables
from clsim.utils.files import atomic

PAGE = "audit.html"
TABLES: dict[str, Format] = {"audit.csv": "csv", "audit.md": "markdown", "audit.tex": "latex"}
"""Format of each file of tables."""


def write_audit(audit: Audit, directory: Path) -> tuple[Path, ...]:
    """Write ``audit.json``, ``audit.html`` and tables as CSV, Markdown and LaTeX, each whole or not at all.

    Args:
        audit: Audit.
        directory: Directory of the files; it is created.

    Returns:
        Paths of the files.

    Example:
        >>> import clsim, numpy as np
        >>> from tempfile import TemporaryDirectory
        >>> items = np.random.default_rng(0).normal(size=(200, 8))
        >>> with TemporaryDirectory() as folder:
        ...     [path.name for path in write_audit(clsim.audit(items, items), Path(folder))]
        ['audit.json', 'audit.html', 'audit.csv', 'audit.md', 'audit.tex']

    """
    from clsim.report.audit.page import audit_page  # the plotting library's file is large

    directory.mkdir(parents=True, exist_ok=True)
    texts = {PAGE: audit_page(audit), **{name: audit_tables(audit, form) for name, form in TABLES.items()}}
    paths = [audit.save(directory)]
    for name, text in texts.items():
        paths.append(directory / name)
        with atomic(paths[-1], durable=False) as unfinished:
            unfinished.write_text(text, encoding="utf-8", newline="")
    return tuple(paths)
