"""What has to be known of a comparison beside its figures, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from clsim.metrics.functional.statistics import EXACT
from clsim.report.compare.agreement import circumstances
from clsim.report.compare.runs import Run
from clsim.report.figures import validation_sentence

Compared = tuple[str, str, list[int]]
"""Two strategies and the seeds that both have."""


def on_runs(runs: Sequence[Run]) -> Iterator[str]:
    """What to know of the runs that were averaged."""
    if validation := runs[0].validation:
        yield validation_sentence(validation)
        if any(run.scenario and run.scenario.published for run in runs):
            yield "published figures are of test images, and left out"
    for run in runs:
        if not run.complete:
            ended = f"{run.sessions} session{'' if run.sessions == 1 else 's'}"
            yield (
                f"{run.strategy}, seed {run.seed}: {run.results['status']} after {ended}; it counts in the figures of "
                f"these sessions alone"
            )
    if changed := sorted({key for run in runs for key in run.manifest.get("other_protocol") or []}):
        yield f"published figures are of another protocol, and left out (changed by hand: {', '.join(changed)})"
    stands_in = sorted({run.results["stands_in_for"] is not None for run in runs})
    if len(stands_in) == 2:
        yield "some of the runs stand in for another scenario, others are of this one"
    if runs[0].scenario is None:
        yield "composed in Python: whether the runs have the same settings nobody can tell from their files"
    yield from circumstances(runs)


def on_differences(runs: Sequence[Run], pairs: Sequence[Compared]) -> Iterator[str]:
    """What to know of their differences: seeds that are missing, and what was tested."""
    yield from _on_seeds(runs, pairs)
    yield from _on_tests(pairs)


def _on_seeds(runs: Sequence[Run], pairs: Sequence[Compared]) -> Iterator[str]:
    seeds = {run.strategy: [r.seed for r in runs if r.strategy == run.strategy] for run in runs}
    for first, second, common in pairs:
        if max(len(seeds[first]), len(seeds[second])) > len(common):
            told = f": {', '.join(map(str, common))}" if common else ""
            yield (
                f"{first} - {second}: {len(common)} common seed{'' if len(common) == 1 else 's'}{told}; "
                f"{first} has {len(seeds[first])}, {second} {len(seeds[second])}"
            )
        if len(common) == 1:
            yield f"{first} - {second}: one common seed gives no interval and no p"


def _on_tests(pairs: Sequence[Compared]) -> Iterator[str]:
    tested = [common for _, _, common in pairs if len(common) > 1]
    if not tested:
        return
    yield "p (t): two-sided paired t-test over common seeds; p (flips): all flips of the signs of their differences"
    fewest = min(map(len, tested))
    if fewest < 6:  # from six pairs on it can go below 0.05
        yield f"{fewest} common seeds: p (flips) cannot be below {2 / 2**fewest:g}, whatever the difference"
    if max(map(len, tested)) > EXACT:
        yield f"more than {EXACT} common seeds: no p (flips)"
    if len(pairs) > 1:
        yield f"Holm: p corrected for {len(pairs)} pairs of strategies, figure by figure"
