import copy
import json
import random

import pytest
from verify.tampering import edit

from clsim.utils.errors import UserError
from clsim.verify import read_run, verify

BROKEN = {
    "cut short": lambda text: text[: len(text) // 2],
    "no JSON": lambda text: "accuracy",
    "NaN": lambda text: text.replace('"train_seconds": ', '"train_seconds": NaN, "was": ', 1),
    "infinite": lambda text: text.replace('"train_seconds": ', '"train_seconds": 1e999, "was": ', 1),
    "digits": lambda text: text.replace('"train_seconds": ', f'"train_seconds": {"7" * 5000}, "was": ', 1),
    "deep": lambda text: text.replace('"train_seconds": ', f'"train_seconds": {"[" * 100_000}, "was": ', 1),
    "nested": lambda text: text.replace('"train_seconds": ', f'"x": {"[" * 40}{"]" * 40}, "train_seconds": ', 1),
    "a key missing": lambda text: text.replace('"accuracy":', '"akkuracy":', 1),
    "text": lambda text: text.replace('"accuracy": ', '"accuracy": "0.5", "was": ', 1),
    "true": lambda text: text.replace('"accuracy": ', '"accuracy": true, "was": ', 1),
    "null": lambda text: text.replace('"seen_classes": ', '"seen_classes": null, "was": ', 1),
    "above one": lambda text: text.replace('"accuracy": ', '"accuracy": 1.5, "was": ', 1),
    "a list": lambda text: text.replace('"forgetting": null', '"forgetting": [1]', 1),
    "top": lambda text: "[1]",
    "a number": lambda text: "7",
}


@pytest.mark.parametrize("name", ["results.json", "sessions.jsonl"])
@pytest.mark.parametrize("how", BROKEN)
def test_a_damaged_file_is_named(run, command, name, how):
    path = run("fscil")
    before = (path / name).read_text()
    (path / name).write_text(BROKEN[how](before))
    assert (path / name).read_text() != before
    code, out, err = command("verify", path)
    assert (code, out) == (2, "")
    assert str(path / name) in err


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", "{}", '{"hashes": 5}', "\x00", '{"seed": NaN}', "[" * 10**5, '"\\ud800"']
)
def test_a_damaged_manifest_is_named(run, command, content):
    path = run("fscil")
    (path / "manifest.json").write_text(content)
    code, _, err = command("verify", path)
    assert code == 2
    assert str(path / "manifest.json") in err


def test_a_file_that_is_none(run):
    path = run("fscil")
    for name in ("results.json", "manifest.json"):
        (path / name).unlink()
        (path / name).mkdir()
        with pytest.raises(UserError, match="no file"):
            verify(path)
    path = run("upgrade")
    (path / "results.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(UserError, match="UTF-8"):
        verify(path)


def test_what_is_no_run_directory(tmp_path, command):
    (tmp_path / "file").write_text("")
    for place, said in (("nowhere", "no such run"), ("file", "a file, not a run"), (".", "no manifest.json")):
        code, out, err = command("verify", tmp_path / place)
        assert (code, out) == (2, "")
        assert said in err and str(tmp_path) in err


def test_strings_that_no_console_can_print(run, command):
    path = run("fscil")
    edit(path / "results.json", lambda content: content.update(strategy="\ud800\x1b[31m\n"))
    for options in ([], ["--json"]):
        code, out, _ = command("verify", path, *options)
        assert code == 1
        assert "\x1b" not in out and "\ud800" not in out


def test_a_last_line_that_was_cut_off_is_that_of_a_killed_run(run):
    path = run("fscil")
    edit(path / "results.json", lambda content: (content.update(status="interrupted"), content["sessions"].pop()))
    lines = (path / "sessions.jsonl").read_text()
    (path / "sessions.jsonl").write_text(lines[:-40])
    assert len(read_run(path).lines) == 2
    (path / "sessions.jsonl").write_text("")
    assert read_run(path).lines == []


def test_no_mutated_file_of_json_ends_in_a_crash(run):
    """Values of every kind in every place: an error that a user can read, or a verdict."""
    path, rng, ended = run("replaced"), random.Random(3), dict.fromkeys(("refused", "verified"), 0)
    values = [None, True, 0, -1, 10**30, 0.25, "", "0.5", [], {}, [[]], [None], {"": None}, [0.5] * 4, "\u2028"]
    names = ("results.json", "manifest.json", "sessions.jsonl")
    texts = {name: (path / name).read_text() for name in names}
    for number in range(240):
        name = names[number % 3]
        lines = texts[name].splitlines() if name == "sessions.jsonl" else [texts[name]]
        contents = [json.loads(line) for line in lines]
        for _ in range(rng.choice([1, 1, 2, 5])):
            place = rng.choice(contents)
            while True:
                keys = list(place) if isinstance(place, dict) else range(len(place))
                key = rng.choice(keys)
                if isinstance(place[key], dict | list) and place[key] and rng.random() < 0.8:
                    place = place[key]
                    continue
                if rng.random() < 0.2:
                    del place[key]
                else:
                    place[key] = copy.deepcopy(rng.choice(values))
                break
            if not all(contents):
                break
        (path / name).write_text("\n".join(json.dumps(content) for content in contents))
        try:
            verify(path)
            ended["verified"] += 1
        except UserError as error:
            assert str(path) in str(error)
            ended["refused"] += 1
        (path / name).write_text(texts[name])
    print(f"{sum(ended.values())} mutated files: {ended}")
    assert min(ended.values()) > 40
