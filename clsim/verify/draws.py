"""Checks that the figures over the draws of a run follow from the results of its draws."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from clsim.results.draws import over_draws
from clsim.results.reader import Content, RunFiles, read_run
from clsim.utils.errors import UserError
from clsim.verify.check import Check, agrees, compared, differs, not_checked

WHAT = "figures over draws"


def check_draws(run: RunFiles) -> Iterator[Check]:
    """Yield the checks of a run with draws; each draw is a run directory, whose files have checks of their own."""
    block: Content | None = None if run.results is None else run.results.get("draws")
    folders = sorted((run.path / "draws").glob("*"))
    if block is None:
        if run.complete and folders:
            yield differs(WHAT, "results.json has none, but there are draws")
        elif folders:
            yield not_checked(WHAT, "the run is not complete")
        return
    seeds = block["seeds"]
    if run.scenario is not None:
        yield compared("seeds of the draws", {"seeds": seeds}, {"seeds": list(run.scenario.draw_seeds)})
    try:
        draws = [_results(run, run.path / "draws" / f"{number:02d}", seed) for number, seed in enumerate(seeds, 1)]
    except UserError as error:
        yield differs(WHAT, str(error).splitlines()[0])
        return
    expected = over_draws(draws, seeds, block["confidence"])
    yield compared(WHAT, {"draws": block}, {"draws": expected}, detail=f"{len(draws)} draws")
    base = [{"base session": draw["sessions"][:1]} for draw in draws]
    wrong = [number for number, each in enumerate(base, 1) if each["base session"] != run.sessions[:1]]
    what = "base session of the draws"
    yield differs(what, f"another one in draws {', '.join(map(str, wrong))}") if wrong else agrees(what)


def _results(run: RunFiles, path: Path, seed: int) -> Content:
    draw = read_run(path)
    if draw.results is None or not draw.complete:
        raise UserError("this draw is not complete", where=str(path))
    if (draw.manifest.get("draw") or {}).get("seed") != seed:
        raise UserError(f"this draw is not of seed {seed}", where=str(path))
    return draw.results
