"""Strict YAML: plain values only, with the line of every key, list item and problem.

The builder consumes the parser's events. It constructs only text, numbers, booleans, nulls, lists and mappings, and
it bounds the depth before anything recurses. Scalars follow the YAML 1.2 core schema, in which ``1e-5`` is a number
and ``no`` is a word; under PyYAML's 1.1 rules it is the other way round.

ruamel.yaml knows lines too, but it reads ``1_000`` as a number and ``2020-01-01`` as a date, accepts aliases, tags and
merge keys, reports only the first duplicate key, and recurses before depth can be checked.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from clsim.utils.errors import UserError, UserErrors
from clsim.utils.issues import KeyPath

MAX_BYTES = 1 << 20  # a scenario is a page of text
MAX_DEPTH = 16
MAX_NODES = 25_000  # keys and values; enough for an order of all classes of ImageNet-21k

_NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
# Python prints at most 4300 digits, so products of longer numbers could not be shown in messages.
_INT = re.compile(r"(?:[-+]?[0-9]{1,1000}|0o[0-7]{1,1000}|0x[0-9a-fA-F]{1,1000})\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_INF_NAN = re.compile(r"[-+]?(?:\.inf|\.Inf|\.INF)\Z|(?:\.nan|\.NaN|\.NAN)\Z")


@dataclass
class Document:
    """Parsed document: its value, the location of every key and item, and the problems found."""

    value: Any
    places: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[UserError] = field(default_factory=list)

    def place(self, path: KeyPath) -> str:
        """Return ``file:line`` of a path, or of its nearest parent that has one."""
        while path not in self.places:
            path = path[:-1]
        return self.places[path]


def read(path: Path) -> Document:
    """Return the document of a file.

    Raises:
        UserErrors: The file cannot be read, is not UTF-8 text, or is not one YAML document.
    """
    try:
        if path.is_dir():
            raise UserErrors([UserError("is a directory, not a YAML file", where=str(path))])
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise UserErrors([UserError(f"cannot be read: {error.strerror}", where=str(path))]) from error
    if len(raw) > MAX_BYTES:
        raise UserErrors([UserError("is larger than 1 MiB: not a scenario", where=str(path))])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        what = f"is not UTF-8 text (byte 0x{raw[error.start]:02x})"
        raise UserErrors([UserError(what, where=f"{path}:{line}", fix="save the file as UTF-8")]) from error
    return copy.deepcopy(_parsed(text, str(path)))


@lru_cache(maxsize=32)
def _parsed(text: str, source: str) -> Document:
    """Return the document in a file's text. A scenario and its stand-in are parsed once for all runs of a command."""
    return parse(text, source)


def parse(text: str, source: str) -> Document:
    """Return the document in a text.

    Duplicate and invalid keys are collected in ``problems``; the first value of a key counts.

    Args:
        text: Text to parse.
        source: Name of the text in messages, as ``source:line``.

    Raises:
        UserErrors: The text is not one YAML document. Problems found before come first.
    """
    builder = _Builder(source)
    try:
        for event in _events(text):
            builder.feed(event)
    except yaml.YAMLError as error:
        raise UserErrors([*builder.document.problems, _syntax_error(error, text, source)]) from error
    except UserError as error:
        raise UserErrors([*builder.document.problems, error]) from error
    return builder.document


def _events(text: str) -> Iterator[Any]:
    loader = yaml.SafeLoader(text)
    try:
        while loader.check_event():
            yield loader.get_event()  # type: ignore[no-untyped-call]
    finally:
        loader.dispose()


def _syntax_error(error: yaml.YAMLError, text: str, source: str) -> UserError:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        what = error.problem or error.context or "cannot be parsed"
        fix = None
        if "'\\t'" in what:
            what, fix = "a tab where YAML wants spaces", "indent with spaces"
        return UserError(f"not valid YAML: {what}", where=f"{source}:{line}", fix=fix)
    position = getattr(error, "position", 0)
    line = text.count("\n", 0, position if isinstance(position, int) else 0) + 1
    return UserError("not text: it holds a control character", where=f"{source}:{line}")


@dataclass
class _Open:
    """List or mapping under construction."""

    value: list[Any] | dict[str, Any]
    path: KeyPath
    key: str | None = None  # of a mapping: key of the next value
    ignored: bool = False  # below a duplicate or invalid key: checked and discarded
    expects_key: bool = True


