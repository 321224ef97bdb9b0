import math

import pytest

from clsim.report.trackers.values import parameters, plain, progress_values, summary_values, values_of
from clsim.results import figures

HOSTILE = [
    "\x1b[2J",
    "../../etc/passwd",
    "/",
    "..",
    ".",
    "",
    "a b:c",
    "é",
    "recall@1/image_to_text",
    "n" * 5000,
    "{0}%s",
]


def test_every_figure_of_a_record_has_a_name(compatible):
    record = compatible(5)["sessions"][4]
    record["diagnostics"] = {"orthogonality error": 1e-7, "none": None}
    record["training"] = {"loss": [3.0, 2.0], "accuracy": []}
    record["compatibility"]["also"] = {"cmc@5": [0.5, 0.25]}
    known = values_of(record)
    compared, service = record["compatibility"], record["service"]
    assert known == {
        "new_classes": 5,
        "seen_classes": record["seen_classes"],
        "replacements": 1,
        "accuracy/seen": record["accuracy"],
        "accuracy/base": record["base_accuracy"],
        "accuracy/novel": record["novel_accuracy"],
        "accuracy/harmonic_mean": record["harmonic_mean"],
        **{f"accuracy/of_session/{i}": value for i, value in enumerate(record["accuracy_by_session"])},
        "forgetting/from_best": record["forgetting"]["from_best"],
        "forgetting/from_first": record["forgetting"]["from_first"],
        **{f"compatibility/cross_tests/{i}": value for i, value in enumerate(compared["cross_tests"])},
        **{
            f"compatibility/{name}": compared[name]
            for name in ("self_test", "ac", "am", "negative_flip_rate", "positive_flip_rate", "against_first")
        },
        "compatibility/backward_compatibility": compared["backward_compatibility"],
        "compatibility/update_gain": compared["update_gain"],
        "compatibility/constraints/same_class": compared["constraints"]["same_class"],
        "compatibility/constraints/different_class": compared["constraints"]["different_class"],
        "compatibility/also/cmc_at_5/0": 0.5,
        "compatibility/also/cmc_at_5/1": 0.25,
        **{
            f"service/{name}": service[name]
            for name in ("accuracy", "full_backfill", "no_update", "gallery_items", "images_not_reprocessed")
        },
        "service/device_seconds_saved": service["device_seconds_saved"],
        "service/backfill/area_random": service["backfill"]["area_random"],
        "service/backfill/area_best_first": service["backfill"]["area_best_first"],
        "training/loss": 2.0,
        "diagnostics/orthogonality_error": 1e-7,
        "seconds/train": record["train_seconds"],
        "seconds/evaluation": record["eval_seconds"],
        "images_trained": record["images_trained"],
        "trainable_parameters": record["trainable_parameters"],
        "peak_memory_bytes": record["peak_memory_bytes"],
    }


def test_what_is_null_or_no_number_has_no_value(results):
    record = results(1)["sessions"][0] | {"accuracy": math.nan, "diagnostics": {"x": math.inf, "y": True, "z": "text"}}
    known = values_of(record)
    assert "accuracy/novel" not in known
    assert "accuracy/seen" not in known
    assert not [name for name in known if name.startswith(("forgetting", "diagnostics", "compatibility"))]
    assert progress_values(math.nan, 5.0) == {"images_per_second": 5.0}
    assert summary_values({"ac": None, "final_accuracy": 0.5, "service": {"saved": 3}}) == {
        "summary/final_accuracy": 0.5,
        "summary/service/saved": 3,
    }


def test_no_name_goes_on_below_another(compatible):
    done = compatible(5)
    names = {*values_of(done["sessions"][4]), *summary_values(done["summary"]), *progress_values(1.0, 1.0)}
    assert not [(a, b) for a in names for b in names if b.startswith(f"{a}/")]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_from_elsewhere_is_one_plain_word(name):
    (told,) = values_of({"diagnostics": {name: 1.0}})
    folder, _, word = told.partition("/")
    assert folder == "diagnostics"
    assert word.strip(".")
    assert len(word) <= 200
    assert word.isascii()
    assert not set(word) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
    assert plain(name) == word


def test_parameters_are_named_as_set_names_them():
    scenario = {
        "description": "long",
        "stream": {"kind": "fscil", "shots": 5, "class_order": [2, 1]},
        "strategy": "mine",
        "strategies": {"mine": {"epochs": 3, "name": "\x1b" * 1000}, "other": {"epochs": 9}},
        "trackers": [{"kind": "mlflow", "uri": "https://me:secret@host"}],
        "seed": 1,
    }
    manifest = {
        "strategy": "mine",
        "scenario": "stand_in",
        "seed": 7,
        "seeds": {"order": 8},
        "python": "3.11",
        "packages": {"torch": "2"},
        "git": None,
        "stands_in_for": {"scenario": "asked", "because": "no data"},
    }
    known = parameters(scenario, manifest)
    assert known["stream.shots"] == 5
    assert known["stream.class_order"] == "[2, 1]"
    assert known["strategy.epochs"] == 3
    assert (known["scenario"], known["strategy"], known["seed"], known["seeds.order"]) == ("stand_in", "mine", 7, 8)
    assert (known["versions.torch"], known["versions.python"]) == ("2", "3.11")
    assert known["stands_in_for.because"] == "no data"
    assert len(known["strategy.name"]) == 500
    assert "\x1b" not in known["strategy.name"]
    assert "secret" not in str(known)
    assert not [key for key in known if key.startswith(("strategies", "description", "trackers"))]


def test_a_figure_from_outside_has_a_name_of_its_own(monkeypatch):
    mine = figures.Figure("error", "error rate", session=lambda record: 1 - record["accuracy"])
    monkeypatch.setattr(figures, "_registered", {**figures._registered, mine.key: mine})
    assert values_of({"session": 1, "accuracy": 0.75}) == {"accuracy/seen": 0.75, "figures/error": 0.25}
