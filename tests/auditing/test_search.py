"""Search in vectors that need not fit in memory."""

import numpy as np
import pytest
import torch

from clsim.auditing import search as module
from clsim.auditing.search import search
from clsim.data.vectors import VectorSet
from clsim.models.bridges import make_bridge


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(params=["faiss", "torch"])
def engine(request, monkeypatch):
    if request.param == "torch":
        monkeypatch.setattr(module, "find_spec", lambda name: None)


@pytest.mark.parametrize("block", [7, 1 << 16])
def test_lists_are_those_of_a_full_sort(engine, monkeypatch, block):
    monkeypatch.setattr(module, "ITEMS", block)
    random = np.random.default_rng(0)
    gallery, first, second = (random.normal(size=(count, 6)).astype(np.float32) for count in (50, 5, 3))
    found = search({"a": torch.from_numpy(first), "b": torch.from_numpy(second)}, VectorSet(gallery), k=9)
    for name, query in (("a", first), ("b", second)):
        cosines = unit(query) @ unit(gallery).T
        order = np.argsort(-cosines, axis=1)[:, :9]
        assert found[name].items.tolist() == order.tolist()
        assert np.allclose(found[name].scores, np.take_along_axis(cosines, order, 1), atol=1e-5)


def test_a_gallery_may_be_mapped_on_its_way(engine):
    random = np.random.default_rng(0)
    old, new = random.normal(size=(40, 5)).astype(np.float32), random.normal(size=(40, 7)).astype(np.float32)
    bridge = make_bridge("ridge", side="gallery").fit(torch.from_numpy(old), torch.from_numpy(new))
    mapped = VectorSet(bridge.transform(torch.from_numpy(old)).numpy())
    query = {"": torch.from_numpy(new[:4])}
    assert search(query, VectorSet(old), 5, bridge.transform)[""].items.equal(search(query, mapped, 5)[""].items)


def test_equal_scores_keep_the_order_of_the_gallery_across_blocks(monkeypatch):
    monkeypatch.setattr(module, "ITEMS", 2)
    same = VectorSet(np.ones((6, 2), dtype=np.float32))
    assert search({"": torch.ones(1, 2)}, same, 2)[""].items.tolist() in ([[0, 1]], [[1, 0]])


def test_nothing_to_search_for():
    assert search({}, VectorSet(np.eye(2)), 1) == {}
