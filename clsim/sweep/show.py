"""How a sweep is watched: a live table on a terminal, a line for what changes elsewhere, objects for machines."""

from __future__ import annotations

import json
import sys
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from clsim.report.console.choose import Mode, is_terminal, make_console
from clsim.report.console.plain import write_line
from clsim.report.figures import DASH, count, duration, percent, several
from clsim.sweep.job import State
from clsim.sweep.state import Board, Watcher
from clsim.utils.text import clean

if TYPE_CHECKING:
    from rich.table import Table

ORDER = ("running", "failed", "interrupted", "waiting", "complete")
"""Which runs are shown first where there are too many."""
STYLES = {"running": "bold", "complete": "green", "failed": "bold red", "interrupted": "yellow", "waiting": "dim"}
MARGIN = 8


def make_watcher(mode: Mode, stream: TextIO | None = None) -> Watcher:
    """The watcher for `mode`, as :func:`~clsim.report.console.choose.make_reporter` has it for a run."""
    out = stream if stream is not None else sys.stdout
    if mode == "json":
        return JsonWatcher(out, sys.stderr)
    return LiveWatcher(out) if is_terminal(out) else PlainWatcher(out)


class PlainWatcher:
    """One line for every change.

    Args:
        stream: where to.

    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._board: Board | None = None

    def begun(self, board: Board, how: str) -> None:
        """What there is to do, and where it goes."""
        self._board = board
        write_line(self._stream, header(board, how))
        write_line(self._stream, f"files: {board.out}")

    def changed(self, state: State) -> None:
        """One line."""
        if self._board is None or (state.standing == "running" and not state.session and state.attempts > 1):
            return
        done, every = self._board.count()["complete"], len(self._board.states)
        write_line(self._stream, f"[{done} of {every}] {state.job.name}: {sentence(state)}")

    def note(self, text: str) -> None:
        """One line for each of the text's."""
        for line in text.splitlines():
            write_line(self._stream, line)

    def ended(self, board: Board) -> None:
        """How many runs ended how."""
        write_line(self._stream, f"{tally(board)}; files: {board.out}")

    def close(self) -> None:
        """Nothing is held."""


class JsonWatcher:
    """One object a line; notes go to `errors`."""

    def __init__(self, stream: TextIO, errors: TextIO) -> None:
        self._stream, self._errors = stream, errors

    def begun(self, board: Board, how: str) -> None:
        """``{"event": "sweep_started", ...}``."""
        self._event("sweep_started", out=str(board.out), how=how, runs=len(board.states))

    def changed(self, state: State) -> None:
        """``{"event": "run_changed", ...}`` with the run's entry of ``runs.json``."""
        self._event("run_changed", **state.to_dict())

    def note(self, text: str) -> None:
        """To the other stream."""
        for line in text.splitlines():
            write_line(self._errors, line)

    def ended(self, board: Board) -> None:
        """``{"event": "sweep_ended", ...}`` with what ``runs.json`` holds."""
        self._event("sweep_ended", **board.to_dict())

    def close(self) -> None:
        """Nothing is held."""

    def _event(self, name: str, **content: object) -> None:
        write_line(self._stream, json.dumps({"event": name, **content}))


class LiveWatcher:
    """A table that is brought up to date twice a second.

    Args:
        stream: a terminal.

    """

    def __init__(self, stream: TextIO) -> None:
        self._console = make_console(stream)
        self._stop: Callable[[], object] = _nothing

    def begun(self, board: Board, how: str) -> None:
        """Begins the display."""
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
        # should the sweep end without close(), the cursor comes back all the same
        self._stop = weakref.finalize(self, live.stop)

    def changed(self, state: State) -> None:
        """The display refreshes itself."""

    def note(self, text: str) -> None:
        """A line above the table."""
        from rich.text import Text

        for line in text.splitlines():
            self._console.print(Text(clean(line), "italic", overflow="fold"))

    def ended(self, board: Board) -> None:
        """How many runs ended how."""
        self.note(f"{tally(board)}; files: {board.out}")

    def close(self) -> None:
        """Leaves the table as it is now."""
        self._stop()
        self._stop = _nothing


def table(board: Board, most: int) -> Table:
    """The runs as they stand, those under way first if there are more than `most`."""
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
    """What is about to run."""
    done = board.count()["complete"]
    already = f", {count(done)} of them complete already" if done else ""
    return f"clsim: {several(len(board.states), 'run')}{already}; {how}"


def tally(board: Board) -> str:
    """How many runs stand how."""
    found = board.count()
    return ", ".join(f"{found[standing]} {standing}" for standing in ORDER if found[standing])  # type: ignore[index]


def sentence(state: State) -> str:
    """How a run stands, in a line."""
    if state.standing == "running":
        return f"session {_sessions(state)}, accuracy {percent(state.accuracy)}" if state.session else "begins"
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
    """No live display is on."""
