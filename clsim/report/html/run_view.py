"""A run as the report sees it: the files it left, checked, and what it is called beside others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clsim.config.evaluation import Published
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
    """What a run left.

    Attributes:
        files: of the run directory.
        label: tells the run from the others of a report.

    """

    files: RunFiles
    label: str

    @property
    def results(self) -> dict[str, Any]:
        """Of ``results.json``; of a run that wrote none yet, that there is nothing."""
        return self.files.results or {**self.files.manifest, **NOTHING, "status": "interrupted"}

    @property
    def sessions(self) -> list[dict[str, Any]]:
        """The records."""
        return self.files.sessions

    @property
    def names_classes(self) -> bool:
        """Whether anything was classified; of image-text models accuracy is what they find in their own index."""
        return any(record["seen_classes"] for record in self.sessions)

    @property
    def criterion(self) -> str | None:
        """That the compatibility matrix is of, where a scenario says so."""
        scenario = self.files.scenario
        asked = scenario.evaluation.compatibility if scenario else None
        return asked.criterion if asked else None

    @property
    def allows_ties(self) -> bool:
        """Whether a cross-test as good as the gallery's own self-test counts as compatible."""
        scenario = self.files.scenario
        asked = scenario.evaluation.compatibility if scenario else None
        return asked is not None and asked.ties

    @property
    def stand_in(self) -> list[str]:
        """What has to be said aloud where a stand-in ran."""
        return stand_in_sentences(str(self.results["scenario"]), self.results["stands_in_for"])

    @property
    def validation(self) -> str:
        """What has to be said aloud where it was measured on held-out training images."""
        return validation_sentence(self.results.get("validation"))

    @property
    def _rows(self) -> dict[str, Published]:
        """Of papers; they are of test images, and stand beside no figures of others."""
        scenario = self.files.scenario
        return scenario.published if scenario and not self.validation else {}

    @property
    def published(self) -> dict[str, list[float]]:
        """Published accuracies by session, by the name of the method."""
        return {clean(name): row.accuracy for name, row in self._rows.items() if row.accuracy}

    @property
    def published_sources(self) -> list[str]:
        """Where the published figures stand, and those that belong to a whole run."""
        found = []
        for name, row in self._rows.items():
            whole = [f"{key.upper()} {100 * value:.2f}%" for key, value in (("ac", row.ac), ("am", row.am)) if value]
            found.append(clean(f"{name}, published: {', '.join([*whole, row.source])}"))
        return found


def read_runs(paths: Sequence[Path]) -> list[RunView]:
    """The runs of a report, each with a label of its own.

    Raises:
        UserError: one is no run directory, or a file of it is damaged.

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
    """What a report of them is called."""
    if len(runs) == 1:
        return runs[0].label
    scenarios = {clean(run.results["scenario"]) for run in runs}
    return f"{scenarios.pop()}: {len(runs)} runs" if len(scenarios) == 1 else f"{len(runs)} runs"
