import json

import pytest
import torch
from helpers.errors import refused

from clsim.metrics import search_service
from clsim.metrics.functional.backfill import best_first_order
from clsim.metrics.functional.nearest_mean import class_means, nearest_class_mean_accuracy
from clsim.metrics.functional.sampling import sample_evenly, split_evenly
from clsim.metrics.search_service import SearchService

E0, E1, TILTED = [1.0, 0.0], [0.0, 1.0], [0.6, 0.8]
MINUS = [-1.0, 0.0]


def of_class(labels, *rows):
    """One feature for every label."""
    return torch.tensor([rows[label] for label in labels.tolist()]).half()


def two_versions(steps):
    """Version 1 turns class 1 to where version 0 has class 0, and class 0 away from it.

    Its queries of class 1 then find the items of class 0 that version 0 indexed, and those only.
    """
    queries, items = torch.arange(6) % 2, torch.arange(8) % 2
    service = SearchService(2, steps=steps)
    service.open(queries, items)
    first = service.index(of_class(queries, E0, E1), of_class(items, E0, E1), 0.5)
    second = service.index(of_class(queries, MINUS, E0), of_class(items, MINUS, TILTED), 0.25)
    return first, second


def test_two_versions_by_hand():
    first, second = two_versions(steps=4)
    assert first == {
        "accuracy": 1.0,
        "full_backfill": 1.0,
        "no_update": 1.0,
        "backfill": None,
        "gallery_items": 4,
        "items_by_version": [4],
        "images_not_reprocessed": 0,
        "device_seconds_saved": 0.0,
    }
    backfill = second.pop("backfill")
    assert second == {
        "accuracy": 0.5,
        "full_backfill": 1.0,
        "no_update": 1.0,
        "gallery_items": 8,
        "items_by_version": [4, 4],
        "images_not_reprocessed": 4,
        "device_seconds_saved": 1.0,
    }
    assert backfill["fractions"] == [0.0, 0.25, 0.5, 0.75, 1.0]
    # The two old items of class 0 are in the way, and agree least with what version 1 makes of their class.
    assert backfill["best_first"] == [0.5, 0.5, 1.0, 1.0, 1.0]
    assert backfill["area_best_first"] == pytest.approx(0.8125)
    assert backfill["random"][0] == 0.5
    assert backfill["random"][-1] == 1.0
    assert backfill["random"] == sorted(backfill["random"])
    json.dumps([first, second, backfill], allow_nan=False)


def plain_nearest_share(query, query_labels, gallery, gallery_labels, own=None):
    right = 0
    for i, row in enumerate(query.double()):
        best, label = -2.0, None
        for j, item in enumerate(gallery.double()):
            similarity = float(row @ item / row.norm() / item.norm())
            if similarity > best and (own is None or own[i] != j):
                best, label = similarity, int(gallery_labels[j])
        right += label == int(query_labels[i])
    return right / len(query)


