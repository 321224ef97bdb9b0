"""Rule that turns the figures of arrangements into a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clsim.auditing.record import Arrangement, Choice, Verdict
from clsim.auditing.settings import AuditSettings
from clsim.metrics.functional.bootstrap import Estimate, queries_to_decide

CHOICES: Mapping[str, Choice] = {
    "do_nothing": "do_nothing",
    "naive_swap": "swap",
    "bridge_query": "bridge",
    "map_gallery": "map_gallery",
    "cascade": "cascade",
    "partial_reindex_random": "migrate",
    "partial_reindex_uncertain_first": "migrate",
    "partial_reindex_popular_first": "migrate",
    "full_reindex": "reindex",
}
"""Choice that each arrangement serves, in the order of preference: the cheaper first. Others are steps on the way."""
REINDEX = "full_reindex"
MANY = 1_000_000
"""Queries that nobody collects to decide: the figure is at its threshold."""


def decide(arrangements: Sequence[Arrangement], settings: AuditSettings) -> Verdict:
    """Return the verdict: the cheapest arrangement that keeps enough of the re-indexed quality.

    1. If re-indexing surely gains less than ``least_gain`` over doing nothing, nothing is done.
    2. Else arrangements are tried from the cheapest: one is enough if the whole interval of its kept fraction is at
       least ``keep``, and if it surely gains over doing nothing. Of several with one name, the first is
       tried, which validation chose.
    3. If none is enough, everything is re-indexed.
    4. If an interval contains the threshold at a cheaper arrangement, the verdict is ``cannot_tell``. It names the
       arrangement that is safe, and the number of queries that would decide.

    "Surely" means: by the whole interval.

    Args:
        arrangements: Arrangements with their figures; ``do_nothing`` and ``full_reindex`` are among them.
        settings: Thresholds.

    Example:
        >>> def arrangement(name, kept, gain):
        ...     estimates = [Estimate(value, value - 0.01, value + 0.01) for value in (kept, gain)]
        ...     return Arrangement(name, None, {}, 1000, *estimates)
        >>> found = [arrangement("do_nothing", 0.8, 0), arrangement("naive_swap", 0, -0.8)]
        >>> found += [arrangement("bridge_query", 0.97, 0.1), arrangement("full_reindex", 1, 0.2)]
        >>> decide(found, AuditSettings()).choice
        'bridge'

    """
    named = {each.name: each for each in reversed(arrangements)}
    gain, queries = named[REINDEX].gain, named[REINDEX].queries
    least = settings.least_gain
    if gain.high < least:
        because = f"Re-indexing everything changes the quality by {_points(gain)}, less than {least * 100:g} points."
        return Verdict("do_nothing", because, "do_nothing")
    undecided: Arrangement | None = None
    needed: int | None = None
    if gain.low < least:
        undecided, needed = named["do_nothing"], queries_to_decide(_minus(gain, least), queries)
    for name in CHOICES:
        if name not in named or name in ("do_nothing", REINDEX):
            continue
        each = named[name]
        if each.kept.low >= settings.keep and each.gain.low > 0:
            return _verdict(each, undecided, needed, settings)
        if undecided is None and each.kept.high >= settings.keep and each.gain.high > 0:
            undecided, needed = each, _needed(each, settings)
    return _verdict(named[REINDEX], undecided, needed, settings)


def _needed(undecided: Arrangement, settings: AuditSettings) -> int | None:
    """Return the number of queries at which both intervals would exclude their thresholds; None if no number would."""
    doubts = [_minus(undecided.kept, settings.keep), undecided.gain]
    counts = [queries_to_decide(doubt, undecided.queries) for doubt in doubts if doubt.low <= 0 <= doubt.high]
    known = [count for count in counts if count is not None]
    return max(known) if known and len(known) == len(counts) else None


def _verdict(found: Arrangement, undecided: Arrangement | None, needed: int | None, settings: AuditSettings) -> Verdict:
    fraction = _least_fraction(found, settings) if CHOICES[found.name] == "migrate" else None
    because = _reason(found, fraction, settings)
    if undecided is None:
        return Verdict(CHOICES[found.name], because, found.name, found.bridge, fraction)
    doubt = f"{_doubt(undecided, needed, settings)} {because}"
    return Verdict("cannot_tell", doubt, found.name, found.bridge, fraction, undecided.name, needed)


def _least_fraction(found: Arrangement, settings: AuditSettings) -> float:
    """Return the smallest point of the curve from which on enough is kept."""
    assert found.curve is not None
    enough = settings.keep * found.curve.values[-1]
    fraction = 1.0
    for point, value in zip(reversed(found.curve.fractions), reversed(found.curve.values), strict=True):
        if value < enough:
            break
        fraction = point
    return fraction


def _reason(found: Arrangement, fraction: float | None, settings: AuditSettings) -> str:
    if found.name == REINDEX:
        return (
            f"No cheaper arrangement surely keeps {settings.keep:.0%} of the re-indexed quality;"
            f" re-indexing gains {_points(found.gain)}."
        )
    kept = f"keeps {found.kept.value:.1%} of the re-indexed quality ({found.kept.low:.1%} to {found.kept.high:.1%})"
    if fraction is not None:
        once = f"once {settings.migrated:.0%} of the items are re-indexed"
        return f"{found.name} {kept} {once}; {fraction:.0%} suffice."
    with_bridge = f" with the bridge {found.bridge}" if found.bridge else ""
    return f"{found.name}{with_bridge} {kept} and gains {_points(found.gain)} over doing nothing."


def _doubt(undecided: Arrangement, needed: int | None, settings: AuditSettings) -> str:
    more = "" if needed is None or needed > MANY else f"; about {needed:,} queries would decide"
    if undecided.name == "do_nothing":
        what = f"The gain of re-indexing may be above or below {settings.least_gain * 100:g} points"
    else:
        interval = f"{undecided.kept.low:.1%} to {undecided.kept.high:.1%}"
        what = f"{undecided.name} may be enough: it keeps {interval}, and {settings.keep:.0%} are asked for"
    return f"{what}{more}."


def _minus(estimate: Estimate, threshold: float) -> Estimate:
    return Estimate(*(each - threshold for each in estimate))


def _points(gain: Estimate) -> str:
    return f"{gain.value * 100:+.1f} points ({gain.low * 100:+.1f} to {gain.high * 100:+.1f})"
