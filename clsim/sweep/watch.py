"""Progress of a sweep: a live table on a terminal, lines elsewhere, JSON objects for machines."""

from __future__ import annotations

import json
import sys
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from clsim.report.console.choose import Mode, is_terminal, make_console
from clsim.report.console.plain import write_line
from clsim.report.figures import several
from clsim.sweep.job import State
from clsim.sweep.state import Board, Watcher
from clsim.utils.numbers import DASH, count, duration, percent
from clsim.utils.text import clean

if TYPE_CHECKING:
    from rich.table import Table

ORDER = ("running", "failed", "interrupted", "waiting", "complete")
"""States in the order in which runs are shown if there are too many."""
STYLES = {"running": "bold", "complete": "green", "failed": "bold red", "interrupted": "yellow", "waiting": "dim"}
MARGIN = 8


def make_watcher(mode: Mode, stream: TextIO | None = None) -> Watcher:
    """Return the watcher for `mode`, which :func:`~clsim.report.console.choose.make_reporter` explains."""
    out = stream if stream is not None else sys.stdout
    if mode == "json":
        return JsonWatcher(out, sys.stderr)
    return LiveWatcher(out) if is_terminal(out) else PlainWatcher(out)


class PlainWatcher:
    """Prints one line for every change.

    Args:
        stream: Stream to write to.

    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._board: Board | None = None

    def begun(self, board: Board, how: str) -> None:
        """Print the number of runs and their directory."""
        self._board = board
        write_line(self._stream, header(board, how))
        write_line(self._stream, f"files: {board.out}")

    def changed(self, state: State) -> None:
        """Print one line."""
        if self._board is None or (state.standing == "running" and not state.session and state.attempts > 1):
            return
        done, every = self._board.count()["complete"], len(self._board.states)
        write_line(self._stream, f"[{done} of {every}] {state.job.name}: {sentence(state)}")

    def note(self, text: str) -> None:
        """Print the lines of a text."""
        for line in text.splitlines():
            write_line(self._stream, line)

    def ended(self, board: Board) -> None:
        """Print the number of runs by state."""
        write_line(self._stream, f"{tally(board)}; files: {board.out}")

    def close(self) -> None:
        """Do nothing."""


class JsonWatcher:
    """Prints one JSON object per line; notes go to `errors`."""

    def __init__(self, stream: TextIO, errors: TextIO) -> None:
        self._stream, self._errors = stream, errors

    def begun(self, board: Board, how: str) -> None:
        """Print ``{"event": "sweep_started", ...}``."""
        self._event("sweep_started", out=str(board.out), how=how, runs=len(board.states))

    def changed(self, state: State) -> None:
        """Print ``{"event": "run_changed", ...}`` with the run's entry in ``runs.json``."""
        self._event("run_changed", **state.to_dict())

    def note(self, text: str) -> None:
        """Print to the error stream."""
        for line in text.splitlines():
            write_line(self._errors, line)

    def ended(self, board: Board) -> None:
        """Print ``{"event": "sweep_ended", ...}`` with the content of ``runs.json``."""
        self._event("sweep_ended", **board.to_dict())

    def close(self) -> None:
        """Do nothing."""

    def _event(self, name: str, **content: object) -> None:
        write_line(self._stream, json.dumps({"event": name, **content}))


class LiveWatcher:
    """Shows a table and updates it twice a second.

    Args:
        stream: Terminal.

    """

    def __init__(self, stream: TextIO) -> None:
        self._console = make_console(stream)
        self._stop: Callable[[], object] = _nothing

    def begun(self, board: Board, how: str) -> None:
        """Start the display."""
        from rich.live import Live
        from rich.text import Text

        self.close()
        self._console.print(Text(header(board, how), "bold"))
        self._console.print(Text(f"files in {clean(board.out)}", "dim", overflow="fold"))
        live = Live(
            console=self._console,
            get_renderable=lambda: table(board, max(4, self._console.height - MARGIN)),
            refresh_per_second=2,
        )
        live.start()
        # restores the cursor even if the sweep ends without close()
        self._stop = weakref.finalize(self, live.stop)

    def changed(self, state: State) -> None:
        """Do nothing: the display refreshes itself."""

    def note(self, text: str) -> None:
        """Print a line above the table."""
        from rich.text import Text

        for line in text.splitlines():
            self._console.print(Text(clean(line), "italic", overflow="fold"))

    def ended(self, board: Board) -> None:
        """Print the number of runs by state."""
        self.note(f"{tally(board)}; files: {board.out}")

    def close(self) -> None:
        """Stop updating the table."""
        self._stop()
        self._stop = _nothing


def table(board: Board, most: int) -> Table:
    """Return the states of the runs, running ones first if there are more than `most`."""
    from rich.table import Table
    from rich.text import Text

    states = list(board.states.values())
    shown = states
    if len(states) > most:
        shown = sorted(states, key=lambda state: ORDER.index(state.standing))[: most - 1]
    grid = Table("run", "state", "session", "accuracy", "time", box=None, pad_edge=False)
    for column in grid.columns[2:]:
        column.justify = "right"
    for state in shown:
        style = STYLES[state.standing]
        taken = duration(state.seconds) if state.seconds else DASH
        cells = (clean(state.job.name), _standing(state), _sessions(state), percent(state.accuracy), taken)
        grid.add_row(*(Text(cell, style) for cell in cells))
    if len(shown) < len(states):
        grid.add_row(Text(f"and {several(len(states) - len(shown), 'run')} more: {tally(board)}", "dim"))
    return grid


def header(board: Board, how: str) -> str:
    """Return what is about to run."""
    done = board.count()["complete"]
    already = f", {count(done)} of them already complete" if done else ""
    return f"clsim: {several(len(board.states), 'run')}{already}; {how}"


def tally(board: Board) -> str:
    """Return the number of runs by state."""
    found = board.count()
    return ", ".join(f"{found[standing]} {standing}" for standing in ORDER if found[standing])  # type: ignore[index]


def sentence(state: State) -> str:
    """Return the state of a run in a line."""
    if state.standing == "running":
        return f"session {_sessions(state)}, accuracy {percent(state.accuracy)}" if state.session else "starts"
    parts = [_standing(state)]
    if state.standing == "complete":
        parts.append(f"accuracy {percent(state.accuracy)}")
    return ", ".join([*parts, f"in {duration(state.seconds)}"]) + (f": {state.why}" if state.why else "")


def _standing(state: State) -> str:
    again = f" ({state.attempts}th attempt)" if state.attempts > 3 else ""
    again = again or {2: " (2nd attempt)", 3: " (3rd attempt)"}.get(state.attempts, "")
    return state.standing + again


def _sessions(state: State) -> str:
    every = state.job.scenario.sessions
    return f"{state.session} of {every}" if every else str(state.session)


def _nothing() -> None:
    """Do nothing: there is no live display."""
