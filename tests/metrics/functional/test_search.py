"""The nearest of a gallery, by either engine, are those of a sort over everything."""

from importlib.util import find_spec

import pytest
import torch
from helpers.errors import refused

from clsim.metrics import cmc, nearest
from clsim.metrics.functional import retrieval, search
from clsim.metrics.functional.similarity import limit_similarities, unit_rows

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
    ("given", "names"),
    [
        ({"k": 0}, ("k", "0")),
        ({"k": 5}, ("k", "4", "5")),
        ({"k": 1.5}, ("k", "1.5")),
        ({"k": True}, ("k", "True")),
        ({"k": 1, "block": 0}, ("block", "0")),
        ({"k": 1, "engine": "annoy"}, ("engine", "annoy")),
        ({"k": 1, "query": draw(2, 9)}, ("width", "9", "8")),
        ({"k": 1, "query": draw(0)}, ("query", "none")),
    ],
)
def test_wrong_input_is_refused(given, names):
    with refused(ValueError, names=names):
        nearest(**{"query": draw(2), "gallery": draw(4), **given})


def exact(query, gallery, k):
    """Exact cosines in float64, rounded to float32; among equals the first in the gallery comes first."""
    cosine = (unit_rows(query).double() @ unit_rows(gallery).double().T).float()
    ranked = [sorted(range(len(gallery)), key=lambda item: (-row[item], item))[:k] for row in cosine.tolist()]
    places = torch.tensor(ranked)
    return cosine.gather(1, places), places


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("copies", [1, 3, 40])
@pytest.mark.parametrize("resident", [0, 1 << 24], ids=["normalized in blocks", "normalized once"])
def test_equal_items_come_in_the_order_of_the_gallery(engine, copies, resident, monkeypatch):
    monkeypatch.setattr(search, "RESIDENT", resident)
    monkeypatch.setattr(search, "NUMBERS", {"cpu": 64 * 28 * 2})  # two or three blocks of queries
    monkeypatch.setattr(search, "ITEMS", 33)
    monkeypatch.setattr(search, "FAISS_ITEMS", 33)
    query, items = draw(9, 64), draw(20, 64, seed=1).repeat(copies, 1)
    items = items[torch.randperm(len(items), generator=torch.Generator().manual_seed(4))]
    for k in (1, 5, 20):
        similarity, found = nearest(query, items, k=k, engine=engine, block=100)
        expected = exact(query, items, k)
        assert similarity.equal(expected[0])
        assert found.equal(expected[1])


def test_a_collapsed_model_finds_the_first_items():
    query, gallery = torch.ones(4, 6), torch.ones(300, 6)
    assert nearest(query, gallery, k=3)[1].tolist() == [[0, 1, 2]] * 4
    similarity, found = nearest(query, torch.zeros(300, 6), k=3)
    assert (similarity.tolist(), found.tolist()) == ([[0.0] * 3] * 4, [[0, 1, 2]] * 4)
    signs = torch.tensor([-1.0, 1.0, -1.0]).repeat(100)[:, None] * gallery
    assert nearest(query, signs, k=101)[1][0].tolist() == [*range(1, 300, 3), 0]


def test_products_of_less_precision_change_nothing(monkeypatch):
    query, gallery = draw(7, 16), draw(400, 16, seed=1)
    expected = nearest(query, gallery, k=5)

    def coarse(query, part, k, block):
        yield (query.bfloat16() @ part.bfloat16().T).float().topk(min(k, len(part)), dim=1)

    monkeypatch.setattr(search, "_by_torch", coarse)
    found = nearest(query, gallery, k=5)
    assert found[0].equal(expected[0]) and found[1].equal(expected[1])


@pytest.mark.parametrize("resident", [0, 1 << 24], ids=["normalized in blocks", "normalized once"])
@pytest.mark.parametrize("side", ["query", "gallery"])
def test_what_is_no_number_is_refused(side, resident, monkeypatch):
    monkeypatch.setattr(search, "RESIDENT", resident)
    monkeypatch.setattr(search, "ITEMS", 2)
    features = {"query": draw(4), "gallery": draw(5, seed=1)}
    features[side][3, 2] = float("nan")
    with refused(ValueError, names=(side, "1 of")):
        nearest(**features, k=2)


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
    with limit_similarities(50):  # a few queries at a time
        assert [cmc(query, query_labels, gallery, labels, k=k, exclude_self=itself) for k in counts] == usual
    assert 0 < usual[0][1] < usual[1][3] <= usual[2][199]
