"""Indexes and their rewrites against the same libraries used directly."""

import numpy as np
import pytest

from clsim.auditing.ann import ADDED, IN_PLACE, SEARCH_EFFORT
from clsim.auditing.builders import FAISS_INDEXES, LINKS, build_usearch, one_faiss_thread
from clsim.auditing.compact import hamming_scores, nearest, sign_bits, unit
from clsim.auditing.indexes import Space

faiss = pytest.importorskip("faiss")

COUNT, WIDTH, K = 600, 20, 10


@pytest.fixture(autouse=True)
def _one_thread():
    with one_faiss_thread():
        yield


def drawn(count=COUNT, width=WIDTH, seed=0):
    return unit(np.random.default_rng(seed).normal(size=(count, width)))


def rotation(width, seed=5):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(width, width)))[0]


@pytest.mark.parametrize("name", FAISS_INDEXES)
def test_a_rewrite_in_place_with_the_same_vectors_changes_nothing(name):
    rows, query = drawn(), drawn(30, seed=1)
    index = FAISS_INDEXES[name](rows, 0)
    again = index.rewrites()[IN_PLACE](rows)
    np.testing.assert_array_equal(again.search(query, K), index.search(query, K))
    assert again.bytes_per_vector == index.bytes_per_vector


@pytest.mark.parametrize("name", FAISS_INDEXES)
def test_a_rewrite_leaves_the_index_it_comes_from(name):
    rows, query = drawn(), drawn(30, seed=1)
    index = FAISS_INDEXES[name](rows, 0)
    before = index.search(query, K)
    for rewrite in index.rewrites().values():
        rewrite(drawn(seed=2))
    np.testing.assert_array_equal(index.search(query, K), before)


@pytest.mark.parametrize("name", FAISS_INDEXES)
def test_a_rewritten_index_returns_the_other_vectors(name):
    # The mirror image keeps all distances, so the links of a graph still lead to the neighbors.
    other = -drawn()
    for rewrite in FAISS_INDEXES[name](drawn(), 0).rewrites().values():
        own = rewrite(other).search(other[:50], K)[:, 0]
        assert (own == np.arange(50)).mean() > 0.8


def test_flat_is_exact():
    rows, query = drawn(), drawn(30, seed=1)
    np.testing.assert_array_equal(FAISS_INDEXES["flat"](rows, 0).search(query, K), nearest(query, rows, K))


def test_pq_equals_a_quantizer_trained_on_the_old_vectors():
    rows, other, query = drawn(), drawn(seed=2), drawn(30, seed=1)
    wide = [np.pad(each, ((0, 0), (0, 4))) for each in (rows, other, query)]
    direct = faiss.IndexPQ(24, 3, 8, faiss.METRIC_INNER_PRODUCT)
    direct.pq.cp.seed, direct.pq.cp.niter = 7, 10
    direct.pq.cp.max_points_per_centroid, direct.pq.cp.min_points_per_centroid = 64, 1
    direct.train(wide[0])
    direct.add(wide[1])
    built = FAISS_INDEXES["pq"](rows, 7)
    np.testing.assert_array_equal(built.rewrites()[IN_PLACE](other).search(query, K), direct.search(wide[2], K)[1])
    assert built.bytes_per_vector == direct.code_size
    assert (built.search(query, K) != FAISS_INDEXES["pq"](rows, 8).search(query, K)).any()


def test_pq_trained_on_repeated_vectors_is_as_good():
    rows, query = drawn(2100), drawn(200, seed=1)
    direct = faiss.IndexPQ(24, 3, 8, faiss.METRIC_INNER_PRODUCT)
    direct.pq.cp.niter, direct.pq.cp.min_points_per_centroid = 10, 1
    direct.train(np.pad(rows, ((0, 0), (0, 4))))
    direct.add(np.pad(rows, ((0, 0), (0, 4))))
    space = Space.of("", rows, query, K)
    expected = space.recall(direct.search(np.pad(query, ((0, 0), (0, 4))), K)[1]).mean()
    assert space.recall(FAISS_INDEXES["pq"](rows, 0).search(query, K)).mean() == pytest.approx(expected, abs=0.05)


