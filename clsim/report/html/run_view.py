"""A run as a report shows it: its files and a label that is unique in the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clsim.config.evaluation import CompatibilityEvaluation, Published
from clsim.report.figures import stand_in_sentences, validation_sentence
from clsim.results.reader import RunFiles, read_run
from clsim.utils.text import clean

NOTHING: dict[str, Any] = {
    "sessions": [],
    "summary": {},
    "accuracy_matrix": [],
    "compatibility_matrix": None,
    "matrices": {},
}


@dataclass(frozen=True)
class RunView:
    """A run in a report.

    Attributes:
        files: Files of the run directory.
        label: Name of the run in the report.

    """

    files: RunFiles
    label: str

    @property
    def results(self) -> dict[str, Any]:
        """Content of ``results.json``; empty results if there is none yet."""
        return self.files.results or {**self.files.manifest, **NOTHING, "status": "interrupted"}

    @property
    def sessions(self) -> list[dict[str, Any]]:
        """Records of the sessions."""
        return self.files.sessions

    @property
    def names_classes(self) -> bool:
        """Whether classes were predicted; the accuracy of image-text models is recall in their own index."""
        return any(record["seen_classes"] for record in self.sessions)

    @property
    def criterion(self) -> str | None:
        """Criterion of the compatibility matrix if the scenario names one."""
        return self._compatibility.criterion if self._compatibility else None

    @property
    def allows_ties(self) -> bool:
        """Whether a cross-test equal to the gallery's self-test is compatible."""
        return self._compatibility is not None and self._compatibility.ties

    @property
    def _compatibility(self) -> CompatibilityEvaluation | None:
        return self.files.scenario.evaluation.compatibility if self.files.scenario else None

    @property
    def stand_in(self) -> list[str]:
        """Notice of a stand-in; empty without one."""
        return stand_in_sentences(str(self.results["scenario"]), self.results["stands_in_for"])

    @property
    def validation(self) -> str:
        """Notice of an evaluation on held-out training images; empty for test images."""
        return validation_sentence(self.results.get("validation"))

    @property
    def _rows(self) -> dict[str, Published]:
        """Rows of papers, which are of test images: a validation run has none."""
        scenario = self.files.scenario
        return scenario.published if scenario and not self.validation else {}

    @property
    def published(self) -> dict[str, list[float]]:
        """Published accuracies by session, by the name of the method."""
        return {clean(name): row.accuracy for name, row in self._rows.items() if row.accuracy}

    @property
    def published_sources(self) -> list[str]:
        """Published figures of whole runs and the sources of all."""
        found = []
        for name, row in self._rows.items():
            whole = [f"{key.upper()} {100 * value:.2f}%" for key, value in (("ac", row.ac), ("am", row.am)) if value]
            found.append(clean(f"{name}, published: {', '.join([*whole, row.source])}"))
        return found


def view_runs(paths: Sequence[Path]) -> list[RunView]:
    """Return the runs of a report, each with a unique label.

    Raises:
        UserError: A path is no run directory, or a file of it is damaged.

    """
    files = [read_run(path) for path in paths]
    scenarios = {each.manifest["scenario"] for each in files}
    names = [clean(each.manifest["strategy"]) for each in files]
    if len(scenarios) > 1 or len(files) == 1:
        names = [f"{clean(each.manifest['scenario'])} · {name}" for name, each in zip(names, files, strict=True)]
    seeded = [f"{name} · seed {each.manifest['seed']}" for name, each in zip(names, files, strict=True)]
    found = []
    for name, with_seed, each in zip(names, seeded, files, strict=True):
        label = with_seed if names.count(name) > 1 else name
        if seeded.count(with_seed) > 1:
            label = f"{label} · {clean(each.path)}"
        found.append(RunView(each, label))
    return found


def heading(runs: Sequence[RunView]) -> str:
    """Return the heading of a report."""
    if len(runs) == 1:
        return runs[0].label
    scenarios = {clean(run.results["scenario"]) for run in runs}
    return f"{scenarios.pop()}: {len(runs)} runs" if len(scenarios) == 1 else f"{len(runs)} runs"
