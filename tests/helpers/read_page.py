"""What stands on a report's page, read as a browser reads it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

VOID = {"meta", "link", "img", "br"}


@dataclass
class Table:
    """Headings, and rows of pairs: what a cell says, and the exact value behind it."""

    headings: list[str] = field(default_factory=list)
    rows: list[list[tuple[str, float | None]]] = field(default_factory=list)

    def column(self, heading: str) -> list[float | None]:
        return [row[self.headings.index(heading)][1] for row in self.rows]

    @property
    def values(self) -> list[list[float]]:
        return [[value for _, value in row if value is not None] for row in self.rows]


class Page(HTMLParser):
    """A page taken apart.

    Attributes:
        tags: every element with its attributes.
        charts: by the run's panel and the chart's name, what the plotting library is given.
        tables: likewise.
        headlines: by the run's panel.
        texts: all that is to be read.

    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.charts: dict[tuple[str, str], dict[str, Any]] = {}
        self.tables: dict[tuple[str, str], Table] = {}
        self.headlines: dict[str, dict[str, float]] = {}
        self.texts: list[str] = []
        self.scripts: dict[str, str] = {}
        self.styles = ""
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self._panel = self._plot = ""
        self._table: Table | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag not in VOID:
            self._open.append((tag, given))
        if tag == "article":
            self._panel = given["id"] or ""
        if "plot" in (given.get("class") or "").split():
            self._plot = given["data-name"] or ""
        if tag == "table":
            # The table below a chart comes after it, and has its name.
            self._table = self.tables[self._panel, given["data-name"] or ""] = Table()
        if tag == "tr" and self._table is not None and self._table.headings:
            self._table.rows.append([])
        if tag in ("td", "th") and self._table is not None:
            value = given.get("data-value")
            if self._table.rows:
                self._table.rows[-1].append(("", None if value is None else float(value)))
            else:
                self._table.headings.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag
        if tag == "table":
            self._table = None

    def handle_data(self, data: str) -> None:
        tag, given = self._open[-1] if self._open else ("", {})
        if tag == "script":
            if given.get("type") == "application/json":
                self.charts[self._panel, self._plot] = json.loads(data)
            else:
                self.scripts[given.get("id") or "ours"] = data
            return
        if tag == "style":
            self.styles += data
            return
        self.texts.append(data)
        if tag in ("td", "th") and self._table is not None:
            if self._table.rows:
                text, value = self._table.rows[-1][-1]
                self._table.rows[-1][-1] = (text + data, value)
            else:
                self._table.headings[-1] += data
        if tag == "b" and "data-value" in given:
            self._headline = float(given["data-value"] or "nan")
        if tag == "li" and data.strip():
            self.headlines.setdefault(self._panel, {})[data.strip()] = self._headline

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def lines(self, panel: str, chart: str) -> dict[str, list[float | None]]:
        """The lines of a chart by their names, as the library is given them."""
        return {trace["name"]: trace["y"] for trace in self.charts[panel, chart]["data"]}
