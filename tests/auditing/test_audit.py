"""Whole audits of upgrades whose verdict is known."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.upgrades import FAST, inputs, upgrade

import clsim
from clsim.auditing.audit import ORDER, audit_vectors
from clsim.auditing.material import Inputs
from clsim.data.vectors import as_vectors


def rotation(width=12, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(width, width)))[0].astype(np.float32)


def test_every_arrangement_is_measured_and_the_record_is_plain(tmp_path):
    audit = audit_vectors(inputs(labeled=True), FAST)
    assert list(dict.fromkeys(each.name for each in audit.arrangements)) == list(ORDER)
    written = json.loads(audit.save(tmp_path).read_text())
    assert written["format"] == 1 and set(written["verdict"]) >= {"choice", "because"}
    for each in written["arrangements"]:
        for figure in each["figures"].values():
            assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1
    assert written["inputs"]["right"] == "labels" and written["seed"] == 0


def test_the_bridge_that_validation_chose_comes_first_on_its_side():
    audit = audit_vectors(inputs(labeled=True, noise=1.0), replace(FAST, bridges=("procrustes", "ridge", "mean_drift")))
    for name, side in (("bridge_query", "query"), ("map_gallery", "gallery")):
        scores = {each.name: each.validation for each in audit.bridges if each.side == side}
        listed = [each.bridge for each in audit.arrangements if each.name == name]
        assert len(listed) == 3 and listed[0] == max(scores, key=scores.__getitem__)


def test_two_audits_with_one_seed_are_equal():
    first, second = (audit_vectors(inputs(labeled=True), FAST).to_dict() for _ in range(2))
    for each in (first, second):
        del each["seconds"]
        for part in (*each["arrangements"], *each["bridges"]):
            part.pop("cost", None), part.pop("seconds", None)
    assert first == second


def test_an_unchanged_model_needs_nothing():
    items = np.random.default_rng(0).normal(size=(600, 8)).astype(np.float32)
    audit = audit_vectors(Inputs(as_vectors(items), as_vectors(items)), FAST)
    assert audit.verdict.choice == "do_nothing"
    assert audit.arrangement("naive_swap").kept == (1.0, 1.0, 1.0)


def clearer(seed=0, classes=30, count=2000):
    """A new model that removes noise which the old one has in dimensions of its own."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, count)
    inner = random.normal(size=(classes, 12))[labels] * 1.5 + random.normal(size=(count, 12)) * 0.6
    return inner.astype(np.float32), labels, random


def test_a_rotated_space_with_less_noise_is_bridged():
    inner, labels, random = clearer()
    noise = random.normal(size=(2000, 12)).astype(np.float32) * 3
    old = np.concatenate([inner, noise], axis=1) @ rotation(24)
    audit = clsim.audit(old, inner, labels=labels, settings=replace(FAST, bridges=("identity", "ridge", "procrustes")))
    assert audit.arrangement("naive_swap").kept.value < 0.6
    assert audit.arrangement("map_gallery").kept.value > 0.98
    assert audit.verdict.choice in ("bridge", "map_gallery")


def test_noise_in_the_same_dimensions_swaps():
    inner, labels, random = clearer()
    noise = random.normal(size=(2000, 4)).astype(np.float32) * 4
    old = np.concatenate([inner, noise], axis=1)
    new = np.concatenate([inner, noise * 0], axis=1)
    audit = clsim.audit(old, new, labels=labels, settings=replace(FAST, keep=0.6))
    assert audit.verdict.choice == "swap"


def test_an_old_model_that_sees_nothing_is_re_indexed():
    inner, labels, random = clearer()
    old = random.normal(size=(2000, 16)).astype(np.float32)
    audit = clsim.audit(old, inner, labels=labels, settings=replace(FAST, candidates=20))
    assert audit.verdict.choice == "reindex" and audit.chosen.name == "full_reindex"


def test_a_vague_old_index_proposes_to_a_cascade():
    old, new, labels = upgrade(count=2000, noise=4.0)
    settings = replace(FAST, candidates=100)
    audit = clsim.audit(torch.from_numpy(old), torch.from_numpy(new), labels=labels, settings=settings)
    assert audit.arrangement("cascade").kept.low > audit.arrangement("bridge_query").kept.high
    assert audit.verdict.choice == "cascade"


def test_widths_may_differ_in_both_directions():
    old, new, labels = upgrade()
    for first, second in ((old, new), (new, old)):
        audit = clsim.audit(first, second, labels=labels, settings=FAST)
        assert 0 <= audit.arrangement("naive_swap").figures["cmc@1"].value < 0.5


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int8])
def test_types_of_numbers(dtype):
    old, new, labels = upgrade()
    if dtype == np.int8:
        old, new = (np.clip(each * 8, -127, 127) for each in (old, new))
    reference = clsim.audit(old.astype(np.float32), new.astype(np.float32), labels=labels, settings=FAST)
    audit = clsim.audit(old.astype(dtype), new.astype(dtype), labels=labels, settings=FAST)
    for name in ("do_nothing", "full_reindex", "cascade"):
        found, expected = (each.arrangement(name).figures["recall@10"].value for each in (audit, reference))
        assert found == pytest.approx(expected, abs=0.02)


def test_k_larger_than_the_gallery_is_cut():
    old, new, labels = upgrade(count=150)
    audit = clsim.audit(old, new, labels=labels, settings=replace(FAST, k=100))
    assert audit.arrangement("full_reindex").kept == (1.0, 1.0, 1.0)


def test_an_intervals_width_shrinks_with_the_queries():
    old, new, _ = upgrade(count=6000)
    few, many = (clsim.audit(old, new, settings=replace(FAST, queries=queries)) for queries in (30, 480))
    widths = [np.ptp(each.arrangement("do_nothing").figures["recall@10"][1:]) for each in (few, many)]
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.4)
