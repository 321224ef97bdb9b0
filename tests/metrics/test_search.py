"""The nearest of a gallery, by either engine, are those of a sort over everything."""

from importlib.util import find_spec

import pytest
import torch

from clsim.metrics import cmc, nearest, retrieval, search
from clsim.metrics.similarity import holding, unit_rows

ENGINES = ["torch", pytest.param("faiss", marks=pytest.mark.skipif(find_spec("faiss") is None, reason="no faiss"))]


def draw(count, width=8, seed=0):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("items", [7, 100, 1000], ids="gallery blocks of {}".format)
def test_equals_a_sort_over_everything(engine, items, monkeypatch):
    monkeypatch.setattr(search, "ITEMS", items)
    monkeypatch.setattr(search, "FAISS_ITEMS", items)
    query, gallery = draw(30), draw(500, seed=1)
    expected = (unit_rows(query) @ unit_rows(gallery).T).sort(dim=1, descending=True)
    similarity, found = nearest(query, gallery, k=20, engine=engine, block=3 * items)
    torch.testing.assert_close(similarity, expected.values[:, :20], rtol=1e-5, atol=1e-6)
    assert torch.equal(found, expected.indices[:, :20])


@pytest.mark.parametrize("engine", ENGINES)
def test_as_many_as_there_are(engine):
    similarity, found = nearest(draw(3), draw(4, seed=1), k=4, engine=engine)
    assert found.sort(dim=1).values.tolist() == [[0, 1, 2, 3]] * 3
    assert bool((similarity.diff(dim=1) <= 0).all())


def test_features_in_half_precision_and_unnormalised():
    query, gallery = draw(5), 100 * draw(50, seed=1)
    _, found = nearest(query, gallery.half(), k=1)
    assert torch.equal(found, nearest(query, gallery, k=1)[1])


def test_a_large_gallery_goes_to_faiss_where_there_is_one(monkeypatch):
    asked = []
    monkeypatch.setattr(search, "LARGE", 49)
    monkeypatch.setattr(search, "find_spec", lambda name: object())
    monkeypatch.setattr(search, "_by_faiss", lambda q, g, k: asked.append(len(g)) or (q @ g.T).topk(k))
    nearest(draw(5), draw(50, seed=1), k=2)
    assert asked == [50]
    nearest(draw(5), draw(49, seed=1), k=2)
    assert asked == [50]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"k": 0}, "from 1 to 4"),
        ({"k": 5}, "from 1 to 4"),
        ({"k": 1, "block": 0}, "at least 1"),
        ({"k": 1, "query": draw(2, 9)}, "one width"),
        ({"k": 1, "query": draw(0)}, "one width"),
    ],
)
def test_wrong_input_is_told(given, says):
    with pytest.raises(ValueError, match=says):
        nearest(**{"query": draw(2), "gallery": draw(4), **given})


@pytest.mark.parametrize("own", ["none", "all", "some"])
def test_cmc_of_a_large_gallery_equals_the_usual_one(own, monkeypatch):
    gallery, labels = draw(200, seed=1), torch.arange(200) % 7
    query, query_labels = (gallery[:40] + 0.1 * draw(40), labels[:40]) if own != "none" else (draw(40), labels[:40])
    itself = {"none": False, "all": torch.arange(40), "some": torch.arange(40).where(torch.arange(40) % 2 == 0, -1)}[
        own
    ]
    counts = [(1,), (1, 3), (199,)]  # one by one: how many are searched depends on the largest
    usual = [cmc(query, query_labels, gallery, labels, k=k, exclude_self=itself) for k in counts]
    monkeypatch.setattr(retrieval, "LARGE", 199)
    with holding(50):  # a few queries at a time
        assert [cmc(query, query_labels, gallery, labels, k=k, exclude_self=itself) for k in counts] == usual
    assert 0 < usual[0][1] < usual[1][3] <= usual[2][199]
