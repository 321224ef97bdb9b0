"""Checks that runs are of one experiment: what must be equal in all, within a strategy or within a seed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from clsim.config.models.recipe import TimmModel
from clsim.config.scenario import Scenario
from clsim.config.seeds import DRAWN_BY
from clsim.report.compare.runs import Run
from clsim.results.differences import NO_MATTER, flat
from clsim.results.provenance import STRATEGY_IMPORT
from clsim.streams.settings import DRAWN
from clsim.utils.errors import UserError, UserErrors
from clsim.utils.text import short

SAME_DATA = ("train images", "test images", "train captions", "test captions")
DRAWN_HASHES = ("split lists", "query images", "gallery images")
"""Hashes that depend on the seed if the scenario draws images or classes by it."""
SHOWN = 10
"""Differences that are listed."""
MAY_DIFFER = ("evaluation.metrics", "draws")
"""Keys of the scenario that may differ: one more metric or draw changes no other figure."""
EVERYWHERE = ""
Facts = dict[str, Any]


def check_agreement(runs: Sequence[Run]) -> None:
    """Raise an error unless the runs differ in nothing but strategy and seed.

    Raises:
        UserErrors: Something differs; one error for every difference, with both runs.

    """
    found = list(_disagreements(runs))
    if len(found) > SHOWN:
        others = f"and {len(found) - SHOWN:,} further differences: these are different experiments"
        found = [*found[:SHOWN], UserError(others)]
    if found:
        raise UserErrors(found)


def _disagreements(runs: Sequence[Run]) -> Iterator[UserError]:
    """Yield one error for every key and every further value of it, at the run that has it first."""
    groups: dict[str, list[tuple[Run, Facts]]] = {}
    for run in runs:
        for scope, facts in _facts(run).items():
            groups.setdefault(scope, []).append((run, facts))
    for members in groups.values():
        (first, reference), *others = members
        for key in dict.fromkeys(key for _, facts in members for key in facts):
            seen = {_written(reference.get(key))}
            for run, facts in others:
                if (written := _written(facts.get(key))) not in seen:
                    seen.add(written)
                    values = f"{_shown(facts.get(key))} here, {_shown(reference.get(key))} in {first.path}"
                    yield UserError(f"not of one experiment: {key}: {values}", where=str(run.path))


def _facts(run: Run) -> dict[str, Facts]:
    """Return, by scope, what must be equal in all runs, in those of one strategy, and in those of one seed."""
    hashes = run.manifest["hashes"]
    everywhere: Facts = {"clsim": _series(run.manifest["clsim"]), "measured on": _measured_on(run)}
    everywhere |= {f"split_lists.{key}": value for key, value in run.manifest.get("split_lists", {}).items()}
    everywhere |= {f"hashes.{key}": hashes[key] for key in SAME_DATA if key in hashes}
    metrics = {f"hashes.{key}": value for key, value in hashes.items() if key.startswith("metric ")}
    drawn = {f"hashes.{key}": hashes[key] for key in DRAWN_HASHES if key in hashes}
    own: Facts = {f"hashes.{key}": value for key, value in hashes.items() if _is_of_strategy(key, run.scenario)}
    if run.scenario is None:
        everywhere["scenario"] = "composed in Python"
    else:
        settings = f"strategies.{run.strategy}."
        for key, value in flat(run.scenario.model_dump(mode="json")).items():
            if key.startswith("strategies."):
                own |= {f"scenario {key}": value} if key.startswith(settings) else {}
            elif key not in MAY_DIFFER and key.partition(".")[0] not in (
                *NO_MATTER,
                "validation",
            ):  # also in the results
                everywhere[f"scenario {key}"] = value
    found = {EVERYWHERE: everywhere, f"strategy {run.strategy}": own}
    found |= {key: {key: value} for key, value in metrics.items()}  # one file, in all runs that have the metric
    if run.scenario is not None and follows_from_seed(run.scenario):
        return {**found, f"seed {run.seed}": drawn}
    return {**found, EVERYWHERE: everywhere | drawn}


def follows_from_seed(scenario: Scenario) -> bool:
    """Return whether another seed draws other images or classes."""
    return any(
        getattr(scenario.stream, key, None) == DRAWN and getattr(scenario.seeds, seed) is None
        for seed, key in DRAWN_BY.items()
    )


def _is_of_strategy(key: str, scenario: Scenario | None) -> bool:
    """Return whether a hash is of the method: its file, and weights that every seed starts from."""
    kind, _, name = key.partition(" ")
    if kind in ("replacement", "model"):
        recipe = scenario.models.get(name) if scenario else None
        if isinstance(recipe, TimmModel):
            return recipe.weights != "none"
        return bool(getattr(recipe, "pretrained", True))  # others have random weights, which depend on the seed
    return key in ("strategy file", "pre-trained weights") or key.startswith(("weights file", STRATEGY_IMPORT))


def _measured_on(run: Run) -> str:
    """Return the images of the evaluation; a composed run has no scenario to name them."""
    if (held := run.validation) is None:
        return "test images"
    return f"held-out training images (share {held.get('share')}, seed {held.get('seed')})"


def _series(version: str) -> str:
    """Return the part of a version within which results are comparable: ``1`` of 1.4.2, ``0.3`` of 0.3.1."""
    parts = version.split(".")
    return ".".join(parts[:2]) if parts[0] == "0" else parts[0]


def _written(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _shown(value: Any) -> str:
    if isinstance(value, str) and len(value) == 64:
        return value[:12]
    return "nothing" if value is None else short(value, 80)


def circumstances(runs: Sequence[Run]) -> Iterator[str]:
    """Yield a note for each fact that differs and may change figures, but is no reason to refuse the comparison."""
    facts: Mapping[str, list[Any]] = {
        "versions of clsim": [run.manifest["clsim"] for run in runs],
        "source of clsim": [run.manifest["hashes"].get("clsim source") for run in runs],
        "versions of torch": [run.manifest["packages"].get("torch") for run in runs],
        "kinds of device": [run.manifest["device"].partition(":")[0] for run in runs],
        **{
            f"precision of {name}": [run.manifest.get("precision") for run in runs if run.strategy == name]
            for name in dict.fromkeys(run.strategy for run in runs)
        },
    }
    for what, values in facts.items():
        known = list(dict.fromkeys(_shown(value) for value in values))
        if len(known) > 1:
            yield f"not the same in all runs: {what} ({', '.join(known)})"
