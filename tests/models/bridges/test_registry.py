"""Bridges by name; files that come back equal, and damaged ones that are refused."""

import numpy as np
import pytest
import torch
from helpers.errors import refused
from helpers.paired_rows import features, normal
from safetensors.torch import load_file, save_file

from clsim.models.bridges import BRIDGES, Bridge, load_bridge, make_bridge
from clsim.utils.errors import ArgumentError, UserError

SMALL = {"fct": {"hidden": 8, "epochs": 2}, "fastfill": {"hidden": 8, "epochs": 2}, "residual_mlp": {"epochs": 1}}


def fitted(name, side="query"):
    old = features(60, 4)
    return make_bridge(name, side=side, **SMALL.get(name, {})).fit(old, old @ normal(4, 6, seed=2))


@pytest.mark.parametrize("name", BRIDGES)
@pytest.mark.parametrize("side", ["query", "gallery"])
def test_a_saved_bridge_maps_alike(tmp_path, name, side):
    bridge = fitted(name, side)
    assert isinstance(bridge, Bridge)
    rows = features(30, bridge.widths[0], seed=8)
    bridge.save(tmp_path / "bridge.safetensors")
    loaded = load_bridge(tmp_path / "bridge.safetensors")
    assert type(loaded) is type(bridge)
    assert loaded.settings == bridge.settings
    assert loaded.side == side
    assert torch.equal(loaded.transform(rows), bridge.transform(rows))
    assert bridge.transform(rows).shape == (30, bridge.widths[1])


@pytest.mark.parametrize("name", BRIDGES)
def test_fitting_again_gives_the_same_map(name):
    rows = features(30, 6, seed=8)
    state = torch.get_rng_state()
    first, second = (fitted(name).transform(rows) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", BRIDGES)
def test_fits_and_maps_memory_maps_in_chunks(tmp_path, name, monkeypatch):
    expected = fitted(name).transform(features(30, 6, seed=8))
    old = features(60, 4)
    for file, rows in {"old": old, "new": old @ normal(4, 6, seed=2), "rows": features(30, 6, seed=8)}.items():
        np.save(tmp_path / f"{file}.npy", rows.numpy())
    mapped = {file: np.load(tmp_path / f"{file}.npy", mmap_mode="r") for file in ("old", "new", "rows")}
    bridge = make_bridge(name, **({"side": "query"} | SMALL.get(name, {}))).fit(mapped["old"], mapped["new"])
    torch.testing.assert_close(bridge.transform(mapped["rows"]), expected)


@pytest.mark.parametrize(
    ("name", "settings", "names"),
    [
        ("rige", {}, ["ridge"]),
        ("ridge", {"penalty": 1}, ["penalty"]),
        ("ridge", {"penalties": ()}, ["penalties"]),
        ("ridge", {"penalties": (-1.0,)}, ["-1"]),
        ("low_rank", {"rank": 0}, ["rank"]),
        ("procrustes", {"side": "both"}, ["both"]),
        ("fct", {"epochs": "5"}, ["epochs"]),
        ("residual_mlp", {"learning_rate": 0.0}, ["learning_rate"]),
    ],
)
def test_refuses_unknown_names_and_settings(name, settings, names):
    with refused(ArgumentError, names=names):
        make_bridge(name, **settings)


@pytest.mark.parametrize("name", BRIDGES)
def test_refuses_rows_that_do_not_fit(name):
    with refused(ArgumentError, names=["fit"]):
        make_bridge(name).transform(torch.ones(2, 3))
    with refused(ArgumentError, names=["3", "4"]):
        make_bridge(name).fit(torch.ones(3, 2), torch.ones(4, 2))
    with refused(ArgumentError, names=["(2, 5)"]):
        fitted(name).transform(torch.ones(2, 5))


@pytest.mark.parametrize("name", ["ridge", "residual_mlp", "fct", "low_rank"])
def test_refuses_too_few_pairs_to_hold_some_out(name):
    with refused(ArgumentError, names=["10"]):
        make_bridge(name).fit(torch.ones(5, 2), torch.ones(5, 2))


def damaged(path, change):
    """Write the bridge again with changed tensors or facts."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        facts = dict(file.metadata())
    state = load_file(path)
    change(state, facts)
    save_file(state, path, facts)


@pytest.mark.parametrize(
    "change",
    [
        lambda state, facts: facts.update(format="2"),
        lambda state, facts: facts.pop("format"),
        lambda state, facts: facts.update(bridge="bridge"),
        lambda state, facts: facts.pop("settings"),
        lambda state, facts: facts.update(settings="{"),
        lambda state, facts: facts.update(settings="[1]"),
        lambda state, facts: facts.update(widths="(6,"),
        lambda state, facts: facts.update(widths="5"),
        lambda state, facts: facts.update(widths="(6, 5)"),
        lambda state, facts: state.pop("bias"),
        lambda state, facts: state.update(more=torch.ones(1)),
        lambda state, facts: state.update(bias=torch.ones(5)),
        lambda state, facts: state.update(bias=torch.ones(4).half()),
        lambda state, facts: state.update(bias=torch.full((4,), float("nan"))),
    ],
)
def test_refuses_damaged_files(tmp_path, change):
    path = tmp_path / "bridge.safetensors"
    fitted("ridge").save(path)
    damaged(path, change)
    with refused(UserError, where=str(path)):
        load_bridge(path)


def test_refuses_files_that_are_no_bridge(tmp_path):
    path = tmp_path / "bridge.safetensors"
    with refused(UserError, where=str(path)):
        load_bridge(path)
    fitted("fct").save(path)
    whole = path.read_bytes()
    for content in (b"", whole[:50], b"x" * 100, whole[:-3]):
        path.write_bytes(content)
        with refused(UserError, where=str(path)):
            load_bridge(path)
