"""Engine of one machine, with as many parallel runs as it has slots."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from clsim.report.figures import several
from clsim.sweep.fork_server import ForkedChild, Launcher
from clsim.sweep.job import State, is_complete
from clsim.sweep.process import PATIENCE, Child, is_held, why, worth_another
from clsim.sweep.slots import Place
from clsim.sweep.state import Board
from clsim.utils.exit_codes import DONE, INTERRUPTED
from clsim.utils.signals import Interruption

PAUSE = 0.1
"""Seconds between two polls of a process."""
NEWS = 1.0
"""Seconds between two reads of the progress of runs."""


class _Underway(NamedTuple):
    state: State
    slot: Launcher
    child: Child | ForkedChild


class LocalEngine:
    """Engine that runs each job in a process with a share of the cores and GPUs.

    Args:
        places: Slots, one for every run at the same time.
        device: Device of all runs.
        retries: Number of times that a failed run is resumed from its checkpoint.

    """

    def __init__(self, places: Sequence[Place], device: str, retries: int) -> None:
        self._slots = [Launcher(place.environment) for place in places]
        self._free, self._device, self._retries = [*self._slots], device, retries
        self._underway: list[_Underway] = []
        gpus = len({gpu for place in places for gpu in place.gpus})
        shared = f", on {several(gpus, 'GPU')}" if gpus else ""
        self._how = f"{len(places)} at once with {several(places[0].threads, 'thread')} each{shared}"

    def __str__(self) -> str:
        return self._how

    def run(self, states: Sequence[State], board: Board, interruption: Interruption) -> None:
        """Run or resume every run that is not complete.

        When the sweep is asked to stop, every run is, and saves.
        """
        waiting = deque(state for state in states if state.standing != "complete")
        began = looked = time.monotonic()
        stopped = False
        try:
            while waiting or self._underway:
                if interruption.requested and not stopped:
                    stopped = True
                    waiting.clear()
                    for each in self._underway:
                        each.child.stop()
                for _ in range(min(len(waiting), len(self._free))):
                    state = waiting.popleft()
                    if is_held(board.out / state.job.folder) and time.monotonic() - began < PATIENCE:
                        waiting.append(state)
                    else:
                        self._start(state, self._free.pop(0), board)
                for each in [each for each in self._underway if each.child.poll() is not None]:
                    self._underway.remove(each)
                    if self._ended(each, board, stopped=stopped):
                        self._start(each.state, each.slot, board)
                    else:
                        self._free.append(each.slot)
                if time.monotonic() - looked >= NEWS:
                    board.look([each.state for each in self._underway])
                    looked = time.monotonic()
                time.sleep(PAUSE)
        finally:
            for each in self._underway:  # after a second signal, or a mistake here
                each.child.stop()
            while self._underway:
                each = self._underway.pop()
                each.child.end()
                self._free.append(each.slot)
                board.end(each.state, "interrupted")

    def close(self) -> None:
        """End the processes that runs were forked from."""
        for slot in self._slots:
            slot.close()

    def _start(self, state: State, slot: Launcher, board: Board) -> None:
        board.begin(state)
        words = state.job.command(board.out, self._device)
        self._underway.append(_Underway(state, slot, slot.start(words, board.log(state.job), Path.cwd())))

    def _ended(self, each: _Underway, board: Board, *, stopped: bool) -> bool:
        """Return whether to restart a run that has ended; record its end otherwise."""
        state, code = each.state, each.child.poll()
        assert code is not None
        log = board.log(state.job)
        if code == DONE and is_complete(board.out / state.job.folder):
            board.end(state, "complete")
        elif stopped or (code == INTERRUPTED and not worth_another(code, state.attempts, self._retries)):
            board.end(state, "interrupted")
        elif worth_another(code, state.attempts, self._retries):
            board.note(f"{state.job.name}: {why(code, log)}; resuming it")
            return True
        else:
            board.end(state, "failed", why(code, log))
        return False
