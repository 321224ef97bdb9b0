"""Checks that the figures of ``results.json`` follow from one another and equal those of ``sessions.jsonl``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from clsim.metrics import forgetting, harmonic_mean
from clsim.results.reader import Content, RunFiles
from clsim.results.record import SessionRecord
from clsim.results.results import Results
from clsim.verify.check import Check, agrees, compared, differs, not_checked

WHO = ("scenario", "strategy", "seed", "stands_in_for", "validation")
COMPUTED = ("accuracy_matrix", "compatibility_matrix", "matrices")
WEIGHTED = "average_accuracy_weighted"
LATER = ("generalized_accuracy",)
"""Keys of the summary that earlier versions did not write."""
WHOLE = 1e-6
"""Tolerance when a share of images is turned into an integer."""


def check_arithmetic(run: RunFiles) -> Iterator[Check]:
    """Check ``results.json`` against itself and against ``sessions.jsonl``."""
    results = run.results
    if results is None:
        yield not_checked("results.json", "missing; no session has ended")
        return
    # Keys that earlier versions did not write count as null in both.
    who, noted = ({key: content.get(key) for key in WHO} for content in (results, run.manifest))
    yield compared("what ran, results.json and manifest", who, noted)
    yield _sessions_file(run)
    if (wrong := _out_of_order(run)) is not None:
        yield differs("sessions in their order", wrong)
        yield not_checked("figures from one another", "sessions are not in their order")
        return
    yield agrees("sessions in their order", f"{len(run.sessions)} sessions")
    yield _accuracies(run)
    yield _each(run, "harmonic means", _harmonic)
    yield _each(run, "forgetting of every session", lambda run, t: ("forgetting", _forgetting(run, t)))
    yield from _sums(run, results)
    if any(record["service"] for record in run.sessions):
        yield _each(run, "items of the service", _service)


def is_of_texts(run: RunFiles) -> bool:
    """Return whether a run is of images and texts: nothing is classified, and no session has classes."""
    if run.scenario is not None:
        return not run.scenario.stream.has_classes
    return not any(record["seen_classes"] for record in run.sessions)


def _sessions_file(run: RunFiles) -> Check:
    what = "sessions.jsonl and results.json"
    if run.lines is None:
        return differs(what, "sessions.jsonl is missing") if run.sessions else not_checked(what, "no session has ended")
    # A killed run may have written the line of a session but not yet the file of all.
    lines = run.lines if run.complete else run.lines[: len(run.sessions)]
    return compared(what, {"sessions": run.sessions}, {"sessions": lines}, close=0.0, detail=f"{len(lines)} records")


def _out_of_order(run: RunFiles) -> str | None:
    """Return the first record with too few or too many entries, from which nothing can be computed."""
    texts, seen = is_of_texts(run), 0
    for number, record in enumerate(run.sessions):
        seen += len(record["new_classes"])
        rows = [record["accuracy_by_session"]]
        if test := record["compatibility"]:
            rows += [[*test["cross_tests"], test["self_test"]], *test["also"].values()]
        if (session := record["session"]) != number:
            return f"record {number} is of session {session}"
        if any(len(row) != number + 1 for row in rows):
            return f"session {number} has {len(next(row for row in rows if len(row) != number + 1))} entries in a row"
        if not texts and record["seen_classes"] != seen:
            return f"session {number} has seen {record['seen_classes']} classes; its sessions have {seen}"
    for one, other in pairwise(run.sessions):
        if bool(one["compatibility"]) != bool(other["compatibility"]):
            return f"sessions {one['session']} and {other['session']} were not evaluated alike"
        if one["compatibility"] and one["compatibility"]["also"].keys() != other["compatibility"]["also"].keys():
            return f"sessions {one['session']} and {other['session']} were not evaluated by the same criteria"
    return None


def _each(run: RunFiles, what: str, computed: Any) -> Check:
    """Check a figure of every session; ``computed`` returns its key and expected value."""
    for number, record in enumerate(run.sessions):
        key, value = computed(run, number)
        check = compared(what, {f"session {number}.{key}": record[key]}, {f"session {number}.{key}": value})
        if check.verdict != "agrees":
            return check
    return agrees(what)


def _accuracies(run: RunFiles) -> Check:
    """Check accuracy over all, base and novel classes against the accuracies by session of origin."""
    what, images = "accuracies from those by session", run.manifest.get("test_images")
    if is_of_texts(run):
        return _each(run, what, _found)
    if images is None:
        return not_checked(what, "the manifest holds no numbers of test images")
    if len(images) < len(run.sessions) or any(one > other for one, other in pairwise(images)):
        return differs(what, f"the manifest holds test images of {len(images)} sessions: {images}")
    new = [now - before for before, now in pairwise([0, *images])]
    for number, record in enumerate(run.sessions):
        accuracies = record["accuracy_by_session"]
        for session, (accuracy, count) in enumerate(zip(accuracies, new, strict=False)):
            if (accuracy is None) != (count == 0):
                found = "null" if accuracy is None else accuracy
                return differs(what, f"session {number}.accuracy_by_session[{session}]: {found} of {count} images")
        shares = [(share or 0.0) * count for share, count in zip(accuracies, new, strict=False)]
        for session, share in enumerate(shares):
            if abs(share - round(share)) > WHOLE:
                return differs(
                    what, f"session {number}.accuracy_by_session[{session}]: no share of {new[session]} images"
                )
        right, all_of = [round(share) for share in shares], new[: number + 1]
        expected = {
            "accuracy": _share(right, all_of),
            "base_accuracy": _share(right[:1], all_of[:1]),
            "novel_accuracy": _share(right[1:], all_of[1:]),
        }
        check = compared(
            what, {f"session {number}": {key: record[key] for key in expected}}, {f"session {number}": expected}
        )
        if check.verdict != "agrees":
            return check
    return agrees(what)


def _share(right: list[int], images: list[int]) -> float | None:
    return sum(right) / sum(images) if sum(images) else None


def _found(run: RunFiles, number: int) -> tuple[str, Any]:
    """Return the expected accuracy of images and texts: the self-test, equal for all sessions."""
    record = run.sessions[number]
    own = (record["compatibility"] or {}).get("self_test")
    same = {"accuracy": own, "base_accuracy": own, "novel_accuracy": None}
    wrong = next((key for key, value in same.items() if record[key] != value), None)
    return (wrong, same[wrong]) if wrong else ("accuracy_by_session", [own] * (number + 1))


def _harmonic(run: RunFiles, number: int) -> tuple[str, Any]:
    record = run.sessions[number]
    base, novel = record["base_accuracy"], record["novel_accuracy"]
    return "harmonic_mean", None if base is None or novel is None else harmonic_mean(base, novel)


def _measures_forgetting(run: RunFiles) -> bool:
    if run.scenario is not None:
        return run.scenario.evaluation.forgetting and not is_of_texts(run)
    return any(record["forgetting"] for record in run.sessions)


def _forgetting(run: RunFiles, number: int) -> dict[str, float | None] | None:
    if number == 0 or not _measures_forgetting(run):
        return None
    rows = [record["accuracy_by_session"] for record in run.sessions[: number + 1]]
    from_best = forgetting(rows, "best")
    return None if from_best is None else {"from_best": from_best, "from_first": forgetting(rows, "first")}


def _service(run: RunFiles, number: int) -> tuple[str, Any]:
    service = run.sessions[number]["service"]
    before = (run.sessions[number - 1]["service"] or {}) if number else {}
    if not service:
        return "service", None
    sizes = [*before.get("items_by_version", []), *service["items_by_version"][-1:]]
    counted = {
        "items_by_version": sizes,
        "gallery_items": sum(sizes),
        "images_not_reprocessed": sum(sizes[:-1]),
    }
    return "service", service | counted


def _sums(run: RunFiles, results: Content) -> Iterator[Check]:
    """Check the figures over all sessions with the code that wrote them."""
    images = run.manifest.get("test_images")
    expected = Results("", "", 0, run.path, measures_forgetting=_measures_forgetting(run))
    for number, record in enumerate(run.sessions):
        count = images[number] if images and number < len(images) else 1
        expected.add(SessionRecord.from_dict(record), count)
    computed = expected.to_dict()
    for key in COMPUTED:
        if results[key] is not None or computed[key] is not None:
            yield compared(f"{key} and the records", {key: results[key]}, {key: computed[key]})
    noted, summary = dict(results["summary"]), computed["summary"]
    summary = {key: value for key, value in summary.items() if key in noted or key not in LATER}
    weighted = {WEIGHTED: noted.pop(WEIGHTED, None)}, {WEIGHTED: summary.pop(WEIGHTED, None)}
    yield compared("summary", {"summary": noted}, {"summary": summary})
    if images:
        yield compared("weighted average", *weighted)
    else:
        yield not_checked("weighted average", "the manifest holds no numbers of test images")
