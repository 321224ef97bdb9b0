import json

import pytest
from verify.tampering import change_at, differing, edit, rewrite_lines

from clsim.results.manifest import seal

LINES = "sessions.jsonl and results.json"
ACCURACIES = "accuracies from those by session"
GAINS = "AC, AM and gains from the matrix"
RECORDS = [
    ("fscil", "0.accuracy", ACCURACIES),
    ("fscil", "2.accuracy", ACCURACIES),
    ("fscil", "1.base_accuracy", ACCURACIES),
    ("fscil", "2.novel_accuracy", ACCURACIES),
    ("fscil", "2.accuracy_by_session.1", ACCURACIES),
    ("fscil", "1.harmonic_mean", "harmonic means"),
    ("fscil", "2.forgetting.from_best", "forgetting of every session"),
    ("fscil", "2.forgetting.from_first", "forgetting of every session"),
    ("fscil", "1.seen_classes", "sessions in their order"),
    ("fscil", "1.train_seconds", None),
    ("fscil", "0.images_trained", None),
    ("replaced", "1.compatibility.self_test", "matrix of nearest_class_mean from features"),
    ("replaced", "1.compatibility.cross_tests.0", "matrix of nearest_class_mean from features"),
    ("replaced", "1.compatibility.also.map.0", "matrix of map from features"),
    ("replaced", "0.compatibility.also.cmc@1.0", "matrix of cmc@1 from features"),
    ("replaced", "1.compatibility.am", GAINS),
    ("replaced", "1.compatibility.against_first", GAINS),
    ("replaced", "1.compatibility.negative_flip_rate", "flips and constraints from features"),
    ("replaced", "1.service.accuracy", "service from features"),
    ("replaced", "1.service.backfill.best_first.1", "service from features"),
    ("replaced", "1.service.items_by_version.0", "items of the service"),
    ("replaced", "1.service.images_not_reprocessed", "items of the service"),
    ("replaced", "1.service.device_seconds_saved", None),
    ("upgrade", "2.compatibility.ac", GAINS),
    ("upgrade", "1.compatibility.backward_compatibility", GAINS),
    ("upgrade", "2.compatibility.constraints.same_class", "flips and constraints from features"),
    ("texts", "1.accuracy", ACCURACIES),
    ("texts", "2.accuracy_by_session.0", ACCURACIES),
    ("texts", "2.compatibility.also.recall@5/text_to_image.0", "matrix of recall@5/text_to_image from features"),
    ("texts", "2.compatibility.self_test", "matrix and its two directions"),
    ("texts", "2.compatibility.compatible.recall@1/image_to_text", GAINS),
    ("texts", "2.compatibility.positive_flip_rate", "flips and constraints from features"),
]
"""A figure of a session, and what tells its change where both files of the sessions have it."""
FIGURES = [
    ("fscil", "summary.average_accuracy", "summary"),
    ("fscil", "summary.average_accuracy_weighted", "weighted average"),
    ("fscil", "summary.final_accuracy", "summary"),
    ("fscil", "summary.performance_drop", "summary"),
    ("fscil", "summary.average_forgetting", "summary"),
    ("fscil", "accuracy_matrix.2.0", "accuracy_matrix and the records"),
    ("fscil", "accuracy_matrix.0.0", "accuracy_matrix and the records"),
    ("fscil", "seed", "what ran, results.json and manifest"),
    ("fscil", "strategy", "what ran, results.json and manifest"),
    ("replaced", "summary.am", "summary"),
    ("upgrade", "summary.ac", "summary"),
    ("replaced", "summary.service.images_not_reprocessed", "summary"),
    ("replaced", "summary.service.device_seconds_saved", "summary"),
    ("replaced", "compatibility_matrix.1.0", "compatibility_matrix and the records"),
    ("replaced", "matrices.map.1.1", "matrices and the records"),
    ("texts", "matrices.recall@1/image_to_text.2.1", "matrices and the records"),
]


@pytest.mark.parametrize(("kind", "at", "told_by"), RECORDS)
def test_a_changed_figure_of_a_session_is_told(run, kind, at, told_by):
    path = run(kind)
    edit(path / "results.json", lambda content: change_at(content["sessions"], at))
    assert differing(path) >= {"file results.json", LINES}
    seal(path)
    assert LINES in (left := differing(path)) and "file results.json" not in left
    rewrite_lines(path)
    seal(path)
    if told_by is not None:
        assert told_by in differing(path)


