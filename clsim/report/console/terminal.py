"""Console output on a terminal: a live display while a session trains, a panel after it."""

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

from clsim.experiment.events import (
    DrawEnded,
    Event,
    Note,
    Results,
    RunEnded,
    RunInfo,
    RunStarted,
    SessionEnded,
    SessionStarted,
    StepsDone,
)
from clsim.report.console.compatibility_panel import compatibility_panel
from clsim.report.console.heat import has_shades
from clsim.report.console.panels import run_header, session_panel
from clsim.report.console.parts import OURS, print_notices, stacked
from clsim.report.console.service_panel import service_panel
from clsim.report.console.summary import View, summary_panel
from clsim.report.console.underway import Underway
from clsim.report.draws import draw_line
from clsim.report.figures import brought
from clsim.utils.numbers import count, duration
from clsim.utils.text import clean

MARGIN = 3
"""Lines that a panel leaves free, so that it stays whole above the next session's live display."""


class RichReporter:
    """A listener that shows a run on a terminal; the live display gives way to the session's panel.

    Args:
        console: Console of the terminal; other output appears above the live display.
        clock: Function that returns seconds, for the time left.

    """

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._info: RunInfo | None = None
        self._underway: Underway | None = None
        self._left_out: frozenset[View] = frozenset()
        self._shades = has_shades(console)
        self._stop: Callable[[], object] = _nothing

    def on_event(self, event: Event) -> None:
        """Show an event."""
        match event:
            case RunStarted(info):
                self._run_started(info)
            case SessionStarted():
                self._session_started(event)
            case StepsDone() if self._underway:
                self._underway.update(event)  # the display refreshes itself
            case SessionEnded(results):
                self._session_ended(results)
            case DrawEnded():
                self.close()
                self._console.print(Text(draw_line(event), "dim"))
            case RunEnded(results, seconds):
                self._run_ended(results, seconds)
            case Note(text):
                for line in text.splitlines():
                    self._console.print(Text(clean(line), "italic", overflow="fold"))

    def close(self) -> None:
        """Remove the live display and show the cursor again."""
        self._stop()
        self._stop = _nothing

    def _run_started(self, info: RunInfo) -> None:
        """Show the facts of the run, after the notice of a stand-in."""
        self._info = info
        self._left_out = frozenset()
        print_notices(self._console, info.scenario, info.stands_in_for, info.validation)
        self._console.print(run_header(info))

    def _session_started(self, begun: SessionStarted) -> None:
        """Begin the live display."""
        self.close()
        last = self._info.sessions - 1 if self._info else None
        self._underway = Underway(begun, clock=self._clock)
        live = Live(UnderwayDisplay(self._underway, last), console=self._console, transient=True, refresh_per_second=5)
        live.start()
        # If the run ends without an event, the cursor still comes back.
        self._stop = weakref.finalize(self, live.stop)

    def _session_ended(self, results: Results) -> None:
        """Replace the live display by the session's panels: what it learned, its compatibility, the service."""
        self.close()
        info = self._info
        if info is None:
            return
        images = self._underway.begun.images if self._underway else None
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

    def _run_ended(self, results: Results, seconds: float) -> None:
        """Show the summary, before the notice of a stand-in."""
        self.close()
        if self._info is None:  # it failed before it started
            return
        panel = summary_panel(
            results, self._info, seconds, width=self._console.width, shades=self._shades, left_out=self._left_out
        )
        self._console.print(panel)
        print_notices(self._console, self._info.scenario, self._info.stands_in_for, self._info.validation)


class UnderwayDisplay:
    """Two lines: the session, and its progress."""

    def __init__(self, underway: Underway, last: int | None) -> None:
        self._underway = underway
        self._last = last

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> list[RenderableType]:
        """Show the present state, at most 100 columns wide."""
        now = self._underway
        place = f"session {now.begun.session}" + (f" of {self._last}" if self._last is not None else "")
        brings = brought(now.begun.new_classes, now.begun.images)
        title = Text.assemble((place, f"bold {OURS}"), f"  {brings}", no_wrap=True, overflow="ellipsis")
        grid = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
        if now.measuring:
            grid.add_row(Text("measuring"), ProgressBar(pulse=True, width=24))
            return [Group(title, grid)]
        width = min(options.max_width, 100)
        texts = [
            Text(f"epoch {now.epoch}/{now.begun.epochs}"),
            Text(f"{100 * now.step // now.begun.steps:3d}%", OURS),
            Text("loss " + ("-" if now.loss is None else f"{now.loss:.4f}")),
            Text(f"{count(now.images_per_second)} images/s"),
            Text(f"{duration(now.seconds_left)} left"),
        ]
        room = width - sum(len(text) + 2 for text in texts)
        if room < 8:  # too narrow for everything: the pace is the least of it
            room += len(texts.pop(3)) + 2
        bar = ProgressBar(total=now.begun.steps, completed=now.step, width=max(4, room), complete_style=OURS)
        grid.add_row(texts[0], bar, *texts[1:])
        return [Group(title, grid)]


def _nothing() -> None:
    """No live display is on."""
