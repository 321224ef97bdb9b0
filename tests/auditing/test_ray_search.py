"""Search over shards on a Ray cluster of two nodes, one of which is lost."""

import signal
import threading
import time

import numpy as np
import pytest
import torch

from clsim.auditing import search as module
from clsim.auditing.ray_search import RaySearch, shard_of
from clsim.auditing.search import search
from clsim.data.vectors import VectorSet, open_vectors
from clsim.models.bridges import make_bridge

STORE = 80 * 2**20


@pytest.fixture(scope="module")
def nodes():
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False}
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    cluster = Cluster(initialize_head=True, head_node_args=head)
    signal.signal(signal.SIGINT, before)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def test_a_shard_of_a_file_is_its_positions(tmp_path):
    np.save(tmp_path / "v.npy", np.arange(12, dtype=np.float32).reshape(6, 2))
    mapped = open_vectors(tmp_path / "v.npy").take(np.array([5, 0, 3]))
    shard = shard_of(mapped, 1, 3)
    assert isinstance(shard.rows, tuple) and shard.open()[:].tolist() == [[0, 1], [6, 7]]
    memory = shard_of(VectorSet(np.arange(6.0).reshape(3, 2)).take(np.array([2, 1])), 0, 1)
    assert memory.rows.tolist() == [[4, 5]]


@pytest.mark.slow
def test_lists_are_those_of_one_process_also_when_a_node_is_lost(nodes, tmp_path):
    lost = nodes.add_node(num_cpus=1, object_store_memory=STORE)
    engine = RaySearch(nodes.address, shard=2 * module.ITEMS)
    random = np.random.default_rng(0)
    rows = random.normal(size=(7 * module.ITEMS // 2, 8)).astype(np.float32)
    rows[1000:1010] = rows[5]  # ties
    np.save(tmp_path / "v.npy", rows)
    old = torch.from_numpy(rows[:500])
    bridge = make_bridge("ridge", side="gallery").fit(old, old.flip(1))
    queries = {"a": torch.from_numpy(rows[:40]), "b": torch.from_numpy(rows[50:53])}
    for gallery in (open_vectors(tmp_path / "v.npy"), VectorSet(rows).take(np.arange(0, len(rows), 2))):
        for transform in (None, bridge.transform):
            here, there = search(queries, gallery, 20, transform), engine(queries, gallery, 20, transform)
            for name in queries:
                assert there[name].items.equal(here[name].items) and there[name].scores.equal(here[name].scores)
    many = RaySearch(nodes.address, shard=module.ITEMS // 64)

    def kill():
        time.sleep(1)
        nodes.remove_node(lost, allow_graceful=False)

    watch = threading.Thread(target=kill)
    watch.start()
    gallery = open_vectors(tmp_path / "v.npy")
    there, here = many(queries, gallery, 20), search(queries, gallery, 20)
    watch.join()
    for name in queries:
        assert torch.allclose(there[name].scores, here[name].scores, atol=1e-6)
    assert many({}, gallery, 20) == {}
