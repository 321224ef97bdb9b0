"""The page in a real browser: it draws, sorts, switches and speaks without an error and without a network."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from helpers.browser import BROWSER, CONTRASTS, watched

from clsim.report.html.page import write_page
from clsim.report.html.run_view import view_runs

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here")
Opened = Callable[..., Any]

TEXTS = "h1, h3, td, th, dt, dd, p, summary, .headlines li, .headlines b, [role=tab], .plot text"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Opened]:
    """`show(runs, ...)` opens their page; at the end nothing may have been wrong, and nothing asked for."""
    with ExitStack() as open_pages:

        def opened(*runs: Path, width: int = 1280, **settings: Any) -> Any:
            path = tmp_path / "report.html"
            write_page(view_runs(runs), path)
            context = browser.new_context(viewport={"width": width, "height": 900}, **settings)
            return open_pages.enter_context(watched(context, path))

        yield opened


def drawn(page: Any, panel: str, chart: str) -> list[dict[str, Any]]:
    """What the plotting library holds of a chart."""
    return json.loads(
        page.evaluate(
            """([panel, chart]) => JSON.stringify(document.querySelector(`#${panel} .plot[data-name=${chart}]`).data
               .map(({name, x, y}) => ({name, x: [...x], y: [...y]})))""",
            [panel, chart],
        )
    )


def read(run: Path) -> dict[str, Any]:
    return json.loads((run / "results.json").read_text())


@pytest.mark.parametrize("kind", ["fscil", "replacement", "upgrade"])
def test_every_chart_is_drawn_with_the_figures_of_the_run(show: Opened, made: Callable[..., Path], kind: str) -> None:
    page, told = show(made(kind)), read(made(kind))
    assert page.get_attribute("body", "data-ready") == "yes"
    for plot in page.locator(".plot").all():
        assert plot.locator("svg.main-svg").count() > 0
        assert plot.locator(".scatterlayer .trace, .barlayer .trace").count() > 0
    assert drawn(page, "run-1", "accuracy")[0]["y"] == [record["accuracy"] for record in told["sessions"]]
    cells = page.locator("#run-1 table[data-name=accuracy_matrix] td[data-value]").all()
    shown = [(float(cell.get_attribute("data-value")), cell.inner_text()) for cell in cells]
    assert shown == [(value, f"{100 * value:.2f}") for row in told["accuracy_matrix"] for value in row]


def test_a_point_that_is_hovered_says_its_figure(show: Opened, made: Callable[..., Path]) -> None:
    page, told = show(made("fscil")), read(made("fscil"))
    plot = page.locator("#run-1 .plot[data-name=accuracy]")
    plot.scroll_into_view_if_needed()
    plot.locator(".scatterlayer .trace").first.locator(".point").nth(1).hover(force=True)
    said = plot.locator(".hoverlayer .hovertext")
    said.wait_for()
    assert f"session 1: {100 * told['sessions'][1]['accuracy']:.2f}%" in said.text_content()


def test_the_keyboard_goes_from_point_to_point_and_from_line_to_line(show: Opened, made: Callable[..., Path]) -> None:
    page, told = show(made("fscil")), read(made("fscil"))
    plot = page.locator("#run-1 .plot[data-name=base_and_novel]")
    plot.focus()
    for key in ("ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    says = page.locator("#run-1 .chart:has(.plot[data-name=base_and_novel]) .announced")
    second = told["sessions"][1]
    assert says.inner_text() == f"base classes, session 1: {100 * second['base_accuracy']:.2f}%"
    assert plot.locator(".hoverlayer .hovertext").count() == 1
    page.keyboard.press("ArrowDown")
    assert says.inner_text() == f"novel classes, session 1: {100 * second['novel_accuracy']:.2f}%"
    page.keyboard.press("ArrowLeft")  # the base session has no novel classes
    assert says.inner_text().startswith("novel classes, session 1")
    page.keyboard.press("Tab")
    assert says.inner_text() == ""


def test_intervals_over_seeds_are_drawn_and_said(show: Opened, two: list[Path]) -> None:
    page = show(*two)
    plot = page.locator("#all .plot[data-name=strategies_accuracy]")
    assert plot.locator(".errorbar path").count() == 6
    plot.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    says = page.locator("#all .chart:has(.plot[data-name=strategies_accuracy]) .announced")
    assert says.inner_text() == "ours, session 2: 72.00%, 67.03% to 76.97%"
    plot.locator(".hoverlayer .hovertext", has_text="session 2: 72.00%, 67.03% to 76.97%").wait_for()
    table = page.locator("#all table[data-name=differences]")
    column = [text.rstrip(" ↕↑↓") for text in table.locator("thead th").all_inner_texts()].index("p (t)")
    table.locator("thead th button").nth(column).click()
    exact = [cell.get_attribute("data-value") for cell in table.locator(f"tbody td:nth-child({column + 1})").all()]
    assert [float(p) for p in exact if p] == sorted(float(p) for p in exact if p)


def test_columns_are_sorted_by_exact_values(show: Opened, made: Callable[..., Path]) -> None:
    page = show(made("replacement"))
    exact = [record["train_seconds"] for record in read(made("replacement"))["sessions"]]
    table = page.locator("#run-1 table[data-name=sessions]")
    headings = [text.rstrip(" ↕↑↓") for text in table.locator("thead th").all_inner_texts()]
    column = headings.index("training time, s")
    button = table.locator("thead th button").nth(column)

    def values() -> list[float]:
        cells = table.locator(f"tbody td:nth-child({column + 1})").all()
        return [float(cell.get_attribute("data-value")) for cell in cells]

    assert values() == exact
    button.click()
    assert values() == sorted(exact)
    assert table.locator("thead th").nth(column).get_attribute("aria-sort") == "ascending"
    button.focus()
    page.keyboard.press("Enter")
    assert values() == sorted(exact, reverse=True)
    names = table.locator("thead th button").nth(headings.index("model replaced by"))
    names.click()
    told = table.locator(f"tbody td:nth-child({headings.index('model replaced by') + 1})").all_inner_texts()
    assert told == sorted(told)
    forgotten = table.locator("thead th button").nth(headings.index("forgetting from best"))
    for _ in range(2):  # what is not known comes last, either way
        forgotten.click()
        assert table.locator("tbody tr").last.locator("td").first.inner_text() == "0"


def test_runs_are_switched_by_mouse_and_keyboard(show: Opened, made: Callable[..., Path]) -> None:
    page = show(made("fscil"), made("replacement"))
    assert page.locator(".panel:visible").count() == 1
    accuracies = [[record["accuracy"] for record in read(made(kind))["sessions"]] for kind in ("fscil", "replacement")]
    assert [line["y"] for line in drawn(page, "all", "accuracy")[:2]] == accuracies
    page.get_by_role("tab", name="replacement").click()
    assert page.locator(".panel:visible").get_attribute("id") == "run-2"
    assert drawn(page, "run-2", "accuracy")[0]["y"] == accuracies[1]
    assert page.locator("#run-2 .plot[data-name=accuracy] svg.main-svg").first.bounding_box()["width"] > 200
    page.keyboard.press("ArrowLeft")
    assert page.locator(".panel:visible").get_attribute("id") == "run-1"
    chosen = page.locator("[role=tab][aria-selected=true]")
    assert chosen.count() == 1
    assert page.evaluate("document.activeElement.id") == chosen.get_attribute("id") == "tab-run-1"


def test_names_are_text_wherever_they_are_shown(show: Opened, made: Callable[..., Path]) -> None:
    page = show(made("fscil"))
    legend = page.locator("#run-1 .plot[data-name=accuracy] .legendtext").all_text_contents()
    assert "other'\"><img src=x onerror=alert(2)>{{ 7 * 7 }}</script>, published" in legend
    assert page.locator("img[src=x], [onerror]").count() == 0
    assert page.locator("td", has_text="<script>alert(1)</script>").count() > 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_told_from_what_lies_behind_them(show: Opened, made: Callable[..., Path], scheme: str) -> None:
    page = show(made("replacement"), made("fscil"), color_scheme=scheme)
    for tab in ("tab-all", "tab-run-1"):
        page.locator(f"#{tab}").click()
        # The darkest shade is the hardest to read on, and any figure may have it.
        page.locator(".heat").evaluate_all("cells => cells.forEach((cell) => cell.style.setProperty('--v', 1))")
        texts = page.locator(
            ":is(h1, h3, td, th, dt, dd, p, summary, .headlines li, .headlines b, [role=tab], .plot text):visible"
        )
        assert texts.count() > 50
        contrasts = texts.evaluate_all(CONTRASTS)
        assert min(contrasts) >= 4.5


def test_it_fits_a_telephone(show: Opened, made: Callable[..., Path]) -> None:
    page = show(made("replacement"), made("fscil"), width=360)
    for tab in ("tab-all", "tab-run-1", "tab-run-2"):
        page.locator(f"#{tab}").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
    wide = page.locator("#run-2 .plot svg.main-svg").evaluate_all(
        "all => all.map((e) => e.getBoundingClientRect().right)"
    )
    assert wide and max(wide) <= 360
    assert page.locator(".modebar-btn").count() == 0


def test_it_prints_without_what_only_serves_the_screen(show: Opened, made: Callable[..., Path]) -> None:
    page = show(made("replacement"), made("fscil"), color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.locator(".tabs").is_hidden()
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert len(page.pdf()) > 10_000


def test_without_scripts_every_figure_stands_in_a_table(
    browser: Any, made: Callable[..., Path], tmp_path: Path
) -> None:
    write_page(view_runs([made("fscil"), made("replacement")]), tmp_path / "report.html")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    assert page.locator("article").count() == 3
    assert all(article.is_visible() for article in page.locator("article").all())
    assert page.locator("#run-2 table[data-name=accuracy_matrix]").is_visible()
    context.close()


OVERLAPS = """plots => plots.flatMap((plot) => {
  const bar = plot.querySelector(".modebar-group") && plot.querySelector(".modebar").getBoundingClientRect();
  if (!bar) return ["no buttons"];
  const under = (box) => box.left < bar.right && box.right > bar.left && box.top < bar.bottom && box.bottom > bar.top;
  return [...plot.querySelectorAll(".legend, .gridlayer path, .scatterlayer .trace, .barlayer .trace")]
    .filter((part) => under(part.getBoundingClientRect()))
    .map((part) => `${plot.dataset.name}: ${part.getAttribute("class")}`);
})"""
"""Legends and curves that lie under the buttons of their chart."""


@pytest.mark.parametrize("width", [700, 1280])
def test_buttons_cover_neither_legend_nor_curves(show: Opened, made: Callable[..., Path], width: int) -> None:
    page = show(made("fscil"), width=width)
    plots = page.locator("#run-1 .plot:not([data-name=accuracy])")  # whose legend has a name without an end
    assert plots.count() > 5
    for plot in plots.all():
        plot.hover()
    assert plots.evaluate_all(OVERLAPS) == []


SLOW = """window.DecompressionStream = class {
  constructor() { return new TransformStream({ transform: () => new Promise(() => {}) }); }
};"""
"""A browser that never comes to the end of unpacking the library."""


def test_until_charts_are_drawn_paper_has_the_figures(browser: Any, made: Callable[..., Path], tmp_path: Path) -> None:
    write_page(view_runs([made("fscil")]), tmp_path / "report.html")
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(SLOW)
    page.goto((tmp_path / "report.html").as_uri())
    page.wait_for_selector("body[data-waiting]")
    plot, figures = page.locator(".plot[data-name=accuracy]"), page.locator("table[data-name=accuracy]")
    assert plot.is_visible() and figures.is_hidden()
    assert "Drawing the chart" in plot.evaluate("element => getComputedStyle(element, '::before').content")
    page.emulate_media(media="print")
    assert plot.is_hidden() and figures.is_visible()
    context.close()


def test_no_button_sends_a_chart_anywhere(show: Opened, made: Callable[..., Path]) -> None:
    page = show(made("fscil"))
    buttons = page.locator("#run-1 .plot").first.locator(".modebar-btn")
    titles = buttons.evaluate_all("all => all.map((button) => button.dataset.title)")
    assert {"Zoom in", "Reset axes"} <= set(titles)
    assert not [title for title in titles if "hare" in title or "loud" in title or "tudio" in title]


def test_figures_are_folded_once_charts_are_drawn(show: Opened, made: Callable[..., Path]) -> None:
    page = show(made("fscil"))
    assert page.locator(".chart details").count() > 5
    assert page.locator(".chart details[open]").count() == 0
