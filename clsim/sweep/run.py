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
    """Engine that runs jobs. Its text describes it."""

    def run(self, states: Sequence[State], board: Board, interruption: Interruption) -> None:
        """Run jobs to their end, or until an interruption."""

    def close(self) -> None:
        """Release its resources."""


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
    """Run or resume every run of a sweep, and compare them.

    Args:
        name_or_path: Name or path of the sweep.
        engine: ``local``, or ``ray`` for a cluster.
        address: Address of the cluster; ``None`` starts one on this machine.
        jobs: Number of parallel runs on this machine; ``None`` uses all slots.
        out: Directory of the sweep; ``None`` for ``sweeps/<name>``.
        mode: Mode of the console.

    Returns:
        Exit code: 0 if all runs are complete, 1 if some failed.

    Raises:
        UserError: The input is wrong; nothing has run.
        Interrupted: The sweep was asked to stop, and every run is saved.

    """
    plan = load_sweep(name_or_path)
    made = _engine(plan, engine, address, jobs)
    interruption = Interruption()
    with closing(made), closing(make_watcher(mode)) as watcher:
        board = Board(from_home(out, "--out") if out else Path("sweeps") / plan.name, plan.sweep, watcher)
        with closing(board), interruption.listening():
            interruption.waits = True
            # Trials come first, since the chosen point decides which runs follow.
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
            raise UserError("--jobs belongs to the local engine", fix="set cpus: and gpus: in the sweep")
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
        raise Interrupted(f"{tally(board)}; repeat the command to resume")


def _conclude(board: Board, jobs: Sequence[Job], watcher: Watcher, mode: Mode) -> int:
    """Compare the runs, list missing ones, write pages, and return the exit code."""
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
