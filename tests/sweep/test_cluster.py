"""A sweep on a Ray cluster of two nodes of this machine, one of which is lost."""

import json
import os
import signal
import threading
import time

import pytest
from helpers.kills import left
from helpers.sweeping import Workspace

STORE = 80 * 2**20


@pytest.fixture
def cluster(tmp_path, monkeypatch, capsys):
    """A workspace and a cluster; its nodes have the environment of the moment when they start."""
    ray = pytest.importorskip("ray")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    workspace = Workspace(tmp_path, monkeypatch, capsys)
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False}
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a script has it that starts a cluster in the background
    cluster = Cluster(initialize_head=True, head_node_args=head)
    signal.signal(signal.SIGINT, before)
    yield workspace, cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.mark.slow
def test_a_node_is_lost_and_nothing_with_it(cluster):
    workspace, nodes = cluster
    lost = nodes.add_node(num_cpus=1, object_store_memory=STORE)
    known = workspace.root / "known"
    waits = {"strategy.waits": 60, "strategy.until": str(known)}
    path = workspace.write(strategies=["steady", "other"], seeds=[1, 2, 3], overrides=waits)
    killed = []

    def kill():
        """As soon as two runs have checkpoints amid a session, there is one on each node."""
        ends = time.monotonic() + 120
        while time.monotonic() < ends:
            if len({found.parent for found in workspace.root.glob("onray/things/*/*/*/checkpoints/*-step*")}) == 2:
                nodes.remove_node(lost, allow_graceful=False)
                killed.append(lost)
                break
            time.sleep(0.05)
        known.touch()

    watch = threading.Thread(target=kill)
    watch.start()
    said = workspace.clsim("sweep", path, "--engine", "ray", "--address", nodes.address, "--out", "onray")
    watch.join()
    assert said.code == 0, said.err
    assert killed
    states = workspace.states("onray")
    assert [entry["state"] for entry in states.values()] == ["complete"] * 6
    assert max(entry["attempts"] for entry in states.values()) == 2
    assert workspace.clsim("sweep", path, "--out", "here").code == 0
    for run in states:
        assert left(workspace.root / "onray" / run) == left(workspace.root / "here" / run)


@pytest.mark.slow
def test_a_sweep_on_a_cluster_that_is_stopped_saves(cluster):
    workspace, nodes = cluster
    path = workspace.write(strategies=["steady"], seeds=[1, 2], overrides={"strategy.waits": 3})

    def stop():
        ends = time.monotonic() + 120
        while time.monotonic() < ends and not list(workspace.root.glob("onray/things/*/*/seed*/checkpoints/*-step*")):
            time.sleep(0.05)
        os.kill(os.getpid(), 15)

    watch = threading.Thread(target=stop)
    watch.start()
    said = workspace.clsim("sweep", path, "--engine", "ray", "--address", nodes.address, "--out", "onray")
    watch.join()
    assert said.code == 130, said.err
    assert "repeat the command to resume" in said.err
    (results,) = workspace.root.glob("onray/things/*/*/seed*/results.json")
    assert json.loads(results.read_text())["status"] == "interrupted"
    ends = time.monotonic() + 30
    while (results.parent / ".lock").exists() and time.monotonic() < ends:
        time.sleep(0.1)
    assert not (results.parent / ".lock").exists()


def test_no_cluster_there(tmp_path, monkeypatch, capsys):
    pytest.importorskip("ray")
    workspace = Workspace(tmp_path, monkeypatch, capsys)
    monkeypatch.setattr("ray.init", _refused)
    said = workspace.clsim("sweep", workspace.write(), "--engine", "ray", "--address", "auto")
    assert said.code == 2
    assert "no Ray cluster at auto: nobody there" in said.err


def _refused(**options):
    raise ConnectionError("nobody there\nand more")
