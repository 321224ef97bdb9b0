"""Requirements of a pipeline."""

import pytest
from helpers.upgrades import FAST, inputs

from clsim.auditing.audit import audit_vectors
from clsim.auditing.require import Requirement, read_requirement
from clsim.utils.errors import UserError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("recall@10>=0.95", Requirement("recall@10", "value", ">=", 0.95)),
        (" cmc@1 < .5 ", Requirement("cmc@1", "value", "<", 0.5)),
        ("kept.low > 0.9", Requirement("kept", "low", ">", 0.9)),
        ("gain<=-0.1", Requirement("gain", "value", "<=", -0.1)),
    ],
)
def test_requirements_are_read(text, expected):
    assert read_requirement(text) == expected
    assert read_requirement(str(expected)) == expected


@pytest.mark.parametrize(
    "text", ["", "recall@10", "recall@10==1", "recall@10>=much", "recall@10.mean>0.5", ">0.5", "a>95", "a>nan"]
)
def test_other_texts_are_refused(text):
    with pytest.raises(UserError) as caught:
        read_requirement(text)
    assert caught.value.where == "--require"


def test_the_chosen_arrangement_is_compared():
    audit = audit_vectors(inputs(labeled=True), FAST)
    value = audit.chosen.figures["recall@10"]
    assert read_requirement(f"recall@10>={value.value}").met(audit)
    assert not read_requirement(f"recall@10>{value.value}").met(audit)
    assert not read_requirement(f"recall@10.low>={value.value}").met(audit)
    assert read_requirement(f"kept.high>={audit.chosen.kept.value}").met(audit)
    with pytest.raises(UserError, match="no figure 'recall@5'") as caught:
        read_requirement("recall@5>=0.5").met(audit)
    assert "recall@10" in caught.value.fix
