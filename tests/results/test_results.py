import json

import pytest

from clsim.results.record import SessionRecord
from clsim.results.results import Results
from clsim.utils.errors import UserError


def record(session, accuracies, accuracy):
    return SessionRecord(session, accuracy=accuracy, accuracy_by_session=accuracies)


def test_results_sum_up_their_sessions(tmp_path):
    results = Results("s", "m", 1, tmp_path)
    assert results.summary() == {}
    results.add(record(0, [0.9], 0.9), 100)
    results.add(record(1, [0.8, 0.2], 0.6), 200)
    summary = results.summary()
    assert summary["average_accuracy"] == pytest.approx(0.75)
    assert summary["average_accuracy_weighted"] == pytest.approx(0.7)
    assert summary["final_accuracy"] == 0.6
    assert summary["performance_drop"] == pytest.approx(0.3)
    assert summary["average_forgetting"] == pytest.approx(0.1)
    content = results.to_dict()
    assert content["format"] == 1
    assert json.loads(json.dumps(content)) == content


def test_results_are_read_back(tmp_path):
    results = Results("s", "m", 1, tmp_path, status="complete")
    results.add(record(0, [0.5], 0.5), 10)
    results.add(record(1, [0.25, 0.5], 0.25), 20)
    (tmp_path / "results.json").write_text(json.dumps(results.to_dict()))
    assert Results.read(tmp_path).to_dict() == results.to_dict()
    for damaged in ("", "[]", "{}", '{"scenario": 1}', "[" * 100_000):
        (tmp_path / "results.json").write_text(damaged)
        with pytest.raises(UserError, match="damaged"):
            Results.read(tmp_path)
    (tmp_path / "results.json").unlink()
    with pytest.raises(UserError, match="there are no results"):
        Results.read(tmp_path)
