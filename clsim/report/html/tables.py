"""The tables of a run: matrices, records, confusion and the manifest."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from clsim.report.compatibility import replaced_versions
from clsim.report.figures import class_ids
from clsim.report.html.run_view import RunView
from clsim.report.table import Cell, Table, exact, of_rows, words
from clsim.results.differences import flat
from clsim.results.figures import Figure, figures, figures_from_outside
from clsim.utils.numbers import finite

WORST = 12
"""Classes in the table of confusion."""
ANSWERS = 3
"""Wrong answers shown for each class."""
LOW = "▽: not above the self-test of the gallery's version; the pair is not compatible"
FURTHER = (
    "nll",
    "brier",
    "relative_negative_flip_rate",
    "reindex_recall",
    "service_accuracy",
    "iterations",
    "images_trained",
    "trainable_parameters",
    "train_seconds",
    "eval_seconds",
    "train_flops",
    "eval_flops",
    "peak_memory_bytes",
)
"""Figures of a record beside those of the console's table."""
Rows = Sequence[Sequence[float | None]]


def accuracy_matrix(rows: Rows) -> Table:
    """Return accuracies after each session (row) on the classes of each session (column)."""
    width = range(len(rows))
    body = [(words(i), *(exact(row[j]) if j < len(row) else Cell("") for j in width)) for i, row in enumerate(rows)]
    title = "Accuracy after each session (row) on the classes of each session (column)"
    return of_rows("accuracy_matrix", title, ("session", *map(str, width)), body, heat=True)


def cross_tests(name: str, rows: Rows, title: str, *, ties: bool = False, replaced: Collection[int] = ()) -> Table:
    """Return cross-tests by version of the queries (row) and of the gallery (column).

    Args:
        name: Name of the files made of it.
        rows: Square matrix, None above the diagonal.
        title: Caption.
        ties: Whether a pair equal to the gallery's self-test is compatible.
        replaced: Versions that start from a replacement model.

    """
    width = range(len(rows))
    labels = [words(f"{i} (new model)" if i in replaced else i) for i in width]
    body = [(labels[i], *(_pair(rows, i, j, ties) for j in width)) for i in width]
    low = any(cell.mark == "low" for row in body for cell in row)
    return of_rows(name, title, ("query", *map(str, width)), body, heat=True, notes=(LOW,) if low else ())


def compatibility_matrices(run: RunView) -> tuple[Table, ...]:
    """Return the matrix of the scenario's criterion, then those of further ones."""
    axes = "queries by version (row), gallery by version (column)"
    matrices = run.results["matrices"]
    main: Rows | None = run.results["compatibility_matrix"]
    found: dict[str, tuple[str, Rows]] = {}
    if main:
        by = f" by {run.criterion}" if run.criterion else ""
        found["compatibility_matrix"] = (f"Cross-tests{by}: {axes}", main)
    for name, rows in matrices.items():
        if rows != main or len(matrices) > 1:
            found[f"matrix_{name}"] = (f"Cross-tests by {words(name).text}: {axes}", rows)
    replaced = replaced_versions(run.sessions)
    return tuple(
        cross_tests(name, rows, title, ties=run.allows_ties, replaced=replaced) for name, (title, rows) in found.items()
    )


def records(run: RunView) -> Table:
    """Return a row for each session."""
    outside = figures_from_outside()
    shown = [each for each in figures() if each.importance is not None or each.key in FURTHER or each in outside]
    shown = [each for each in shown if each.session is not None]
    rows = []
    for record in run.sessions:
        classes = [record["session"], len(record["new_classes"]), record["seen_classes"]]
        counts = (Cell(str(value), float(value)) for value in classes)
        cells = (exact(each.of_session(record), each.unit) for each in shown)
        rows.append((*counts, words(record.get("replaced_by")), *cells))
    headings = ("session", "new classes", "seen", "model replaced by", *map(_heading, shown))
    return of_rows("sessions", "Records of the sessions", headings, rows).known()


def _heading(figure: Figure) -> str:
    heading = (figure.short or figure.label).replace("\n", " ")
    return f"{heading}, s" if figure.unit == "seconds" else heading


def diagnostics(run: RunView) -> Table | None:
    """Return the figures that the model reports of itself."""
    reported = [(record["session"], record.get("diagnostics") or {}) for record in run.sessions]
    names = list(dict.fromkeys(name for _, figures in reported for name in figures))
    if not names:
        return None
    rows = [(words(s), *(exact(figures.get(name), "number") for name in names)) for s, figures in reported]
    headings = ("session", *(words(name).text.replace("_", " ") for name in names))
    return of_rows("diagnostics", "Figures reported by the model", headings, rows)


def confusion(run: RunView) -> Table | None:
    """Return the classes with the lowest recall after the last session, and their most frequent wrong predictions."""
    noted = run.files.confusion
    if noted is None:
        return None
    known = noted["classes"]
    names = {entry["class"]: entry["name"] for entry in known}
    worst = sorted(known, key=lambda entry: (entry["correct"] / entry["images"], entry["class"]))[:WORST]
    rows = []
    for entry in worst:
        if entry["correct"] == entry["images"]:
            continue
        predicted = [f"{names.get(answer, 'no class seen')} ({n})" for answer, n in entry["mistaken_for"][:ANSWERS]]
        examples = tuple(entry["examples"])
        rows.append(
            (
                words(entry["name"]),
                Cell(str(entry["images"]), float(entry["images"])),
                exact(entry["correct"] / entry["images"]),
                words(", ".join(predicted)),
                Cell("" if examples else "-", pictures=examples),
            )
        )
    title = f"Classes of lowest recall after session {noted['session']}"
    headings = ("class", "test images", "recall, %", "most often predicted as (images)", "examples")
    return of_rows("worst_classes", title, headings, rows).known() if rows else None


def facts(run: RunView) -> dict[str, str]:
    """Return what ran, on what data and device."""
    manifest, scenario = run.files.manifest, run.files.scenario
    blocks = [record["new_classes"] for record in run.sessions]
    found: dict[str, object] = {
        "scenario": manifest["scenario"],
        "description": scenario.description if scenario else None,
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
    return {key: str(value) for key, value in found.items() if value not in (None, "")}


def precision_used(manifest: Mapping[str, Any]) -> str | None:
    """Return the precision of a run, and the requested one if it differs.

    Example:
        >>> precision_used({"precision": "fp32", "precision_requested": "bf16"})
        'fp32 (bf16 requested)'

    """
    used, asked = manifest.get("precision"), manifest.get("precision_requested")
    return used if asked in (None, used) else f"{used} ({asked} requested)"


def manifest(run: RunView) -> Table:
    """Return all of ``manifest.json``, a row for each fact."""
    facts = flat(run.files.manifest)
    rows = [(words(k), words(", ".join(map(str, v)) if isinstance(v, list) else v)) for k, v in facts.items()]
    return of_rows("manifest", "manifest.json", ("fact", "value"), rows)


def _pair(rows: Rows, i: int, j: int, ties: bool) -> Cell:
    value, own = finite(rows[i][j]), finite(rows[j][j])
    if value is None:
        return Cell("")
    falls_short = own is not None and (value < own or (value == own and not ties))
    return exact(value, mark="own" if i == j else "low" if falls_short else "")
