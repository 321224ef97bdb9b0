"""Parts that fit, choose and measure."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.upgrades import FAST, inputs

from clsim.auditing.material import Inputs, split_inputs
from clsim.auditing.settings import AuditSettings
from clsim.auditing.truth import LabelTruth, ListTruth
from clsim.data.vectors import Relevant, VectorSet, as_vectors
from clsim.utils.errors import UserError


def test_no_item_serves_two_purposes():
    old = VectorSet(np.arange(1, 401, dtype=np.float32)[:, None].repeat(2, 1))
    material = split_inputs(Inputs(old, old), AuditSettings(seed=3))
    parts = [
        *(part.array[part.positions][:, 0] for part in material.fit),
        *(part.old.array[part.old.positions][:, 0] for part in (material.validation, material.test)),
        *(part.query_old[:, 0].numpy() for part in (material.validation, material.test)),
    ]
    fit_old, fit_new, *others = (set(part.tolist()) for part in parts)
    assert fit_old == fit_new
    together = [fit_old, *others]
    assert sum(map(len, together)) == len(set().union(*together)) == 400
    again = split_inputs(Inputs(old, old), AuditSettings(seed=3))
    assert again.test.old.positions.tolist() == material.test.old.positions.tolist()
    other = split_inputs(Inputs(old, old), AuditSettings(seed=4))
    assert other.test.old.positions.tolist() != material.test.old.positions.tolist()


def test_rows_of_both_models_stay_together():
    given = inputs(labeled=True)
    part = split_inputs(given, FAST).test
    assert isinstance(part.truth, LabelTruth)
    old, new = given.old[np.arange(1200)], given.new[np.arange(1200)]
    for row in (0, 5, -1):
        at = int(np.flatnonzero((old == part.query_old[row].numpy()).all(1))[0])
        assert (new[at] == part.query_new[row].numpy()).all()
        assert given.labels[at] == part.truth.query[row] == part.clusters[row]
    assert (given.labels[part.old.positions] == part.truth.gallery.numpy()).all()


def test_given_queries_are_split_and_the_items_are_not_asked():
    given = inputs()
    asked = as_vectors(np.random.default_rng(1).normal(size=(50, 24)).astype(np.float32))
    asked_new = as_vectors(np.random.default_rng(2).normal(size=(50, 32)).astype(np.float32))
    material = split_inputs(replace(given, query_old=asked, query_new=asked_new), FAST)
    assert len(material.validation.query_new) == 10 and len(material.test.query_new) == 40
    assert len(material.test.old) == 1200 - 480 - 240


def test_settings_bound_each_part():
    material = split_inputs(inputs(), replace(FAST, fit=50, validation=40, queries=7))
    assert (len(material.fit[0]), len(material.test.query_new)) == (50, 7)
    assert len(material.validation.old) + len(material.validation.query_old) == 40


def test_without_labels_the_neighbors_are_right():
    part = split_inputs(inputs(), FAST).test
    truth = part.truth_at(3)
    assert part.truth is None and isinstance(truth, ListTruth)
    gallery, query = (
        torch.nn.functional.normalize(each, dim=1)
        for each in (torch.from_numpy(part.new[np.arange(len(part.new))]), part.query_new)
    )
    assert truth.items.sort(1).values.equal((query @ gallery.T).topk(3, dim=1).indices.sort(1).values)


def test_relevant_items_are_found_at_their_places():
    given = inputs()
    relevant = Relevant(
        starts=np.arange(1201) * 2, items=np.stack([np.arange(1200), (np.arange(1200) + 1) % 1200], 1).reshape(-1)
    )
    material = split_inputs(replace(given, relevant=relevant), FAST)
    part = material.test
    places = part.old.positions
    for row in range(5):
        wanted = part.truth.items[row]
        for item in wanted[wanted >= 0].tolist():
            old = given.old[np.array([places[item]])]
            query = int(np.flatnonzero((given.old[np.arange(1200)] == part.query_old[row].numpy()).all(1))[0])
            assert places[item] in relevant.of(query) and old.shape == (1, 24)


@pytest.mark.parametrize("count", [2, 99])
def test_few_items_are_refused(count):
    few = VectorSet(np.ones((count, 3), dtype=np.float32), name="few.npy")
    with pytest.raises(UserError, match="at least 100 items") as caught:
        split_inputs(Inputs(few, few), AuditSettings())
    assert caught.value.where == "few.npy"


def test_few_queries_are_refused():
    given = inputs()
    with pytest.raises(UserError, match="at least 5 queries, got 3"):
        split_inputs(
            replace(given, query_old=given.old.take(np.arange(3)), query_new=given.new.take(np.arange(3))), FAST
        )


def test_labels_that_no_item_has_are_refused():
    given = inputs(labeled=True)
    asked = replace(given, query_old=given.old, query_new=given.new, query_labels=given.labels + 1000)
    with pytest.raises(UserError, match="no query has one of the labels"):
        split_inputs(asked, FAST)


def test_the_first_queries_are_a_sample_also_where_items_are_sorted_by_class():
    old = VectorSet(np.arange(1, 2001, dtype=np.float32)[:, None].repeat(2, 1))
    labels = np.repeat(np.arange(20), 100)
    part = split_inputs(Inputs(old, old, labels=labels), AuditSettings()).test
    assert len(set(part.clusters[:40].tolist())) > 12
    assert (np.diff(part.old.positions) > 0).all()
