"""The reporter for a terminal: a live display while a session trains, a report panel after it."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from clsim.experiment.reporter import Results, RunInfo, Underway
from clsim.report.console.compatibility_panel import compatibility_panel
from clsim.report.console.heat import has_shades
from clsim.report.console.panels import run_header, session_panel, stand_in_notice, validation_notice
from clsim.report.console.parts import OURS, stacked
from clsim.report.console.service_panel import service_panel
from clsim.report.console.summary import View, summary_panel
from clsim.report.figures import brought, count, duration
from clsim.utils.text import clean

MARGIN = 3
"""Lines that a panel leaves free, so that it is still whole above the next session's live display."""


class RichReporter:
    """Shows a run on a terminal; the live display gives way to the session's panel, panels stay.

    Args:
        console: where to; anything that it prints meanwhile appears above the live display.
        clock: seconds, for the time left.

    """

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._info: RunInfo | None = None
        self._underway: Underway | None = None
        self._left_out: frozenset[View] = frozenset()
        self._shades = has_shades(console)
        self._stop: Callable[[], object] = _nothing

    def run_started(self, info: RunInfo) -> None:
        """Show what runs; a stand-in first of all."""
        self._info = info
        self._left_out = frozenset()
        if info.stands_in_for:
            self._console.print(stand_in_notice(info.scenario, info.stands_in_for))
        if info.validation:
            self._console.print(validation_notice(info.validation))
        self._console.print(run_header(info))

    def session_started(self, session: int, new_classes: int, images: int, epochs: int, steps: int) -> None:
        """Begin the live display."""
        self.close()
        last = self._info.sessions - 1 if self._info else None
        self._underway = Underway(session, new_classes, images, epochs, steps, clock=self._clock)
        live = Live(UnderwayDisplay(self._underway, last), console=self._console, transient=True, refresh_per_second=5)
        live.start()
        # should the run end without close(), the cursor comes back all the same
        self._stop = weakref.finalize(self, live.stop)

    def progress(self, epoch: int, step: int, loss: float | None, images_per_second: float) -> None:
        """Only the state changes here: the display refreshes itself five times a second."""
        if self._underway:
            self._underway.update(epoch, step, loss, images_per_second)

    def session_ended(self, results: Results) -> None:
        """Replace the live display by the session's panels: what it learned, its compatibility, the service."""
        self.close()
        info = self._info
        if info is None:
            return
        images = self._underway.images if self._underway else None
        width, height = self._console.width, max(self._console.height - MARGIN, 16)
        learned = session_panel(results, info, images=images, width=width, height=height)
        others: dict[View, tuple[Panel, bool] | None] = {
            "matrix": compatibility_panel(results, width=width, height=height, shades=self._shades),
            "service": service_panel(results, width=width, height=height),
        }
        shown: dict[View, tuple[Panel, bool]] = {"sessions": learned}
        shown.update({view: panel for view, panel in others.items() if panel})
        self._left_out = frozenset(view for view, (_, left_out) in shown.items() if left_out)
        for part in stacked([panel for panel, _ in shown.values()], width):
            self._console.print(part)
        self._underway = None

    def run_ended(self, results: Results, seconds: float) -> None:
        """Show the summary; a stand-in last of all."""
        self.close()
        if self._info is None:  # it failed before it started
            return
        panel = summary_panel(
            results, self._info, seconds, width=self._console.width, shades=self._shades, left_out=self._left_out
        )
        self._console.print(panel)
        if self._info.stands_in_for:
            self._console.print(stand_in_notice(self._info.scenario, self._info.stands_in_for))
        if self._info.validation:
            self._console.print(validation_notice(self._info.validation))

    def note(self, text: str) -> None:
        """A line above the live display."""
        for line in text.splitlines():
            self._console.print(Text(clean(line), "italic", overflow="fold"))

    def close(self) -> None:
        """Take the live display away and show the cursor again."""
        self._stop()
        self._stop = _nothing


class UnderwayDisplay:
    """Two lines: which session, and how far it is."""

    def __init__(self, underway: Underway, last: int | None) -> None:
        self._underway = underway
        self._last = last

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> list[RenderableType]:
        """The state of this moment, as wide as fits up to 100 columns."""
        now = self._underway
        place = f"session {now.session}" + (f" of {self._last}" if self._last is not None else "")
        brings = brought(now.new_classes, now.images)
        title = Text.assemble((place, f"bold {OURS}"), f"  {brings}", no_wrap=True, overflow="ellipsis")
        grid = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
        if now.measuring:
            grid.add_row(Text("measuring"), ProgressBar(pulse=True, width=24))
            return [Group(title, grid)]
        width = min(options.max_width, 100)
        texts = [
            Text(f"epoch {now.epoch}/{now.epochs}"),
            Text(f"{100 * now.step // now.steps:3d}%", OURS),
            Text("loss " + ("-" if now.loss is None else f"{now.loss:.4f}")),
            Text(f"{count(now.images_per_second)} images/s"),
            Text(f"{duration(now.seconds_left)} left"),
        ]
        room = width - sum(len(text) + 2 for text in texts)
        if room < 8:  # too narrow for everything: the pace is the least of it
            room += len(texts.pop(3)) + 2
        bar = ProgressBar(total=now.steps, completed=now.step, width=max(4, room), complete_style=OURS)
        grid.add_row(texts[0], bar, *texts[1:])
        return [Group(title, grid)]


def _nothing() -> None:
    """No live display is on."""
