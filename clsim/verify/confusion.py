"""Checks that the classes of ``confusion.json`` add up to the accuracies of its session."""

from __future__ import annotations

from collections.abc import Iterator

from clsim.results.reader import RunFiles
from clsim.verify.check import Check, compared, differs, not_checked

WHAT = "confusion.json and the accuracies"


def check_confusion(run: RunFiles) -> Iterator[Check]:
    """Yield one check; none for a run without the file, such as those of earlier versions."""
    if run.confusion is None:
        return
    session, entries = run.confusion["session"], {entry["class"]: entry for entry in run.confusion["classes"]}
    last = len(run.sessions) - 1
    if run.complete and session != last:
        yield differs(WHAT, f"it is of session {session}, but the last one is {last}")
        return
    if session > last:  # the run was resumed before that session and stopped again before reaching it
        yield not_checked(WHAT, f"it is of session {session}, which results.json no longer holds")
        return
    for label, entry in entries.items():
        counted = entry["correct"] + sum(number for _, number in entry["mistaken_for"])
        if counted != entry["images"] or any(answer == label for answer, _ in entry["mistaken_for"]):
            yield differs(WHAT, f"class {label}: its predictions do not add up to {entry['images']} images")
            return
    blocks = [[entries[c] for c in record["new_classes"] if c in entries] for record in run.sessions[: session + 1]]
    known = {entry["class"] for block in blocks for entry in block}
    if extra := sorted(entries.keys() - known):
        yield differs(WHAT, f"class {extra[0]} had not been seen")
        return
    right = [sum(entry["correct"] for entry in block) for block in blocks]
    images = [sum(entry["images"] for entry in block) for block in blocks]
    record = run.sessions[session]
    yield compared(
        WHAT,
        {"accuracy": record["accuracy"], "accuracy_by_session": record["accuracy_by_session"]},
        {
            "accuracy": sum(right) / sum(images) if any(images) else None,
            "accuracy_by_session": [r / all_of if all_of else None for r, all_of in zip(right, images, strict=True)],
        },
    )
