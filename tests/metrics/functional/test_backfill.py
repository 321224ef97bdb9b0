import pytest
import torch
from helpers.errors import refused
from torch.nn.functional import normalize

from clsim.metrics import (
    BackfillCurve,
    backfill_curve,
    best_first_order,
    class_means,
    cmc,
    nearest_class_mean_accuracy,
    random_order,
)
from clsim.metrics.functional import similarity

MEASURES = {
    "cmc@1": lambda *sets: cmc(*sets, k=(1,))[1],
    "nearest_class_mean": nearest_class_mean_accuracy,
}


def draw(queries=40, items=53, width=6, classes=4, seed=0):
    """Queries and fresh features around the means of their classes, stored ones turned by an old model."""
    random = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, width, generator=random)
    labels, gallery_labels = (torch.randint(classes, (n,), generator=random) for n in (queries, items))
    query = centres[labels] + torch.randn(queries, width, generator=random)
    fresh = centres[gallery_labels] + torch.randn(items, width, generator=random)
    turn = torch.linalg.qr(torch.randn(width, width, generator=random)).Q
    return query, labels, fresh @ turn, fresh, gallery_labels


def mixed(stored, fresh, order, count):
    gallery = [row.clone() for row in normalize(stored)]
    for item in order[:count].tolist():
        gallery[item] = normalize(fresh[item], dim=0)
    return torch.stack(gallery)


