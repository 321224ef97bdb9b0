"""A real browser for pages: where it is, and how texts contrast with what lies behind them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((found for name in BROWSERS if (found := shutil.which(name))), None)

CONTRASTS = """elements => {
  const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const parts = (colour) => {
    paint.fillStyle = colour;
    paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => part / 255);
  };
  const light = (colour) => parts(colour)
    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
  const clear = (element) => getComputedStyle(element).backgroundColor === "rgba(0, 0, 0, 0)";
  return elements.map((element) => {
    let behind = element;
    while (clear(behind)) behind = behind.parentElement;
    const { color, fill } = getComputedStyle(element);
    const [more, less] = [light(element.namespaceURI.endsWith("svg") ? fill : color),
                          light(getComputedStyle(behind).backgroundColor)].sort((a, b) => b - a);
    return (more + 0.05) / (less + 0.05);
  });
}"""
"""Contrast of a text with what lies behind it, as WCAG 2 counts it."""


@contextmanager
def watched(context: Any, path: Path) -> Iterator[Any]:
    """Open a page; at the end nothing may have been wrong, and nothing asked for."""
    wrong: list[str] = []

    def refuse(route: Any) -> None:
        if not route.request.url.startswith(("file:", "data:", "blob:")):
            wrong.append(f"asked for {route.request.url}")
        route.continue_()

    page = context.new_page()
    page.route("**/*", refuse)
    page.on("console", lambda said: wrong.append(f"{said.type}: {said.text}"))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
    page.goto(path.as_uri())
    page.wait_for_selector("body[data-ready]")
    yield page
    context.close()
    assert wrong == []
