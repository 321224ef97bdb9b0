"""The embedded scenario of image-text models: the old index serves the new model's queries, better than its own did."""

import pytest

import clsim
from clsim.metrics.pair_tests import DIRECTIONS


def crossed(results):
    """For each direction: old query on old index, new query on old index."""
    matrices = [results["matrices"][f"recall@1/{direction}"] for direction in DIRECTIONS]
    return [(matrix[0][0], matrix[1][0]) for matrix in matrices]


@pytest.fixture(scope="module")
def procrustes(tmp_path_factory):
    """There is nothing random in it."""
    out = tmp_path_factory.mktemp("turned") / "run"
    return clsim.run("shapes_text_upgrade", "clip_procrustes", out=out, device="cpu").to_dict()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [42, 13, 50])
def test_queries_by_the_new_model_find_more_in_the_old_index_than_the_old_models_own(seed, procrustes, tmp_path):
    results = clsim.run("shapes_text_upgrade", "xbt", seed=seed, out=tmp_path / "run", device="cpu").to_dict()
    assert results["stands_in_for"] is None
    for (old, new), (same_old, turned) in zip(crossed(results), crossed(procrustes), strict=True):
        assert old == same_old > 10 / 500  # an index that is worth keeping: chance finds one image in 500
        assert new > old
        assert new > turned
    compatible = results["sessions"][1]["compatibility"]["compatible"]
    assert compatible["recall@1/image_to_text"] and compatible["recall@1/text_to_image"]
    assert results["summary"]["ac"] == 1.0
