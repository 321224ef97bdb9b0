"""The embedded scenario of replacement: stationary features withstand it, learnt classifiers do not."""

import pytest

import clsim


@pytest.fixture(scope="module", params=[42, 13, 50])
def results(request, tmp_path_factory):
    folder, seed = tmp_path_factory.mktemp("replaced"), request.param
    return {
        name: clsim.run("shapes_replacement", name, seed=seed, out=folder / name, device="cpu").to_dict()
        for name in ("stationary", "replay")
    }


@pytest.mark.slow
def test_queries_by_what_arrived_find_what_its_predecessors_indexed(results):
    assert results["stationary"]["summary"]["ac"] >= 0.8
    assert results["replay"]["summary"]["ac"] <= 0.25
    assert results["stationary"]["summary"]["am"] >= results["replay"]["summary"]["am"] + 0.15


@pytest.mark.slow
def test_the_models_that_arrive_are_no_worse_for_replay_than_for_the_simplex(results):
    """Or else it would be the arriving models that fail, and not the comparison with their predecessors."""
    own = {
        name: [session["compatibility"]["self_test"] for session in result["sessions"]]
        for name, result in results.items()
    }
    for stationary, replay in zip(own["stationary"], own["replay"], strict=True):
        assert replay > stationary - 0.05
    # Both know the classes of the comparison far better than chance, which is 1 in 40.
    assert min(map(min, own.values())) > 0.15
    across = results["replay"]["sessions"][2]["compatibility"]["cross_tests"]
    assert max(across) < 0.1
