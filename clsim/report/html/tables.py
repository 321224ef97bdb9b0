"""The tables of a run: matrices, records, confusion and the manifest."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from clsim.report.compatibility import replaced_versions
from clsim.report.figures import class_ids, finite
from clsim.report.html.content import Cell, Table, Unit, figure, known_columns, looked_up, words
from clsim.report.html.run_view import RunView

WORST = 12
"""Classes of which the confusion is told."""
ANSWERS = 3
"""Wrong answers told of each."""
LOW = "▽: no more than the gallery's own version finds in it, so that the pair does not count as compatible"
COLUMNS: tuple[tuple[str, Unit, tuple[str, ...]], ...] = (
    ("accuracy", "percent", ("accuracy",)),
    ("base", "percent", ("base_accuracy",)),
    ("novel", "percent", ("novel_accuracy",)),
    ("harmonic mean", "percent", ("harmonic_mean",)),
    ("forgotten, from best", "percent", ("forgetting", "from_best")),
    ("forgotten, from first", "percent", ("forgetting", "from_first")),
    ("self-test", "percent", ("compatibility", "self_test")),
    ("AC", "percent", ("compatibility", "ac")),
    ("AM", "percent", ("compatibility", "am")),
    ("negative flips", "percent", ("compatibility", "negative_flip_rate")),
    ("positive flips", "percent", ("compatibility", "positive_flip_rate")),
    ("service", "percent", ("service", "accuracy")),
    ("images trained", "count", ("images_trained",)),
    ("trained numbers", "count", ("trainable_parameters",)),
    ("training, s", "seconds", ("train_seconds",)),
    ("evaluation, s", "seconds", ("eval_seconds",)),
    ("peak memory", "bytes", ("peak_memory_bytes",)),
)
"""Heading, unit and place of every figure of a record."""


def accuracy_matrix(rows: Sequence[Sequence[float | None]]) -> Table:
    """Row: after which session; column: whose classes."""
    width = range(len(rows))
    body = tuple((words(i), *(_at(row, j) for j in width)) for i, row in enumerate(rows))
    title = "Accuracy after each session (row) on the classes of each (column)"
    return Table("accuracy_matrix", title, ("session", *map(str, width)), body, heat=True)


def cross_tests(
    name: str,
    rows: Sequence[Sequence[float | None]],
    title: str,
    *,
    ties: bool = False,
    replaced: Collection[int] = (),
) -> Table:
    """Row: version of the queries; column: version of the gallery.

    Args:
        name: of files that are made of it.
        rows: square, ``None`` above the diagonal.
        title: its caption.
        ties: whether a pair as good as the gallery's own version counts as compatible.
        replaced: versions that a model from elsewhere was the beginning of.

    """
    width = range(len(rows))
    labels = [words(f"{i} (new model)" if i in replaced else i) for i in width]
    body = tuple((labels[i], *(_pair(rows, i, j, ties) for j in width)) for i in width)
    low = any(cell.mark == "low" for row in body for cell in row)
    return Table(name, title, ("query", *map(str, width)), body, heat=True, notes=(LOW,) if low else ())


def compatibility_matrices(run: RunView) -> tuple[Table, ...]:
    """The matrix of the scenario's criterion, and those of all further ones."""
    axes = "queries by version (row), gallery by version (column)"
    found, main, ties = [], run.results["compatibility_matrix"], run.allows_ties
    replaced = replaced_versions(run.sessions)
    if main:
        by = f" by {run.criterion}" if run.criterion else ""
        found.append(
            cross_tests("compatibility_matrix", main, f"Cross-tests{by}: {axes}", ties=ties, replaced=replaced)
        )
    for name, rows in run.results["matrices"].items():
        if rows != main or len(run.results["matrices"]) > 1:
            title = f"Cross-tests by {words(name).text}: {axes}"
            found.append(cross_tests(f"matrix_{name}", rows, title, ties=ties, replaced=replaced))
    return tuple(found)


def records(run: RunView) -> Table:
    """A row for each session."""
    rows = []
    for record in run.sessions:
        replaced = record.get("replaced_by")
        classes = [record["session"], len(record["new_classes"]), record["seen_classes"]]
        figures = [figure(looked_up(record, keys), unit) for _, unit, keys in COLUMNS]
        rows.append((*(Cell(str(value), float(value)) for value in classes), words(replaced), *figures))
    headings = ("session", "new classes", "seen", "model replaced by", *(heading for heading, _, _ in COLUMNS))
    return known_columns(Table("sessions", "Records of the sessions", headings, tuple(rows)))