class _Builder:
    def __init__(self, source: str) -> None:
        self.source = source
        self.document = Document(None, {(): f"{source}:1"})
        self._open: list[_Open] = []
        self._documents = self._nodes = 0

    def feed(self, event: Any) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise UserError("a second document starts here; a file holds one", where=self._where(event))
        elif isinstance(event, yaml.AliasEvent):
            what = f"the alias *{event.anchor} is not supported"
            raise UserError(what, where=self._where(event), fix="write the value out")
        elif isinstance(event, yaml.NodeEvent):
            self._node(event)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._open.pop()

    def _where(self, event: Any) -> str:
        return f"{self.source}:{event.start_mark.line + 1}"

    def _node(self, event: Any) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise UserError(f"more than {MAX_NODES:,} keys and values: not a scenario", where=self._where(event))
        if event.tag not in (None, "!"):
            raise UserError(f"the tag {event.tag} is not supported", where=self._where(event), fix="remove it")
        if isinstance(event, yaml.ScalarEvent) and _SURROGATE.search(event.value):
            raise UserError("this text holds half a character (a surrogate)", where=self._where(event))
        parent = self._open[-1] if self._open else None
        if parent and isinstance(parent.value, dict) and parent.expects_key:
            self._key(parent, event)
            return
        path = self._path_of_next(parent)
        if not isinstance(event, yaml.ScalarEvent) and len(self._open) >= MAX_DEPTH:
            raise UserError(f"nested deeper than {MAX_DEPTH} levels", where=self._where(event))
        skipped = parent is not None and isinstance(parent.value, dict) and parent.key is None
        ignored = skipped or (parent is not None and parent.ignored)
        if not ignored and path not in self.document.places:
            self.document.places[path] = self._where(event)
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            value = resolve(event.value) if event.implicit[0] else event.value
        else:
            value = {} if isinstance(event, yaml.MappingStartEvent) else []
            self._open.append(_Open(value, path, ignored=ignored))
        self._attach(parent, value)

    def _key(self, parent: _Open, event: Any) -> None:
        """Set the next key. A bad one is reported, and its value is discarded."""
        parent.expects_key = False
        parent.key = None
        if not isinstance(event, yaml.ScalarEvent):
            raise UserError("a key is a word, not a list or a mapping", where=self._where(event))
        key = event.value
        resolved = resolve(key) if event.implicit[0] else key
        problem = None
        if not isinstance(resolved, str) or not key:
            problem = f"the key {key or repr(key)} is not a string"
        elif key == "<<" and event.implicit[0]:
            problem = "merge keys (<<) are not supported; write the values out"
        elif key in parent.value:
            first = self.document.place((*parent.path, key)).rpartition(":")[2]
            problem = f"the key '{key}' appears twice, first in line {first}"
        if parent.ignored:
            return
        if problem:
            self.document.problems.append(UserError(problem, where=self._where(event)))
            return
        parent.key = key
        path: KeyPath = (*parent.path, key)
        self.document.places[path] = self._where(event)

    def _path_of_next(self, parent: _Open | None) -> KeyPath:
        if parent is None:
            return ()
        if isinstance(parent.value, list):
            return (*parent.path, len(parent.value))
        return parent.path if parent.key is None else (*parent.path, parent.key)

    def _attach(self, parent: _Open | None, value: Any) -> None:
        if parent is None:
            self.document.value = value
        elif isinstance(parent.value, list):
            parent.value.append(value)
        else:
            if parent.key is not None:
                parent.value[parent.key] = value
            parent.expects_key = True


def resolve(text: str) -> Any:
    """Return the value of an unquoted word by the YAML 1.2 core schema: null, a boolean, a number or text."""
    if _NULL.match(text):
        return None
    if _BOOL.match(text):
        return text.lower() == "true"
    if _INT.match(text):
        bases = {"0o": 8, "0x": 16}
        return int(text, bases.get(text[:2], 10))
    if _FLOAT.match(text) or _INF_NAN.match(text):
        word = text.lower()
        return float(word.replace(".", "") if word.endswith(("inf", "nan")) else word)
    return text


class _Dumper(yaml.SafeDumper):
    """Dumper that also quotes words that only YAML 1.2 reads as numbers."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write repeated values out."""
        return True


_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))
_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-+0123456789"))


def dump(value: Any) -> str:
    """Return YAML that :func:`parse` reads back as the same value."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
