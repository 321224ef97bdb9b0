"""Strict YAML: plain values, every line known, every problem located."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from clsim.config.yaml import dump, parse, read
from clsim.utils.errors import UserErrors


def test_keys_and_items_know_their_lines() -> None:
    document = parse("a: 1\nb:\n  - x\n  - {c: 2,\n     d: 3}\n", "f.yaml")
    assert document.value == {"a": 1, "b": ["x", {"c": 2, "d": 3}]}
    assert document.place(("b",)) == "f.yaml:2"
    assert document.place(("b", 1)) == "f.yaml:4"
    assert document.place(("b", 1, "d")) == "f.yaml:5"
    assert document.place(("b", 1, "absent", "deeper")) == "f.yaml:4"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),
        ("-1.5E+3", -1500.0),
        (".5", 0.5),
        ("0o17", 15),
        ("0x1F", 31),
        ("010", 10),
        ("no", "no"),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("1_000", "1_000"),
        ("'5'", "5"),
        ('"true"', "true"),
        ("True", True),
        ("~", None),
        ("", None),
        ("-.inf", float("-inf")),
        ("9" * 5000, float("inf")),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    got = parse(f"a: {text}", "f").value["a"]
    assert got == value
    assert type(got) is type(value)


def test_what_is_dumped_is_read_back_the_same_by_both_readers() -> None:
    words = ["1e-5", "yes", "0o17", "true", "~", "", "1:30", "2020-01-01", "a: b # c", "<<", "=", "é\nü", "*x"]
    value = {"words": words, "numbers": [1, 1e-5, 1.0, 1e300], "other": [True, None, [], {}], "again": words}
    assert parse(dump(value), "f").value == value
    assert yaml.safe_load(dump(value)) == value


def test_every_duplicate_key_is_reported_and_the_first_counts() -> None:
    document = parse("a: 1\nb: {c: 1, c: 2}\na: {b: 1, b: 2}\n", "f")
    assert document.value == {"a": 1, "b": {"c": 1}}
    assert [(p.where, p.what) for p in document.problems] == [
        ("f:2", "the key 'c' appears twice, first in line 2"),
        ("f:3", "the key 'a' appears twice, first in line 1"),
    ]


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("a:\n\t- 1", "f:2", "tab"),
        ("a: [1,\n2", "f:2", "not valid YAML"),
        ("a: 'x\n", "f:2", "not valid YAML"),
        ("a: 1\nb: c: d", "f:2", "not valid YAML"),
        ("a: 1\n---\nb: 2", "f:2", "second document"),
        ("a: &x [1]\nb: *x", "f:2", "alias *x"),
        ("a: !!python/object/apply:os.system ['true']", "f:1", "tag"),
        ("a: 1\nb: !x 2", "f:2", "tag !x"),
        ("a: 1\n? [x]\n: 1", "f:2", "a key is a word"),
        ("a: 1\nb: \x00", "f:2", "control character"),
        ("[" * 50_000, "f:1", "nested deeper"),
        ("{a: " * 50_000, "f:1", "nested deeper"),
        ("- " * 50_000, "f:1", "nested deeper"),
        ("%YAML 3.0\n---\na: 1", "f:1", "not valid YAML"),
    ],
)
def test_what_is_no_plain_document_is_refused_with_its_line(text: str, where: str, what: str) -> None:
    with pytest.raises(UserErrors) as caught:
        parse(text, "f")
    (problem,) = caught.value.errors
    assert problem.where == where
    assert what in problem.what


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: 1\n1: 2", "the key 1 is not a string"),
        ("a: 1\n'': 2", "is not a string"),
        ("a: {}\n<<: {b: 1}", "merge keys"),
    ],
)
def test_impossible_keys_are_reported_with_their_line(text: str, what: str) -> None:
    (problem,) = parse(text, "f").problems
    assert problem.where == "f:2"
    assert what in problem.what


def test_an_alias_bomb_costs_nothing() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 64)]
    with pytest.raises(UserErrors, match=r"alias \*a0"):
        parse("\n".join(lines), "f")


@pytest.mark.parametrize(
    ("content", "where", "what"),
    [
        (b"a: 1\nb: \xff\n", "x.yaml:2", "UTF-8"),
        ("a: 1".encode("utf-16"), "x.yaml:1", "UTF-8"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "x.yaml:1", "UTF-8"),
        (b"#" * (2 << 20), "x.yaml", "larger than 1 MiB"),
    ],
)
def test_files_that_are_no_text_are_refused(
    content: bytes, where: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.yaml").write_bytes(content)
    with pytest.raises(UserErrors) as caught:
        read(Path("x.yaml"))
    assert caught.value.errors[0].where == where
    assert what in caught.value.errors[0].what


def test_a_byte_order_mark_and_windows_lines_are_fine(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    document = read(tmp_path / "x.yaml")
    assert document.value == {"a": 1, "b": 2}
    assert document.place(("b",)).endswith("x.yaml:2")


def test_a_directory_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserErrors, match="directory"):
        read(tmp_path)
    with pytest.raises(UserErrors, match="cannot be read"):
        read(tmp_path / "absent.yaml")
