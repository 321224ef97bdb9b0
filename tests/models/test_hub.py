import pytest
from huggingface_hub import constants

from clsim.models import hub


@pytest.mark.parametrize("reachable", [True, False])
def test_the_hub_is_asked_only_where_it_answers(monkeypatch, reachable):
    monkeypatch.setattr("clsim.network.reachable", lambda url: reachable)
    before = constants.HF_HUB_OFFLINE
    with hub.cached_if_unreachable():
        assert bool(constants.HF_HUB_OFFLINE) is (before or not reachable)
    assert before == constants.HF_HUB_OFFLINE
