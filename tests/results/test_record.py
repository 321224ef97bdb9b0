import json
from dataclasses import fields
from pathlib import Path

from clsim.results.record import NOT_BEFORE, SessionRecord

OLD = Path(__file__).parents[1] / "experiment" / "checkpoint" / "from_before" / "rehearsal" / "results.json"


def test_a_record_of_an_earlier_version_is_read_and_written_byte_for_byte():
    (stored,) = json.loads(OLD.read_text())["sessions"]
    record = SessionRecord.from_dict(stored)
    assert json.dumps(record.to_dict()) == json.dumps(stored)
    assert (record.session, record.accuracy, record.others) == (0, stored["accuracy"], {})


def test_missing_keys_have_defaults_and_unknown_ones_are_stored():
    record = SessionRecord.from_dict({"session": 2, "accuracy": 0.5, "from_tomorrow": [1]})
    assert (record.accuracy, record.metrics, record.service) == (0.5, {}, None)
    assert record.to_dict()["from_tomorrow"] == [1]
    names = [each.name for each in fields(SessionRecord) if each.name not in NOT_BEFORE]
    assert list(record.to_dict())[:-1] == names[:-1]
    counted = SessionRecord(session=0, train_flops=0).to_dict()
    assert counted["train_flops"] == 0
    assert "eval_flops" not in counted


def test_a_measured_calibration_is_written():
    known = {"ece": 0.25, "nll": None, "brier": 0.5}
    assert SessionRecord.from_dict({"session": 2, "calibration": known}).to_dict()["calibration"] == known
    assert "calibration" not in SessionRecord.from_dict({"session": 2}).to_dict()