def diagnostics(run: RunView) -> Table | None:
    """What models say of themselves."""
    told = [(record["session"], record.get("diagnostics") or {}) for record in run.sessions]
    names = list(dict.fromkeys(name for _, figures in told for name in figures))
    if not names:
        return None
    rows = tuple((words(s), *(figure(figures.get(name), "number") for name in names)) for s, figures in told)
    headings = ("session", *(words(name).text.replace("_", " ") for name in names))
    return Table("diagnostics", "What the model says of itself", headings, rows)


def confusion(run: RunView) -> Table | None:
    """The classes that were named worst after the last session, and what they were taken for."""
    told = run.files.confusion
    if told is None:
        return None
    known = told["classes"]
    names = {entry["class"]: entry["name"] for entry in known}
    worst = sorted(known, key=lambda entry: (entry["correct"] / entry["images"], entry["class"]))[:WORST]
    rows = []
    for entry in worst:
        if entry["correct"] == entry["images"]:
            continue
        taken = [
            f"{names.get(answer, 'no class seen')} ({number})" for answer, number in entry["mistaken_for"][:ANSWERS]
        ]
        examples = tuple(entry["examples"])
        rows.append(
            (
                words(entry["name"]),
                Cell(str(entry["images"]), float(entry["images"])),
                figure(entry["correct"] / entry["images"]),
                words(", ".join(taken)),
                Cell("" if examples else "-", picture=examples),
            )
        )
    title = f"Worst classes after session {told['session']}"
    headings = ("class", "test images", "named right, %", "most often taken for (images)", "examples")
    return known_columns(Table("worst_classes", title, headings, tuple(rows))) if rows else None


def what_ran(run: RunView) -> Table:
    """The facts that a reader asks for first."""
    manifest, scenario = run.files.manifest, run.files.scenario
    blocks = [record["new_classes"] for record in run.sessions]
    facts: dict[str, object] = {
        "scenario": manifest["scenario"],
        "described as": scenario.description if scenario else None,
        "strategy": manifest["strategy"],
        "data": scenario.stream.dataset if scenario else None,
        "seed": manifest["seed"],
        "status": run.results["status"],
        "sessions": len(run.sessions),
        "base classes": class_ids(blocks[0]) if blocks else None,
        "device": manifest.get("device_name") or manifest["device"],
        "precision": precision_used(manifest),
        "threads": manifest.get("threads"),
        "started": manifest.get("started"),
        "directory": str(run.files.path),
    }
    rows = tuple((words(key), words(value)) for key, value in facts.items() if value not in (None, ""))
    return Table("what_ran", "What ran, and on what", ("", "said"), rows)


def precision_used(manifest: Mapping[str, Any]) -> str | None:
    """Return the precision of a run's passes, and the one asked for if that is another.

    Example:
        >>> precision_used({"precision": "fp32", "precision_requested": "bf16"})
        'fp32 (bf16 was asked for)'

    """
    used, asked = manifest.get("precision"), manifest.get("precision_requested")
    return used if asked in (None, used) else f"{used} ({asked} was asked for)"


def manifest(run: RunView) -> Table:
    """All of ``manifest.json``, a row for each fact."""
    rows = tuple((words(key), words(value)) for key, value in flat(run.files.manifest).items())
    return Table("manifest", "manifest.json", ("fact", "said"), rows)


def flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The leaves of nested blocks by dotted keys; lists as one text.

    Example:
        >>> flat({"a": {"b": 1}, "c": [1, 2]})
        {'a.b': 1, 'c': '1, 2'}

    """
    found: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = ", ".join(map(str, value)) if isinstance(value, list) else value
    return found


def _at(row: Sequence[float | None], j: int) -> Cell:
    return figure(row[j]) if j < len(row) else Cell("")


def _pair(rows: Sequence[Sequence[float | None]], i: int, j: int, ties: bool) -> Cell:
    value, own = finite(rows[i][j]), finite(rows[j][j])
    if value is None:
        return Cell("")
    falls_short = own is not None and (value < own or (value == own and not ties))
    return figure(value, mark="own" if i == j else "low" if falls_short else "")