def test_ivf_equals_lists_of_the_old_centroids():
    rows, other, query = drawn(), drawn(seed=2), drawn(30, seed=1)
    quantizer = faiss.IndexFlatIP(WIDTH)
    direct = faiss.IndexIVFFlat(quantizer, WIDTH, 24, faiss.METRIC_INNER_PRODUCT)
    direct.cp.min_points_per_centroid, direct.nprobe, direct.cp.seed = 1, 4, 0
    direct.train(rows)
    direct.add(other)
    rewritten = FAISS_INDEXES["ivf"](rows, 0).rewrites()[IN_PLACE](other)
    np.testing.assert_array_equal(rewritten.search(query, K), direct.search(query, K)[1])


def test_int8_keeps_the_ranges_of_the_old_vectors():
    rows, query = drawn() * 0.5, drawn(30, seed=1)
    other = unit(drawn(seed=2))
    direct = faiss.IndexScalarQuantizer(WIDTH, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
    direct.train(rows)
    direct.add(other)
    rewritten = FAISS_INDEXES["int8"](rows, 0).rewrites()[IN_PLACE](other)
    np.testing.assert_array_equal(rewritten.search(query, K), direct.search(query, K)[1])


def test_binary_lists_have_the_smallest_hamming_distances():
    rows, query = drawn(), drawn(30, seed=1)
    scores = hamming_scores(sign_bits(query), sign_bits(rows), WIDTH)
    found = np.take_along_axis(scores, FAISS_INDEXES["binary"](rows, 0).search(query, K), axis=1)
    np.testing.assert_array_equal(found, -np.sort(-scores, axis=1)[:, :K])


def test_hnsw_equals_a_graph_of_its_own():
    rows, query = drawn(), drawn(30, seed=1)
    direct = faiss.IndexHNSWFlat(WIDTH, LINKS, faiss.METRIC_INNER_PRODUCT)
    direct.hnsw.efConstruction, direct.hnsw.efSearch = 64, SEARCH_EFFORT
    direct.add(rows)
    np.testing.assert_array_equal(FAISS_INDEXES["hnsw"](rows, 0).search(query, K), direct.search(query, K)[1])


def test_links_of_hnsw_survive_a_rotation_and_not_another_map():
    rows, query = drawn(3000, 48), drawn(200, 48, seed=1)
    index = FAISS_INDEXES["hnsw"](rows, 0)
    turned = Space.of("", rows @ rotation(48), query @ rotation(48), K)
    stretch = rotation(48) * np.exp(np.linspace(-3, 3, 48))
    stretched = Space.of("", rows @ stretch, query @ stretch, K)
    before = Space.of("", rows, query, K).recall(index.search(query, K)).mean()
    kept, hurt, again = (
        space.recall(built.search(space.query, K)).mean()
        for space, built in (
            (turned, index.rewrites()[IN_PLACE](turned.rows)),
            (stretched, index.rewrites()[IN_PLACE](stretched.rows)),
            (stretched, FAISS_INDEXES["hnsw"](stretched.rows, 0)),
        )
    )
    assert kept == pytest.approx(before, abs=0.003)
    assert hurt < again - 0.1


def test_items_added_beside_deleted_ones_are_found_and_the_deleted_are_not():
    rows = drawn()
    index = FAISS_INDEXES["hnsw"](rows, 0)
    added = index.rewrites()[ADDED](-rows)
    found = added.search(rows[:50], K)
    exact = nearest(rows[:50], -rows, K)
    assert found.min() >= 0
    assert found.max() < COUNT
    assert np.mean([len(set(one) & set(other)) / K for one, other in zip(found, exact, strict=True)]) > 0.9
    assert added.bytes_per_vector == pytest.approx(2 * index.bytes_per_vector, rel=0.05)


def test_one_thread_and_then_as_many_as_before():
    faiss.omp_set_num_threads(2)
    with pytest.raises(KeyError), one_faiss_thread():
        assert faiss.omp_get_max_threads() == 1
        raise KeyError
    assert faiss.omp_get_max_threads() == 2


def test_usearch_finds_rewritten_items_and_none_twice():
    pytest.importorskip("usearch")
    rows, query = drawn(), drawn(30, seed=1)
    index = build_usearch(rows, 0)
    for built, stored in ((index, rows), (index.rewrites()[ADDED](-rows), -rows)):
        space = Space.of("", stored, query, K)
        found = built.search(query, K)
        assert all(len(set(each)) == K for each in found.tolist())
        assert space.recall(found).mean() > 0.95
        assert built.search(query[:1], K).tolist() == found[:1].tolist()
    assert 4 * WIDTH < index.bytes_per_vector < 4 * WIDTH + 400
