import pytest
from huggingface_hub import constants

from clsim.models import hub
from clsim.utils import download


@pytest.mark.parametrize(
    ("error", "said", "fix"),
    [
        (ModuleNotFoundError(name="transformers.models"), "the package transformers", "pip install transformers"),
        (
            ImportError("T5Tokenizer requires SentencePiece"),
            "T5Tokenizer requires SentencePiece",
            "Install it with pip.",
        ),
    ],
)
def test_a_package_that_is_missing_is_named(error, said, fix):
    told = hub.package_missing("it", error)
    assert said in told.what
    assert told.fix == fix


@pytest.mark.parametrize("reachable", [True, False])
def test_the_hub_is_asked_only_where_it_answers(monkeypatch, reachable):
    monkeypatch.setattr(download, "reachable", lambda url: reachable)
    before = constants.HF_HUB_OFFLINE
    with hub.cached_if_unreachable():
        assert bool(constants.HF_HUB_OFFLINE) is (before or not reachable)
    assert before == constants.HF_HUB_OFFLINE
