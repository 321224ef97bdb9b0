"""A sweep from its file to its comparison."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal, Protocol

from clsim.report.console.choose import Mode, make_console
from clsim.sweep.job import Job, State
from clsim.sweep.load import Plan, load_sweep
from clsim.sweep.selection import choose, chosen_jobs
from clsim.sweep.state import Board, Watcher
from clsim.sweep.watch import make_watcher, tally
from clsim.utils.arguments import Count, checked
from clsim.utils.errors import UserError
from clsim.utils.exit_codes import DONE, FAILED
from clsim.utils.files import from_home
from clsim.utils.signals import Interrupted, Interruption

EngineName = Literal["local", "ray"]


class Engine(Protocol):
    """Makes runs; says of itself how."""

    def run(self, states: Sequence[State], board: Board, interruption: Interruption) -> None:
        """Brings runs to their end, until it is asked to stop."""

    def close(self) -> None:
        """Gives back what it holds."""


@checked
def run_sweep(
    name_or_path: str | Path,
    *,
    engine: EngineName = "local",
    address: str | None = None,
    jobs: Count | None = None,
    out: Path | str | None = None,
    mode: Mode = "auto",
) -> int:
    """Makes every run of a sweep that is not complete yet, and compares them.

    Args:
        name_or_path: of the sweep's file.
        engine: ``local``, or ``ray`` for a cluster.
        address: of the cluster; without one a cluster of this machine is started.
        jobs: runs at once on this machine; without it as many as have room.
        out: where everything goes, ``sweeps/<name>`` without it.
        mode: how to report.

    Returns:
        The exit code: 0 if all runs are complete, 1 if some failed.

    Raises:
        UserError: the input is wrong; nothing was run.
        Interrupted: it was asked to stop, and every run is saved.

    """
    plan = load_sweep(name_or_path)
    made = _engine(plan, engine, address, jobs)
    interruption = Interruption()
    with closing(made), closing(make_watcher(mode)) as watcher:
        board = Board(from_home(out, "--out") if out else Path("sweeps") / plan.name, plan.sweep, watcher)
        with closing(board), interruption.listening():
            interruption.waits = True
            # Where a point is to be chosen, it is known only then which runs come after.
            board.add(plan.trials or plan.jobs)
            watcher.begun(board, str(made))
            wanted, how = plan.jobs, plan.sweep.choose
            if how is not None and plan.trials:
                made.run(board.of(plan.trials), board, interruption)
                _stop_if_asked(interruption, board)
                choices = choose(plan.trials, board, how)
                board.chosen = [choice.to_dict(how.by) for choice in choices]
                for choice in choices:
                    watcher.note("\n".join(choice.sentences(how.by)))
                wanted = chosen_jobs(plan.jobs, choices)
                board.add(wanted)
            made.run(board.of(wanted), board, interruption)
            _stop_if_asked(interruption, board)
            watcher.close()
            return _conclude(board, wanted, watcher, mode)


def _engine(plan: Plan, engine: EngineName, address: str | None, jobs: int | None) -> Engine:
    sweep = plan.sweep
    if engine == "ray":
        if jobs is not None:
            raise UserError("--jobs belongs to the local engine", fix="say cpus: and gpus: in the sweep")
        from clsim.sweep.cluster import RayEngine

        return RayEngine(sweep, address)
    if address is not None:
        raise UserError("--address belongs to --engine ray")
    from clsim.sweep.local import LocalEngine
    from clsim.sweep.slots import cores_here, gpus_here, places

    most = max(len(plan.jobs), len(plan.trials))
    gpus = [] if sweep.device == "cpu" else gpus_here()
    return LocalEngine(places(sweep, most, jobs, cores_here(), gpus), sweep.device, sweep.retries)


def _stop_if_asked(interruption: Interruption, board: Board) -> None:
    if interruption.requested:
        raise Interrupted(f"{tally(board)}; the same command goes on from there")


def _conclude(board: Board, jobs: Sequence[Job], watcher: Watcher, mode: Mode) -> int:
    """The comparison, which runs are missing in it, and pages of them."""
    from clsim.sweep.conclude import conclude, write_pages

    chosen = bool(board.chosen)
    if mode != "json":
        conclude(make_console(), jobs, board, chosen=chosen)
    missing = [state for state in board.states.values() if state.standing != "complete"]
    for state in missing:
        because = f": {state.why}" if state.why else ""
        watcher.note(f"{state.job.name}: {state.standing}{because}; see {board.log(state.job)}")
    write_pages(jobs, board, watcher.note, chosen=chosen)
    unchosen = any(entry["changes"] is None for entry in board.chosen)
    watcher.ended(board)
    return FAILED if missing or unchosen else DONE
