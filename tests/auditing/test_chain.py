"""Chains of upgrades against plain loops."""

import json
from dataclasses import replace

import numpy as np
import pytest
from helpers.upgrades import FAST, upgrade

from clsim.auditing.audit import audit_vectors
from clsim.auditing.chain import audit_chain
from clsim.auditing.chain_record import WAYS
from clsim.auditing.material import Inputs, split_inputs
from clsim.data.vectors import as_vectors
from clsim.metrics import average_compatibility, average_multimodel_accuracy
from clsim.utils.errors import UserError


def rotations(count=3, width=10, items=600):
    random = np.random.default_rng(0)
    rows = random.normal(size=(items, width)).astype(np.float32)
    versions = [rows]
    for _ in range(count - 1):
        versions.append((versions[-1] @ np.linalg.qr(random.normal(size=(width, width)))[0]).astype(np.float32))
    return [as_vectors(each, f"v{place}") for place, each in enumerate(versions)]


def clearer(count=3, items=1200, widths=(24, 28, 32)):
    """Versions with less and less noise of their own, of different widths."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 20, items)
    inner = random.normal(size=(20, 16))[labels] + random.normal(size=(items, 16)) * 0.7
    made = []
    for place, width in zip(range(count), widths, strict=False):
        rows = inner @ random.normal(size=(16, width)) + random.normal(size=(items, width)) * 3.0 / (1 + place)
        made.append(as_vectors(rows.astype(np.float32), f"v{place}"))
    return made, labels


def test_exact_rotations_compose():
    found = audit_chain(rotations(4), settings=replace(FAST, bridges=("procrustes",)))
    for way in WAYS[1:]:
        assert found.matrix(way) == [[1.0] * row for row in range(1, 5)]
    assert found.average_accuracy["plain"] < 0.7
    for cell in found.cells:
        assert all(difference == (0.0, 0.0, 0.0) for difference in cell.differences.values())
        assert bool(cell.differences) == (cell.new - cell.old > 1)
    assert all(step.neighbors_kept.value == 1.0 and step.rotation_error < 1e-5 for step in found.steps)


def test_the_plain_matrix_is_a_loop_over_cosines():
    versions, labels = clearer()
    found = audit_chain(versions, labels=labels, settings=FAST)
    test = split_inputs(Inputs(versions[0], versions[1], labels=labels), FAST).test
    gallery = test.old.positions
    asked = [int(np.flatnonzero((versions[0].array == row.numpy()).all(1))[0]) for row in test.query_old]

    def unit(rows):
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    for new in range(3):
        for old in range(new + 1):
            query, stored = versions[new].array[asked], versions[old].array[gallery]
            query = query[:, : stored.shape[1]]
            lists = np.argsort(-(unit(query) @ unit(stored).T), axis=1)[:, :10]
            hits = (labels[gallery][lists] == labels[asked][:, None]).sum(1)
            counts = np.minimum(10, (labels[gallery][None] == labels[asked][:, None]).sum(1))
            expected = float(np.mean(hits / counts))
            assert found.matrix("plain")[new][old] == pytest.approx(expected, abs=2e-3)
    for way in WAYS:
        matrix = found.matrix(way)
        assert found.average_compatibility[way] == average_compatibility(matrix)
        assert found.average_accuracy[way] == average_multimodel_accuracy(matrix)


def test_lossy_links_lose_more_than_a_direct_bridge():
    """The middle version keeps half of the dimensions; a bridge across it keeps all."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(1500, 16)).astype(np.float32)
    other = (rows @ np.linalg.qr(random.normal(size=(16, 16)))[0]).astype(np.float32)
    versions = [as_vectors(each) for each in (rows, rows[:, :8].copy(), other)]
    found = audit_chain(versions, settings=replace(FAST, bridges=("procrustes", "ridge")))
    (cell,) = (each for each in found.cells if (each.new, each.old) == (3, 1))
    assert cell.differences["query"].low > 0.2 and cell.differences["gallery"].low > 0.2


def test_the_last_upgrade_has_its_verdict_and_the_record_is_plain(tmp_path):
    versions, labels = clearer()
    found = audit_chain(versions, labels=labels, settings=FAST)
    alone = audit_vectors(Inputs(versions[1], versions[2], labels=labels), FAST)
    assert found.last.verdict == alone.verdict
    record = json.loads(found.save(tmp_path).read_text())
    assert record["format"] == 1 and record["last"]["verdict"]["choice"] == alone.verdict.choice
    assert set(record["ac"]) == set(record["am"]) == set(WAYS) and len(record["cells"]) == 6
    assert "3 to 1, query side" in str(found) and "AM" in str(found)
    assert found.steps[0].mean_drift is None


def test_without_labels_the_last_version_is_right():
    versions, _ = clearer()
    found = audit_chain(versions, settings=FAST)
    assert found.inputs["right"] == "neighbors by the last version"
    assert found.matrix("plain")[2][2] == 1.0 and found.matrix("plain")[0][0] < 1.0


def test_queries_of_each_version():
    versions, labels = clearer()
    queries = [as_vectors(each.array[:200] + 0.01) for each in versions]
    found = audit_chain(versions, labels=labels, queries=queries, query_labels=labels[:200], settings=FAST)
    assert found.matrix("plain")[2][2] > found.matrix("plain")[0][0]


def test_a_mean_drift_is_relative_to_the_length():
    rows = np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = audit_chain([as_vectors(rows), as_vectors(rows + np.array([0, 2, 0, 0]))], settings=FAST)
    assert found.steps[0].mean_drift == pytest.approx(2.0, abs=1e-5)


@pytest.mark.parametrize("versions", [1, "unequal", "queries"])
def test_what_is_no_chain_is_refused(versions):
    old, new, _ = upgrade(count=200)
    given = [as_vectors(old, "a"), as_vectors(new, "b")]
    more = {"queries": given[:1]} if versions == "queries" else {}
    given = (
        given[:1] if versions == 1 else [given[0], given[1].take(np.arange(150))] if versions == "unequal" else given
    )
    with pytest.raises(UserError, match=r"versions|expected 200 vectors"):
        audit_chain(given, settings=FAST, **more)
