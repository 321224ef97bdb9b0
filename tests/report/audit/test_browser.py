"""The page of an audit in a real browser: drawn, readable in light and dark, on a telephone and on paper."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from helpers.audits import made_audit, real_audit, unkind_audit
from helpers.browser import BROWSER, CONTRASTS, watched

from clsim.auditing import Audit
from clsim.report.audit import write_audit

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here")
Opened = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Opened]:
    """`show(audit, ...)` opens its page; at the end nothing may have been wrong, and nothing asked for."""
    with ExitStack() as open_pages:

        def opened(audit: Audit, width: int = 1280, **settings: Any) -> Any:
            path = write_audit(audit, tmp_path)[1]
            context = browser.new_context(viewport={"width": width, "height": 900}, **settings)
            return open_pages.enter_context(watched(context, path))

        yield opened


def test_every_chart_is_drawn_with_intervals_and_front(show: Opened) -> None:
    audit = real_audit()
    page = show(audit)
    assert page.locator("h1").inner_text() == str(audit).splitlines()[0]
    plots = page.locator(".plot")
    assert plots.count() == 3
    for plot in plots.all():
        assert plot.locator(".scatterlayer .trace").count() > 0
    by_price = page.locator(".plot[data-name=quality_by_embed_money]")
    assert by_price.locator(".errorbar").count() == len(audit.arrangements)
    assert "Pareto front" in by_price.locator(".legendtext").all_text_contents()


def test_the_legend_covers_neither_points_nor_titles(show: Opened) -> None:
    for width in (360, 1280):
        page = show(real_audit(), width=width)
        for plot in page.locator(".plot.tall").all():
            legend = plot.locator(".legend").bounding_box()
            for part in (".xtitle", ".gridlayer"):
                box = plot.locator(part).first.bounding_box()
                assert box["y"] + box["height"] <= legend["y"] + 1


def test_a_point_says_its_figure_to_keyboard_and_mouse(show: Opened) -> None:
    page = show(made_audit())
    plot = page.locator(".plot[data-name=quality_by_embedded_items]")
    plot.focus()
    for key in ("ArrowDown", "ArrowRight"):  # the first trace holds the other bridges
        page.keyboard.press(key)
    says = page.locator(".chart:has(.plot[data-name=quality_by_embedded_items]) .announced")
    assert says.inner_text() == "do nothing, items before it serves 0: 50.00%, 49.00% to 51.00%"
    hover = plot.locator(".hoverlayer .hovertext")
    hover.wait_for()
    assert "do nothing, items to embed 0" in hover.text_content()


def test_columns_are_sorted_by_exact_values(show: Opened) -> None:
    audit = real_audit()
    table = show(audit).locator("table[data-name=arrangements]")
    table.locator("thead th button").nth(2).click()
    cells = table.locator("tbody td:nth-child(3)").all()
    values = [float(cell.get_attribute("data-value")) for cell in cells]
    assert values == sorted(each.figures["recall@10"].value for each in audit.arrangements)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read(show: Opened, scheme: str) -> None:
    page = show(real_audit(), color_scheme=scheme)
    texts = page.locator(":is(h1, h3, td, th, dt, dd, p, summary, .headlines li, .headlines b, .plot text):visible")
    assert texts.count() > 100
    assert min(texts.evaluate_all(CONTRASTS)) >= 4.5


def test_it_fits_a_telephone(show: Opened) -> None:
    for audit in (real_audit(), unkind_audit()):
        page = show(audit, width=360)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_it_prints_in_black(show: Opened) -> None:
    page = show(real_audit(), color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert len(page.pdf()) > 10_000