@pytest.mark.parametrize(("kind", "at", "told_by"), FIGURES)
def test_a_changed_figure_of_the_whole_run_is_told(run, kind, at, told_by):
    path = run(kind)
    edit(path / "results.json", lambda content: change_at(content, at))
    assert differing(path) == {"file results.json", told_by}
    seal(path)
    assert differing(path) == {told_by}


def test_the_last_digit_counts_between_the_two_files(run):
    path = run("fscil")
    edit(path / "results.json", lambda content: content["sessions"][0].update(train_seconds=1e-17))
    seal(path)
    assert differing(path) == {LINES}


def test_a_session_left_out_or_moved_is_told(run):
    path = run("fscil")
    edit(path / "results.json", lambda content: content["sessions"].pop(1))
    rewrite_lines(path)
    seal(path)
    assert "sessions in their order" in differing(path)


def test_forgetting_that_was_not_asked_for_or_is_missing_is_told(run):
    path = run("fscil")
    edit(path / "results.json", lambda content: content["sessions"][1].update(forgetting=None))
    rewrite_lines(path)
    seal(path)
    assert differing(path) == {"forgetting of every session"}


def test_an_accuracy_that_is_no_share_of_the_images_is_told(run):
    """The last session alone: its mean and its row were made to fit."""
    path = run("fscil")

    def change(content):
        record = content["sessions"][0]
        record["accuracy"] = record["base_accuracy"] = record["accuracy_by_session"][0] = 0.777

    edit(path / "results.json", change)
    rewrite_lines(path)
    seal(path)
    assert "accuracies from those by session" in differing(path)


def test_a_run_composed_in_python_is_checked_without_a_scenario(made, tmp_path):
    from functools import partial

    import torch
    from helpers.tiny import TinyModel, tiny_dataset

    import clsim
    from clsim.streams import fscil
    from clsim.verify import verify

    stream = fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})
    strategy = clsim.Strategy(model=TinyModel(), optimizer=partial(torch.optim.SGD, lr=0.1))
    clsim.run(stream, strategy, out=tmp_path / "run")
    verification = verify(tmp_path / "run")
    assert not verification.differs
    skipped = [check.what for check in verification.checks if check.verdict == "not checked"]
    assert skipped == ["strategy, data, split lists and weights"]
    edit(tmp_path / "run" / "results.json", lambda content: change_at(content, "sessions.2.forgetting.from_best"))
    rewrite_lines(tmp_path / "run")
    seal(tmp_path / "run")
    assert differing(tmp_path / "run") == {"forgetting of every session"}
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["test_images"] == [60, 80, 100]


@pytest.mark.parametrize("kind", ["grown", "held_out"])
def test_sessions_without_a_measured_class_are_null_in_every_file(made, kind):
    path = made(kind)
    results = json.loads((path / "results.json").read_text())
    rows = [record["accuracy_by_session"] for record in results["sessions"]]
    assert results["accuracy_matrix"] == rows
    assert [row[1:] for row in rows] == [[None] * session for session in range(len(rows))]
    base = [row[0] for row in rows]
    assert None not in base
    for session, record in enumerate(results["sessions"][1:], start=1):
        assert record["accuracy"] == record["base_accuracy"] == base[session]
        assert record["novel_accuracy"] is record["harmonic_mean"] is None
        assert record["forgetting"]["from_best"] == pytest.approx(max(base[:session]) - base[session])
        assert record["forgetting"]["from_first"] == pytest.approx(base[0] - base[session])
    lost = [max(base[:session]) - base[session] for session in range(1, len(base))]
    assert results["summary"]["average_forgetting"] == pytest.approx(sum(lost) / len(lost))
    assert results["summary"]["average_accuracy"] == pytest.approx(sum(base) / len(base))


@pytest.mark.parametrize("kind", ["grown", "held_out"])
def test_an_accuracy_of_no_image_is_told(run, kind):
    path = run(kind)
    edit(path / "results.json", lambda content: content["sessions"][1]["accuracy_by_session"].__setitem__(1, 0.0))
    rewrite_lines(path)
    seal(path)
    assert ACCURACIES in differing(path)


def test_a_measured_session_without_an_accuracy_is_told(run):
    path = run("fscil")
    edit(path / "results.json", lambda content: content["sessions"][1]["accuracy_by_session"].__setitem__(1, None))
    rewrite_lines(path)
    seal(path)
    assert ACCURACIES in differing(path)
