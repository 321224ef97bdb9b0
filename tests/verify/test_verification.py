import json

import pytest
from verify.tampering import differing, edit

from clsim.report import verification as verification_module
from clsim.report.verification import print_verification
from clsim.results.record import SessionRecord
from clsim.results.results import Results
from clsim.verify import verify

KINDS = ("fscil", "replaced", "upgrade", "texts", "grown", "held_out", "overlapping")
OF_ALL = {
    "hashes of files",
    "what ran, results.json and manifest",
    "sessions.jsonl and results.json",
    "accuracies from those by session",
    "harmonic means",
    "forgetting of every session",
    "accuracy_matrix and the records",
    "summary",
    "weighted average",
    "scenario.yaml",
    "clsim source",
    "strategy file",
    "train images",
    "test images",
    "split lists",
    "numbers of test images",
}
COMPARED = {
    "compatibility_matrix and the records",
    "matrices and the records",
    "AC, AM and gains from the matrix",
    "versions in features/",
    "headers of features and manifest",
    "flips and constraints from features",
}
OF_CLASSES = COMPARED | {
    "query images",
    "gallery images",
    "matrix of cmc@1 from features",
    "matrix of map from features",
}
OF_KIND = {
    "fscil": {"weights file of the strategy"},
    "replaced": OF_CLASSES
    | {"matrix of nearest_class_mean from features", "service from features", "items of the service"}
    | {"weights file trained"},
    "upgrade": OF_CLASSES | {"matrix of cmc@5 from features"},
    "grown": set(),
    "overlapping": OF_CLASSES
    | {"matrix of nearest_class_mean from features", "service from features", "items of the service"},
    "held_out": {"weights file of the strategy"},
    "texts": COMPARED
    | {f"matrix of recall@{k}/{side} from features" for k in (1, 5) for side in ("image_to_text", "text_to_image")}
    | {"matrix of recall@1 from features", "matrix and its two directions", "service from features"}
    | {"train captions", "test captions", "weights file small", "weights file large"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_run_that_nobody_touched_everything_agrees(made, kind):
    found = {check.what: check for check in verify(made(kind)).checks}
    assert {check.verdict for check in found.values()} == {"agrees"}, found
    assert OF_ALL | OF_KIND[kind] <= set(found)


def test_exit_codes_and_words_of_the_command(made, run, command, tmp_path):
    good, bad = made("fscil"), run("texts")
    code, out, err = command("verify", good)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert "agrees       summary" in lines
    assert lines[-1].startswith(f"{good}: ") and lines[-1].endswith(" agree, 0 differ, 0 not checked")
    (bad / "features" / "version1.safetensors").write_bytes(b"nonsense")
    code, out, err = command("verify", good, bad)
    assert (code, err) == (1, "")
    assert "DIFFERS      file features/version1.safetensors  (" in out
    code, out, err = command("verify", tmp_path / "nowhere", bad, good)
    assert code == 2
    assert "nowhere" in err and "0 differ" in out
    assert command("verify")[0] == 2


def test_one_object_a_run_for_machines(made, run, command):
    bad = run("texts")
    edit(bad / "results.json", lambda content: content["summary"].update(am=0.5))
    code, out, err = command("verify", "--json", made("fscil"), bad)
    assert (code, err) == (1, "")
    first, second = map(json.loads, out.splitlines())
    assert first["run"] == str(made("fscil")) and first["status"] == "complete" and first["sessions"] == 3
    assert (first["differs"], second["differs"]) == (False, True)
    assert {"what": "harmonic means", "verdict": "agrees", "detail": ""} in first["checks"]
    (summary,) = [check for check in second["checks"] if check["what"] == "summary"]
    assert summary["verdict"] == "DIFFERS" and summary["detail"].startswith("summary.am: 0.5 in the file, ")


def test_a_table_on_a_terminal(run, monkeypatch, capsys):
    path = run("fscil")
    edit(path / "results.json", lambda content: content.update(seed=9))
    monkeypatch.setattr(verification_module, "is_terminal", lambda stream: True)
    print_verification(verify(path))
    said = capsys.readouterr().out
    assert "seed: 9 in the file, 1 computed" in said and "2 differ" in said


def test_a_run_that_is_not_complete_is_verified_as_far_as_it_goes(run, command):
    path = run("replaced")

    def interrupted(content):
        content.update(status="interrupted", summary={}, accuracy_matrix=[], matrices={}, compatibility_matrix=None)
        content["sessions"].clear()

    edit(path / "manifest.json", lambda content: content.pop("files"))
    full = json.loads((path / "results.json").read_text())
    # Killed after the features and the line of session 1, before the file of all sessions.
    one = Results("", "", 0, path)
    one.add(SessionRecord.from_dict(full["sessions"][0]), 18)
    again = one.to_dict()
    kept = ("summary", "accuracy_matrix", "compatibility_matrix", "matrices")
    edit(path / "results.json", lambda content: content.update({key: again[key] for key in kept}, status="interrupted"))
    edit(path / "results.json", lambda content: content["sessions"].pop())
    code, out, _ = command("verify", path)
    assert code == 0, out
    assert "not checked  hashes of files" in out
    assert out.splitlines()[-1].endswith("not complete (interrupted, 1 session ended): only these were verified")
    assert "agrees       service from features" in out

    edit(path / "results.json", lambda content: content["summary"].update(final_accuracy=0.123))
    assert command("verify", path)[0] == 1
    edit(path / "results.json", interrupted)
    (path / "features" / "version1.safetensors").unlink()
    assert command("verify", path)[0] == 0
    (path / "results.json").unlink()
    (path / "sessions.jsonl").unlink()
    code, out, _ = command("verify", path)
    assert code == 0
    assert "not begun" in out


def test_a_complete_run_whose_hashes_were_removed_is_told(run):
    path = run("fscil")
    edit(path / "manifest.json", lambda content: content.pop("files"))
    assert differing(path) == {"hashes of files"}


def test_hashes_lead_nowhere_outside_the_run(run):
    path = run("fscil")
    edit(path / "manifest.json", lambda content: content["files"].update({"../../secret": "0" * 64}))
    assert differing(path) == {"file ../../secret"}


def test_nothing_is_changed_by_looking(run):
    path = run("replaced")
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in path.rglob("*") if file.is_file()}
    verify(path)
    assert {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in path.rglob("*") if file.is_file()} == before


def test_a_run_of_an_earlier_clsim_is_verified_as_far_as_its_manifest_goes(run):
    path = run("replaced")

    def earlier(content):
        for key in ("files", "split_lists", "test_images", "determinism", "batch_sizes"):
            del content[key]
        for key in [key for key in content["hashes"] if key.startswith(("weights", "clsim", "split", "scenario"))]:
            del content["hashes"][key]

    edit(path / "manifest.json", earlier)
    verification = verify(path)
    assert not verification.differs
    skipped = {check.what for check in verification.checks if check.verdict == "not checked"}
    assert skipped == {
        "hashes of files",
        "accuracies from those by session",
        "weighted average",
        "scenario.yaml",
        "clsim source",
        "split lists",
    }
