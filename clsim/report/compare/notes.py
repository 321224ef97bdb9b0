"""Notes of a comparison: sentences that a reader of its figures needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from clsim.metrics.functional.statistics import EXACT
from clsim.report.compare.agreement import circumstances
from clsim.report.compare.runs import Run
from clsim.report.figures import several, validation_sentence

OVER_DRAWS = (
    "over draws: the deviation is that over the draws of one seed, pooled over seeds; the interval is over the draws "
    "of a single seed, else over the means of the seeds"
)
Compared = tuple[str, str, list[int]]
"""Two strategies and their common seeds."""


def on_runs(runs: Sequence[Run]) -> Iterator[str]:
    """Yield the notes on the runs."""
    if validation := runs[0].validation:
        yield validation_sentence(validation)
        if any(run.scenario and run.scenario.published for run in runs):
            yield "published figures are of test images and omitted"
    for run in runs:
        if not run.complete:
            ended = several(run.sessions, "session")
            status = run.results["status"]
            yield f"{run.strategy}, seed {run.seed}: {status} after {ended}; only figures of these sessions count"
    if changed := sorted({key for run in runs for key in run.manifest.get("other_protocol") or []}):
        yield f"published figures are of another protocol and omitted (changed: {', '.join(changed)})"
    if len({run.results["stands_in_for"] is not None for run in runs}) == 2:
        yield "some of the runs stand in for another scenario, others are of this one"
    if runs[0].scenario is None:
        yield "composed in Python: the files do not show whether the runs have the same settings"
    if any(run.results.get("draws") for run in runs):
        yield OVER_DRAWS
    yield from circumstances(runs)


def on_differences(runs: Sequence[Run], pairs: Sequence[Compared]) -> Iterator[str]:
    """Yield the notes on the differences: missing seeds, and the tests."""
    seeds = {run.strategy: [r.seed for r in runs if r.strategy == run.strategy] for run in runs}
    for first, second, common in pairs:
        if max(len(seeds[first]), len(seeds[second])) > len(common):
            listed = f": {', '.join(map(str, common))}" if common else ""
            shared = f"{several(len(common), 'common seed')}{listed}"
            yield f"{first} - {second}: {shared}; {first} has {len(seeds[first])}, {second} {len(seeds[second])}"
        if len(common) == 1:
            yield f"{first} - {second}: one common seed gives no interval and no p"
    tested = [common for _, _, common in pairs if len(common) > 1]
    if not tested:
        return
    yield "p (t): two-sided paired t-test over common seeds; p (flips): all flips of the signs of their differences"
    fewest = min(map(len, tested))
    if fewest < 6:  # from six pairs on it can go below 0.05
        yield f"{fewest} common seeds: p (flips) cannot be below {2 / 2**fewest:g}"
    if max(map(len, tested)) > EXACT:
        yield f"more than {EXACT} common seeds: no p (flips)"
    if len(pairs) > 1:
        yield f"Holm: p corrected for {len(pairs)} pairs of strategies, figure by figure"