@pytest.mark.parametrize("chunk", [1, 7, None])
@pytest.mark.parametrize("criterion", MEASURES)
@pytest.mark.parametrize("steps", [1, 4, 10, 53])
def test_every_point_equals_a_search_of_that_gallery(steps, criterion, chunk):
    query, labels, stored, fresh, gallery_labels = draw()
    order = random_order(53, torch.Generator().manual_seed(5))
    curve = backfill_curve(
        query, labels, stored, fresh, gallery_labels, order, steps=steps, criterion=criterion, chunk=chunk
    )
    cuts = [step * 53 // steps for step in range(steps + 1)]
    assert curve.fractions == tuple(cut / 53 for cut in cuts)
    expected = [MEASURES[criterion](query, labels, mixed(stored, fresh, order, cut), gallery_labels) for cut in cuts]
    assert curve.accuracy == tuple(expected)
    assert curve.accuracy[0] == MEASURES[criterion](query, labels, stored, gallery_labels)
    assert curve.accuracy[-1] == MEASURES[criterion](query, labels, fresh, gallery_labels)
    assert curve.accuracy[0] < curve.accuracy[-1]


def test_nothing_but_negative_similarities():
    query, labels, stored, fresh, gallery_labels = draw()
    query, stored, fresh = query.abs(), -stored.abs(), -fresh.abs()
    order = torch.arange(53)
    curve = backfill_curve(query, labels, stored, fresh, gallery_labels, order, steps=3)
    expected = [cmc(query, labels, mixed(stored, fresh, order, cut), gallery_labels)[1] for cut in (0, 17, 35, 53)]
    assert curve.accuracy == tuple(expected)


def test_equal_similarities_count_against_a_query():
    features, labels = torch.eye(2), torch.tensor([0, 1])
    query = torch.tensor([[1.0, 0.0]])
    curve = backfill_curve(query, labels[:1], features.flip(0)[:1].repeat(2, 1), features, labels, labels, steps=2)
    assert curve.accuracy == (0.0, 1.0, 1.0)
    curve = backfill_curve(query, labels[:1], features[:1].repeat(2, 1), features, labels, labels, steps=2)
    assert curve.accuracy == (0.0, 0.0, 1.0)


def test_items_that_are_gallery_and_query_do_not_find_themselves():
    _, _, stored, fresh, gallery_labels = draw()
    own = torch.arange(0, 53, 3)
    query, labels, order = fresh[own], gallery_labels[own], torch.arange(53)
    sets = query, labels, stored, fresh, gallery_labels, order
    curve = backfill_curve(*sets, steps=2, exclude_self=own, chunk=4)
    expected = [
        cmc(query, labels, mixed(stored, fresh, order, cut), gallery_labels, exclude_self=own)[1] for cut in (0, 26, 53)
    ]
    assert curve.accuracy == tuple(expected)
    assert backfill_curve(*sets, steps=2).accuracy[-1] == 1.0 > curve.accuracy[-1]
    with refused(ValueError, names=("exclude_self", "0 to 52")):
        backfill_curve(*sets, exclude_self=own + 40)
    with refused(ValueError, names=("exclude_self", 18, 53)):
        backfill_curve(*sets, exclude_self=True)
    with refused(ValueError, names=("nearest_class_mean", "cmc@1")):
        backfill_curve(*sets, criterion="nearest_class_mean", exclude_self=own)


@pytest.mark.parametrize("everything", [True, False])
def test_self_matches_are_found_wherever_the_order_puts_them(everything):
    _, _, stored, fresh, gallery_labels = draw()
    order = random_order(53, torch.Generator().manual_seed(6))[: 53 if everything else 30]
    own = torch.arange(53)
    if not everything:
        own[::2] = -1
    sets = fresh, gallery_labels, stored, fresh, gallery_labels
    curve = backfill_curve(*sets, order, steps=3, exclude_self=True if everything else own)
    expected = [
        cmc(*sets[:2], mixed(stored, fresh, order, step * len(order) // 3), gallery_labels, exclude_self=own)[1]
        for step in range(4)
    ]
    assert curve.accuracy == tuple(expected)


@pytest.mark.parametrize("criterion", MEASURES)
def test_items_outside_the_order_stay_as_they_are_stored(criterion):
    query, labels, stored, fresh, gallery_labels = draw()
    order = torch.randperm(53, generator=torch.Generator().manual_seed(2))[:20]
    curve = backfill_curve(query, labels, stored, fresh, gallery_labels, order, steps=4, criterion=criterion)
    assert curve.fractions == (0.0, 0.25, 0.5, 0.75, 1.0)
    expected = [
        MEASURES[criterion](query, labels, mixed(stored, fresh, order, cut), gallery_labels)
        for cut in (0, 5, 10, 15, 20)
    ]
    assert curve.accuracy == tuple(expected)


def test_fewer_items_than_steps_give_a_point_for_every_item():
    query, labels, stored, fresh, gallery_labels = draw(items=3)
    curve = backfill_curve(query, labels, stored, fresh, gallery_labels, torch.tensor([2, 0, 1]))
    assert curve.fractions == pytest.approx((0, 1 / 3, 2 / 3, 1))
    assert len(curve.accuracy) == 4


def test_two_matrix_products_however_many_points(monkeypatch):
    products = []

    def counted(query, gallery):
        products.append(len(query))
        return query @ gallery.float().T

    monkeypatch.setattr(similarity, "cosines", counted)
    backfill_curve(*draw(), torch.arange(53), steps=50)
    assert products == [40, 40]


@pytest.mark.parametrize("criterion", MEASURES)
def test_stored_and_fresh_of_different_precision(criterion):
    query, labels, stored, fresh, gallery_labels = draw()
    stored, fresh = stored.half(), fresh.half()
    curves = [
        backfill_curve(query, labels, *sides, gallery_labels, torch.arange(53), criterion=criterion)
        for sides in ((stored, fresh), (stored, fresh.float()), (stored.float(), fresh))
    ]
    assert curves[0] == curves[1] == curves[2]


def test_area_by_hand():
    assert BackfillCurve((0.0, 0.25, 1.0), (0.2, 0.6, 0.8)).area == pytest.approx(0.25 * 0.4 + 0.75 * 0.7)
    assert BackfillCurve((0.0, 0.3, 1.0), (0.7, 0.7, 0.7)).area == pytest.approx(0.7)


def test_nothing_changes_where_stored_and_fresh_are_one():
    query, labels, _, fresh, gallery_labels = draw()
    curve = backfill_curve(query, labels, fresh, fresh, gallery_labels, torch.arange(53))
    assert len(set(curve.accuracy)) == 1
    assert curve.area == pytest.approx(curve.accuracy[0])


def test_best_first_takes_the_worst_items_first_and_pays():
    query, labels, stored, fresh, gallery_labels = draw(items=200)
    good = torch.arange(200) % 4 != 0
    stored[good] = fresh[good]  # three quarters were enrolled by the present model
    order = best_first_order(stored, gallery_labels, class_means(fresh[good], gallery_labels[good]))
    assert sorted(order.tolist()) == list(range(200))
    agreement = (normalize(stored) * class_means(fresh[good], gallery_labels[good])[1][gallery_labels]).sum(dim=1)
    assert agreement[order].diff().ge(-1e-6).all()
    assert good[order[:40]].sum() < 12 < good[order[-40:]].sum()
    sets = query, labels, stored, fresh, gallery_labels
    areas = [backfill_curve(*sets, random_order(200, torch.Generator().manual_seed(seed))).area for seed in range(5)]
    assert backfill_curve(*sets, order).area > max(areas)


def test_items_of_classes_unknown_to_the_present_model_are_neither_first_nor_last():
    stored = torch.tensor([[1.0, 0.2], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]])
    means = torch.tensor([3]), torch.tensor([[2.0, 0.0]])
    assert best_first_order(stored, torch.tensor([3, 8, 3, 8]), means).tolist() == [2, 1, 3, 0]


def test_a_random_order_is_that_of_its_seed():
    orders = [random_order(30, torch.Generator().manual_seed(seed)).tolist() for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == list(range(30))


def test_wrong_input_is_refused():
    query, labels, stored, fresh, gallery_labels = draw()
    everything = torch.arange(53)

    def curve(stored=stored, fresh=fresh, order=everything, **more):
        return backfill_curve(query, labels, stored, fresh, gallery_labels, order, **more)

    for order in (everything - 1, everything + 1, everything.clamp_min(1), everything[:0], everything[None]):
        with refused(ValueError, names=("order",)):
            curve(order=order)
    with refused(ValueError, names=("stored", "fresh")):
        curve(fresh=fresh[:, :5])
    with refused(ValueError, names=("width", 6, 5)):
        curve(stored=stored[:, :5], fresh=fresh[:, :5])
    with refused(ValueError, names=("steps",)):
        curve(steps=0)
    with refused(ValueError, names=("criterion",)):
        curve(criterion="map")
    with refused(ValueError, names=("width", 6, 5)):
        best_first_order(stored, gallery_labels, (torch.arange(4), torch.randn(4, 5)))


def test_exact_ties_hold_the_rule_whatever_the_order_of_the_gallery():
    random = torch.Generator().manual_seed(0)
    base = torch.randn(19, 64, generator=random)
    query, labels = base + 0.01 * torch.randn(19, 64, generator=random), torch.arange(19)
    fresh, gallery_labels = torch.cat([base, base]), torch.cat([labels, labels + 19])
    stored = torch.cat([base, -base])  # as it is stored, the twin of the other class is far away
    for chunk in (None, 1, 5):
        for _ in range(3):
            places = torch.randperm(38, generator=random)
            others_last = gallery_labels[places].argsort()
            curve = backfill_curve(
                query, labels, stored[places], fresh[places], gallery_labels[places], others_last, steps=2, chunk=chunk
            )
            assert curve.accuracy == (1.0, 1.0, 0.0)


def test_equal_items_need_re_indexing_alike():
    random = torch.Generator().manual_seed(0)
    stored = torch.randn(5, 64, generator=random).repeat(8, 1)[torch.randperm(40, generator=random)]
    means = torch.tensor([0]), torch.randn(1, 64, generator=random)
    order = best_first_order(stored, torch.zeros(40).long(), means)
    groups = stored[order].unique_consecutive(dim=0)
    assert len(groups) == 5
    same = (stored[order][1:] == stored[order][:-1]).all(dim=1)
    assert (order.diff()[same] > 0).all()  # the gallery's order among equals


@pytest.mark.parametrize("name", ["query", "stored", "fresh"])
def test_what_is_no_number_is_refused(name):
    names = ("query", "labels", "stored", "fresh", "gallery_labels")
    sets = dict(zip(names, draw(), strict=True))
    sets[name] = sets[name].clone()
    sets[name][2, 1] = float("inf")
    with refused(ValueError, names=(name if name == "query" else "gallery", "1 of")):
        backfill_curve(*sets.values(), torch.arange(53))
    with refused(ValueError, names=("order", "integer")):
        backfill_curve(*draw(), torch.arange(53).float())
