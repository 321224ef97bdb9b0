"""Malformed scenarios: a list of bad files, and changes of valid scenarios for property tests."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite

from clsim.config.yaml import KeyPath, dump

RIGHT = """\
stream:
  kind: fscil
  dataset: shapes
  base_classes: 60
  ways: 5
  shots: 5
  splits: {draw: 1}
  class_order: natural
strategy: zero_shot
seed: 42
"""
JUNK: list[Any] = [
    *(None, True, -1, 0, 2.5, 1e300, float("nan"), float("inf"), float("-inf"), 10**18, 10**999),
    *("", "text", "\x1b[2J\u202e", "../../x", "x" * 5000, "a\nb", "2020-01-01", "folder:"),
    *([], [[]], [None], {}, {"": 1}, {"a": {"b": 1}}, [1] * 300, [{"kind": "fscil"}]),
]
ATTACKS = ["os.system ['touch marker']", 'builtins.exec [\'open("marker", "w")\']', "subprocess.Popen [touch]"]
LAUGHS = "\n".join(
    ["a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]"]
    + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
)
FILES: dict[str, bytes] = {
    "empty": b"",
    "blank": b" \n\n",
    "a comment": b"# nothing\n",
    "null": b"~",
    "only ---": b"---\n",
    "a list": b"- stream\n- strategy\n",
    "a number": b"5",
    "a word": b"scenario",
    "a date": b"2020-01-01",
    "noise": bytes(range(256)) * 8,
    "a picture": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "a null byte": b"a: \0",
    "a null byte in quotes": b'seed: "\\0"',
    "UTF-16": RIGHT.encode("utf-16"),
    "Latin-1": b"description: \xe9",
    "half a character": b'description: "\\ud800"',
    "a bell": b"a: \x07",
    "too large": b"#" * (2 << 20),
    "JSON cut short": b'{"stream": {"kind": "fscil"',
    "Python": b"import os\nos.system('touch marker')\n",
    "an alias of itself": b"a: &a [*a]",
    "a billion laughs": LAUGHS.encode(),
    "a billion laughs, merged": f"{RIGHT}{LAUGHS}\nstream: {{<<: *a11}}\n".encode(),
    "nested by indentation": "".join(f"{' ' * i}a:\n" for i in range(900)).encode(),
    **{f"50,000 times {text!r}": (text * 50_000).encode() for text in ("[", "{a: ", "- ", "? ", "a:\n  ", "&a [")},
    **{
        f"!!python/{tag}:{attack}": f"{RIGHT}description: !!python/{tag}:{attack}\n".encode()
        for tag in ("object/apply", "object/new", "name", "module")
        for attack in ATTACKS
    },
}
SEEDS = [
    *("", "[", "'", "&", "*x", "yes", "-1", "0.5", "1_0", "0b1", "1:30", "!!int '1'", "[1]", "{a: 1}", "2020-01-01"),
    *(".nan", ".inf", "-.inf", "1e400", "0x" + "f" * 4000, "9" * 990, "9" * 4000, "4294967296", "@", "`", "%", "|\n x"),
]
LINES = [
    *("\tseed: 1", "seed: 1\nseed: 2", "seed", " seed: 1", "? [a]\n: 1", "1: 1", "~: 1", "true: 1", "---\nseed: 1"),
    *("%YAML 9.9\nseed: 1", "@seed: 1", "<<: {seed: 1}", "'': 1", "sead: 1", "SEED: 1", '"a\\nb: \\e[2J": 1'),
    f'"{"s" * 900}": 1',
    f"references: [{', '.join(f'r{i}' for i in range(2000))}]",
    "\n".join(f"k{i}: 1" for i in range(10_000)),
]
ORDERS = [
    *("reversed", "{seed: -1}", "{seed: {seed: 1}}", "[60, 60.0, '60']", "[0, 0]", "[]"),
    f"[{', '.join(map(str, range(1000, 20_000)))}]",
    f"[{', '.join(['x'] * 20_000)}]",
    f"[{'1,' * 400_000}]",
]


def garbled() -> Iterator[tuple[str, bytes]]:
    """Yield files that are no scenario, and `RIGHT` with one wrong line: the change in words, and the file."""
    yield from FILES.items()
    for old, news in (
        ("seed: 42", [*(f"seed: {value}" for value in SEEDS), *LINES]),
        ("natural", ORDERS),
        ("ways: 5", [f"ways: {'9' * 990}\n  sessions: {'9' * 990}", "ways: 0", "ways: 5.0", "ways: 7", "ways: '5'"]),
    ):
        for new in news:
            yield f"{old} -> {new!r:.60}", RIGHT.replace(old, new).encode()


@composite
def mutated(draw: DrawFn, scenarios: Mapping[str, Any]) -> tuple[str, bytes]:
    """Change one or two keys or items of one of the scenarios: the change in words, and the file."""
    name = draw(st.sampled_from(sorted(scenarios)))
    changed = copy.deepcopy(scenarios[name])
    done = [_change(changed, draw) for _ in range(draw(st.integers(1, 2)))]
    return f"{name}: {' and '.join(done)}", dump(changed).encode()


def _change(value: Any, draw: DrawFn) -> str:
    """Delete, misspell or replace one key or item somewhere in `value`; return the change in words."""
    path = draw(st.sampled_from(list(_paths(value))))
    block, key = value, path[-1]
    for step in path[:-1]:
        block = block[step]
    place, how = ".".join(map(str, path)), draw(st.sampled_from(["delete", "misspell", *["replace"] * 3]))
    if how == "delete":
        del block[key]
        return f"{place} deleted"
    if how == "misspell" and isinstance(key, str):
        block[draw(st.sampled_from([f"{key}x", key[:-1] or "x", key.upper(), f"{key}\x1b"]))] = block.pop(key)
        return f"{place} misspelt"
    block[key] = copy.deepcopy(draw(st.sampled_from(JUNK)))
    return f"{place} = {block[key]!r:.60}"


def _paths(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*path, key)
        yield from _paths(item, (*path, key))
