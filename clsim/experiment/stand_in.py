"""The scenario that stands in for one whose data or weights are missing."""

from __future__ import annotations

from clsim.config import Scenario, load_scenario
from clsim.utils.files import from_home

WEIGHTS = ("strategy.pretrained", "strategy.backbone", "strategy.quick_gelu")
"""Settings that the stand-in does not take over, unless the weights are in a file."""
ANY_STREAM = ("forgetting", "batch_size", "memory", "metrics")
"""Keys of ``evaluation`` that suit any data set."""


def stand_in_for(scenario: Scenario) -> tuple[Scenario, list[str]]:
    """Return the stand-in of a scenario, with the same strategy and seeds and all overrides that suit it.

    Settings of the strategy suit it, and so do a budget, draws of the shots, and seeds by which its stream draws. The
    stream is the stand-in's, and so are the weights, unless they are in a file.

    Args:
        scenario: Scenario that names its stand-in under ``otherwise``.

    Returns:
        Stand-in, and the overridden keys that do not suit it.
    """
    written = load_scenario(scenario.path, strategy=scenario.strategy)
    usual, chosen = written.selected_strategy.settings, scenario.selected_strategy.settings
    changed = {
        f"strategy.{key}": value
        for key, value in chosen.items()
        if value != usual.get(key) or scenario.overrides_setting(key)
    }
    in_a_file = from_home(str(chosen.get("pretrained")), "strategy.pretrained").is_file()
    kept = {key: value for key, value in changed.items() if in_a_file or key not in WEIGHTS}
    before, after = written.stream.model_dump(), scenario.stream.model_dump()
    dropped = [key for key in changed if key not in kept]
    dropped += [f"stream.{key}" for key in after if after[key] != before.get(key)]
    dropped += [f"models.{key}" for key, recipe in scenario.models.items() if recipe != written.models.get(key)]
    for key in type(scenario.evaluation).model_fields:
        value = getattr(scenario.evaluation, key)
        if value == getattr(written.evaluation, key):
            continue
        if key in ANY_STREAM:
            kept[f"evaluation.{key}"] = value
        else:
            dropped.append(f"evaluation.{key}")
    usual_stand_in = load_scenario(str(scenario.otherwise))
    kept |= scenario.seeds_for(usual_stand_in)
    repeats = scenario.repeats_for(usual_stand_in)
    kept |= repeats
    if scenario.has_override("draws") and "draws" not in repeats:
        dropped.append("draws")
    kept["validation"] = None if scenario.validation is None else scenario.validation.model_dump()
    stand_in = load_scenario(str(scenario.otherwise), kept, strategy=scenario.strategy, seed=scenario.seed)
    for key, seed in scenario.seeds.model_dump().items():
        if seed not in (None, getattr(written.seeds, key), getattr(stand_in.seeds, key)):
            dropped.append(f"seeds.{key}")
    return stand_in, dropped