def drawn(versions, queries, items, width=5, classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    query_labels, item_labels = torch.arange(queries) % classes, torch.arange(items) % classes
    centres = torch.randn(classes, width, generator=generator)

    def make(labels):
        return (centres[labels] + torch.randn(len(labels), width, generator=generator)).half()

    return query_labels, item_labels, [(make(query_labels), make(item_labels)) for _ in range(versions)]


@pytest.mark.parametrize("same_images", [False, True])
def test_every_session_equals_a_plain_loop(same_images):
    query_labels, labels, versions = drawn(3, 40, 40 if same_images else 35)
    if same_images:
        versions = [(gallery, gallery) for _, gallery in versions]
    service = SearchService(3, queries=10, seed=7)
    service.open(query_labels, labels, same_images=same_images)
    parts = split_evenly(labels, 3, torch.Generator().manual_seed(7))
    asked, stored, indexed = sample_evenly(query_labels, 10), [], []
    for version, (query, gallery) in enumerate(versions):
        record = service.index(query, gallery, 0.0)
        stored.append(gallery[parts[version]])
        indexed += parts[version].tolist()
        own = [indexed.index(i) if i in indexed else None for i in asked.tolist()] if same_images else None

        def search(query, gallery, indexed=indexed, own=own):
            return plain_nearest_share(query[asked], query_labels[asked], gallery, labels[indexed], own)

        assert record["accuracy"] == pytest.approx(search(query, torch.cat(stored)))
        assert record["full_backfill"] == pytest.approx(search(query, gallery[indexed]))
        assert record["no_update"] == pytest.approx(search(versions[0][0], versions[0][1][indexed]))
        assert record["gallery_items"] == len(indexed) == sum(record["items_by_version"])
        assert record["images_not_reprocessed"] == sum(len(part) for part in parts[:version])


@pytest.mark.parametrize("copies", [1, 2])
def test_queries_in_the_gallery_do_not_find_themselves(copies):
    query_labels, labels, versions = drawn(3, 20, 40)
    own = torch.full((20, copies), -1)
    for i in range(0, 20, 2):
        own[i, : copies if i % 4 else 1] = torch.tensor([i + 21, i])[: copies if i % 4 else 1]
    for query, gallery in versions:
        for i, items in enumerate(own.tolist()):
            for item in items:
                if item >= 0:
                    gallery[item] = query[i]
    service = SearchService(3, seed=7)
    service.open(query_labels, labels, self_items=own)
    parts = split_evenly(labels, 3, torch.Generator().manual_seed(7))
    stored, indexed, spared = [], [], 0
    for version, (query, gallery) in enumerate(versions):
        record = service.index(query, gallery, 0.0)
        stored.append(gallery[parts[version]])
        indexed += parts[version].tolist()
        for key, features in (("accuracy", torch.cat(stored)), ("full_backfill", gallery[indexed])):
            right = 0.0
            for i in range(20):
                others = [place for place, item in enumerate(indexed) if item not in own[i].tolist()]
                spared += len(indexed) - len(others)
                right += plain_nearest_share(
                    query[i : i + 1], query_labels[i : i + 1], features[others], labels[indexed][others]
                )
            assert record[key] == pytest.approx(right / 20)
    assert spared


def test_by_class_means():
    query_labels, labels, versions = drawn(2, 30, 30)
    service = SearchService(2, criterion="nearest_class_mean")
    service.open(query_labels, labels)
    parts = split_evenly(labels, 2, torch.Generator().manual_seed(0))
    service.index(*versions[0], 0.0)
    record = service.index(*versions[1], 0.0)
    stored = torch.cat([gallery[part] for (_, gallery), part in zip(versions, parts, strict=True)])
    order = torch.cat(parts)
    expected = nearest_class_mean_accuracy(versions[1][0], query_labels, stored, labels[order])
    assert record["accuracy"] == pytest.approx(expected)
    expected = nearest_class_mean_accuracy(versions[0][0], query_labels, versions[0][1], labels)
    assert record["no_update"] == pytest.approx(expected)


def test_nothing_looks_at_what_is_not_indexed_yet_and_search_not_at_a_backfill():
    query_labels, labels, versions = drawn(2, 30, 30)
    parts = split_evenly(labels, 3, torch.Generator().manual_seed(0))

    def records(spoilt_first, spoilt_second):
        service = SearchService(3)
        service.open(query_labels, labels)
        galleries = [gallery.clone() for _, gallery in versions]
        galleries[0][spoilt_first] = galleries[1][spoilt_second] = 1.0
        return [service.index(query, gallery, 0.0) for (query, _), gallery in zip(versions, galleries, strict=True)]

    plain = records(parts[2], parts[2])
    assert records([], []) == plain
    spoilt = records([], parts[0])[1]
    assert spoilt["full_backfill"] != plain[1]["full_backfill"]
    assert spoilt["accuracy"] == plain[1]["accuracy"]
    assert spoilt["no_update"] == plain[1]["no_update"]


def test_best_first_knows_only_what_the_present_version_indexed_itself(monkeypatch):
    query_labels, labels, versions = drawn(2, 30, 30)
    known = []

    def order(stored, stored_labels, means):
        known.append((stored, means))
        return best_first_order(stored, stored_labels, means)

    monkeypatch.setattr(search_service, "best_first_order", order)
    service = SearchService(3)
    service.open(query_labels, labels)
    for version in versions:
        service.index(*version, 0.0)
    old, own, _ = split_evenly(labels, 3, torch.Generator().manual_seed(0))
    ((stored, (classes, means)),) = known
    assert stored.equal(versions[0][1][old].float())
    expected_classes, expected = class_means(versions[1][1][own], labels[own])
    assert classes.equal(expected_classes)
    assert torch.allclose(means, expected)


def test_items_of_another_width_are_not_found():
    queries, items = torch.arange(6) % 2, torch.arange(8) % 2
    service = SearchService(2, steps=2)
    service.open(queries, items)
    service.index(of_class(queries, E0, E1), of_class(items, E0, E1), 0.0)
    # Its own items lie nearly at right angles to all queries, those of the wrong class a little less so.
    query = of_class(queries, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    record = service.index(query, of_class(items, [0.1, 0.3, 1.0], [0.3, 0.1, 1.0]), 0.0)
    assert record["accuracy"] == 0.0
    assert record["full_backfill"] == 0.0
    assert record["no_update"] == 1.0
    assert record["backfill"]["random"] == record["backfill"]["best_first"] == [0.0, 0.0, 0.0]


def test_items_of_another_width_are_found_by_their_first_numbers_if_they_may_be():
    queries, items = torch.arange(6) % 2, torch.arange(8) % 2
    for first, second in (((E0, E1), ([1.0, 0.0, 0.2], [0.0, 1.0, 0.2])), (([1.0, 0, 0.2], [0, 1.0, 0.2]), (E0, E1))):
        service = SearchService(2, steps=2, truncate=True)
        service.open(queries, items)
        service.index(of_class(queries, *first), of_class(items, *first), 0.0)
        query, stored = (of_class(labels, *second) for labels in (queries, items))
        record = service.index(query, stored, 0.0)
        assert record["accuracy"] == record["full_backfill"] == 1.0


def test_opening_again_forgets():
    query_labels, labels, versions = drawn(1, 12, 12)
    service = SearchService(1)
    service.open(query_labels, labels)
    first = service.index(*versions[0], 0.0)
    with refused(ValueError, names=("1 sessions", "version 1")):
        service.index(*versions[0], 0.0)
    service.open(query_labels, labels)
    assert service.index(*versions[0], 0.0) == first


def test_what_cannot_be_is_refused():
    with refused(ValueError, names=("criterion",)):
        SearchService(2, criterion="map")
    with refused(ValueError, names=("at least 1",)):
        SearchService(0)
    labels = torch.tensor([0, 1])
    with refused(ValueError, names=("2 gallery items", "3 sessions")):
        SearchService(3).open(labels, labels)
    with refused(ValueError, names=("nearest_class_mean", "cmc@1")):
        SearchService(2, criterion="nearest_class_mean").open(labels, labels, same_images=True)


def test_queries_take_part_once_something_of_their_class_is_indexed():
    """Four classes of one item each, of which two are indexed at first; every class is asked for once."""
    labels, features = torch.arange(4), torch.eye(4).half()
    service = SearchService(2)
    service.open(labels, labels)
    indexed = set(service._items[:2].tolist())
    spoilt = features.clone()
    spoilt[sorted(set(range(4)) - indexed)] = 1.0  # whoever asks for these finds another
    first = service.index(spoilt, features, 0.0)
    assert first["accuracy"] == first["full_backfill"] == first["no_update"] == 1.0
    second = service.index(features, features, 0.0)
    assert second["accuracy"] == second["full_backfill"] == 1.0
    assert second["no_update"] == 0.5
    service.open(labels, labels)
    wrong = features[[1, 0, 3, 2]]
    assert service.index(wrong, features, 0.0)["accuracy"] == 0.0


def test_while_nothing_can_be_found_everything_asked_is_wrong():
    service = SearchService(2)
    service.open(torch.tensor([8, 9]), torch.arange(4))
    records = [service.index(torch.eye(4)[:2].half(), torch.eye(4).half(), 0.0) for _ in range(2)]
    assert [record["accuracy"] for record in records] == [0.0, 0.0]
    json.dumps(records, allow_nan=False)


def test_the_first_versions_queries_are_those_that_take_part():
    """Of six classes four are indexed when the second version comes; the first one knew two of them."""
    labels, features = torch.arange(6), torch.eye(6).half()
    service = SearchService(3)
    service.open(labels, labels)
    knew = [service._items[0].item(), service._items[3].item()]
    first = torch.ones(6, 6).half()
    first[knew] = features[knew]
    service.index(first, features, 0.0)
    record = service.index(features, features, 0.0)
    assert record["gallery_items"] == 4
    assert (record["accuracy"], record["full_backfill"], record["no_update"]) == (1.0, 1.0, 0.5)
