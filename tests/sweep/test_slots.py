"""How a machine is shared."""

import pytest

from clsim.sweep.schema import Sweep
from clsim.sweep.slots import gpus_here, places
from clsim.utils.errors import UserError


@pytest.mark.parametrize(
    ("needs", "asked", "cores", "gpus", "count", "threads"),
    [
        ({}, None, 8, 0, 8, 1),
        ({}, 2, 8, 0, 2, 4),
        ({}, 3, 8, 0, 3, 2),
        ({"cpus": 4}, None, 8, 0, 2, 4),
        ({"cpus": 0.5}, None, 8, 0, 10, 1),
        ({"cpus": 100}, None, 8, 0, 1, 100),
        ({}, None, 8, 2, 2, 4),
        ({"gpus": 0.5}, None, 8, 2, 4, 2),
        ({"gpus": 0.4}, None, 8, 1, 2, 4),
        ({"gpus": 2}, None, 8, 4, 2, 4),
        ({"gpus": 0}, None, 8, 2, 8, 1),
        ({"device": "cpu"}, None, 8, 2, 8, 1),
        ({"device": "cuda"}, 1, 8, 2, 1, 8),
    ],
)
def test_room(needs, asked, cores, gpus, count, threads):
    found = places(Sweep(**needs), 10, asked, cores, [str(number) for number in range(gpus)])
    assert (len(found), {place.threads for place in found}) == (count, {threads})
    seen = [place.environment["CUDA_VISIBLE_DEVICES"] for place in found]
    assert all(bool(each) == (gpus > 0 and needs.get("gpus") != 0 and needs.get("device") != "cpu") for each in seen)
    assert all(place.environment["OMP_NUM_THREADS"] == str(threads) for place in found)


def test_whole_gpus_are_nobody_elses():
    found = places(Sweep(gpus=2), 10, None, 8, ["0", "1", "GPU-x", "3", "4"])
    assert [place.gpus for place in found] == [("0", "1"), ("GPU-x", "3")]


@pytest.mark.parametrize("needs", [{"gpus": 2}, {"device": "cuda", "gpus": 0}])
def test_more_than_there_is(needs):
    with pytest.raises(UserError, match=r"gpus: 2 a run, and this machine has 1|no GPU"):
        places(Sweep(**needs), 10, None, 8, ["0"])


def test_no_more_places_than_runs():
    assert len(places(Sweep(), 3, 8, 8, [])) == 3


@pytest.mark.parametrize(("visible", "found"), [("", []), ("-1", []), ("1,3", ["1", "3"])])
def test_gpus_that_may_be_used(monkeypatch, visible, found):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus_here() == found
