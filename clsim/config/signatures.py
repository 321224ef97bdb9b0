"""A strategy's settings, read from the signature of its ``build`` without running the file.

    def build(stream, *, prompts: int = 2, mode: Literal["replace", "accumulate"] = "replace") -> Strategy

The file is parsed, not imported: no torch is needed to check a scenario, and checking one never runs foreign
code. An annotation may use the types of :mod:`clsim.config.annotations` and names that the file itself gives
to such types or to plain values.

A constant ``STREAMS = ("upgrade",)`` says on which kinds of stream the strategy makes sense; without it, on all whose
items have class ids.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from clsim.config.annotations import PLAIN, choices, in_words, type_of
from clsim.streams.kinds import CLASS_KINDS, EXAMPLE, check_kinds
from clsim.utils.errors import UserError, UserErrors
from clsim.utils.text import describe

RESERVED = ("device",)  # filled by the runner, never a setting
REQUIRED = object()  # the default of a setting that has none

#: The least values of settings that mean the same in every strategy; ``base_epochs`` goes by ``epochs``.
LEAST: Mapping[str, float] = {
    "epochs": 0, "batch_size": 1, "lr": 0, "momentum": 0, "weight_decay": 0, "warmup": 0, "cycle": 1,
    "steps": 0, "prompts": 1, "depth": 1, "memory": 0, "dropout": 0, "lanes": 1, "vertices": 2, "per_class": 1,
    "padding": 0, "share": 0, "smoothing": 0, "sizes": 1, "replay_weight": 0, "alpha": 0,
    "prompt_tokens": 0, "rank": 0, "hidden": 0,
}  # fmt: skip
MOST: Mapping[str, float] = {"share": 1, "smoothing": 1, "replay_weight": 1, "momentum": 1, "dropout": 1}


@dataclass(frozen=True)
class Setting:
    """One keyword argument of ``build``.

    Attributes:
        name: of the argument.
        annotation: its type as written, names of the file written out.
        default: its default, or `REQUIRED`.
        description: from the ``Args:`` section of the docstring.
    """

    name: str
    annotation: str
    default: Any = REQUIRED
    description: str = ""

    @property
    def expected(self) -> str:
        """The allowed values, in words."""
        return in_words(ast.parse(self.annotation, mode="eval").body)

    @property
    def choices(self) -> list[str]:
        """The names to choose from; empty where any text will do."""
        return choices(ast.parse(self.annotation, mode="eval").body)

    @property
    def least(self) -> float | None:
        """The smallest allowed number, by the name's meaning; None where the name says nothing."""
        return self._bound(LEAST)

    @property
    def most(self) -> float | None:
        """The greatest allowed number, likewise."""
        return self._bound(MOST)

    def _bound(self, bounds: Mapping[str, float]) -> float | None:
        names = [known for known in bounds if self.name == known or self.name.endswith(f"_{known}")]
        return bounds[names[0]] if names else None

    def check(self, value: Any) -> Any:
        """`value` in the setting's type: nothing is coerced, but a whole number may stand for a float.

        Raises:
            ValueError: the value is of another type or out of range; the message says what is allowed.
        """
        try:
            # By way of JSON, where a strict tuple is a list.
            checked = self._adapter().validate_json(json.dumps(value))
        except (ValidationError, TypeError) as error:  # the latter of what no JSON can hold
            raise ValueError(f"expected {self.expected}, got {describe(value)}") from error
        if isinstance(checked, (list, tuple)) and not checked and self.least is not None:
            raise ValueError("must not be empty")
        for number in checked if isinstance(checked, (list, tuple)) else [checked]:
            if isinstance(number, bool) or not isinstance(number, (int, float)):
                continue
            if self.least is not None and number < self.least:
                raise ValueError(f"must be at least {self.least:g}, got {describe(value)}")
            if self.most is not None and number > self.most:
                raise ValueError(f"must be at most {self.most:g}, got {describe(value)}")
        return checked

    def json_schema(self) -> dict[str, Any]:
        """The setting's JSON Schema, with default and description."""
        schema = self._adapter().json_schema()
        for branch in schema.get("anyOf", [schema]):
            if self.least is not None and branch.get("type") in ("integer", "number"):
                branch["minimum"] = self.least
            if self.most is not None and branch.get("type") in ("integer", "number"):
                branch["maximum"] = self.most
        if self.default is not REQUIRED:
            schema["default"] = self.default
        if self.description:
            schema["description"] = self.description
        return schema

    def _adapter(self) -> TypeAdapter[Any]:
        type_ = type_of(ast.parse(self.annotation, mode="eval").body)
        return TypeAdapter(type_, config=ConfigDict(strict=True, allow_inf_nan=False))


@dataclass(frozen=True)
class Signature:
    """What a strategy file says about itself.

    Attributes:
        path: of the file.
        settings: by name.
        description: the first paragraph of its docstring.
        streams: the kinds of stream it runs on.
    """

    path: Path
    settings: Mapping[str, Setting]
    description: str = ""
    streams: tuple[str, ...] = CLASS_KINDS

    def defaults(self) -> dict[str, Any]:
        """Every setting at its default, in its type.

        Raises:
            UserError: a setting has none.
        """
        missing = [name for name, setting in self.settings.items() if setting.default is REQUIRED]
        if missing:
            raise UserError(f"these settings have no default: {', '.join(missing)}", where=str(self.path))
        return {name: setting.check(setting.default) for name, setting in self.settings.items()}


def read_signature(path: Path) -> Signature:
    """The settings of the strategy in `path`, from its text.

    Raises:
        UserErrors: the file cannot be read or parsed, has no ``build``, or its signature is something else
            than typed keyword settings with plain defaults; or its ``STREAMS`` names no kinds of stream.
    """
    try:
        return _Reader(path, ast.parse(path.read_bytes(), filename=str(path))).signature()
    except OSError as error:
        raise UserErrors([UserError(f"cannot be read: {error.strerror}", where=str(path))]) from error
    except SyntaxError as error:
        where = f"{path}:{error.lineno or 1}"
        raise UserErrors([UserError(f"not valid Python: {error.msg}", where=where)]) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise UserErrors([UserError(f"not valid Python: {error}", where=str(path))]) from error


@dataclass
class _Reader:
    path: Path
    tree: ast.Module
    problems: list[UserError] = field(default_factory=list)
    _names_written: int = 0

    def signature(self) -> Signature:
        functions = [item for item in self.tree.body if isinstance(item, ast.FunctionDef)]
        builds = [function for function in functions if function.name == "build"]
        if not builds:
            fix = "a strategy file holds: def build(stream, *, setting: type = default, ...) -> Strategy"
            raise UserErrors([UserError("has no function build()", where=str(self.path), fix=fix)])
        build = builds[-1]
        docs = ast.get_docstring(build) or ""
        described = argument_docs(docs)
        arguments = build.args
        if len(arguments.posonlyargs) + len(arguments.args) != 1 or arguments.vararg or arguments.kwarg:
            self._problem(build, "build() takes the stream, then settings by keyword: build(stream, *, ...)")
        found = [
            self._setting(argument, default, described.get(argument.arg, ""))
            for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
            if argument.arg not in RESERVED
        ]
        streams = self._streams()
        if self.problems:
            raise UserErrors(self.problems)
        title = (ast.get_docstring(self.tree) or docs).strip().split("\n\n")[0].replace("\n", " ")
        return Signature(self.path, {setting.name: setting for setting in found if setting}, title, streams)

    def _problem(self, node: ast.AST, what: str, fix: str | None = None) -> None:
        self.problems.append(UserError(what, where=f"{self.path}:{getattr(node, 'lineno', 1)}", fix=fix))

    def _streams(self) -> tuple[str, ...]:
        """What the last ``STREAMS = ...`` of the module says."""
        given = self._given().get("STREAMS")
        if given is None:
            return CLASS_KINDS
        try:
            value = ast.literal_eval(self._written_out(given))
        except (ValueError, TypeError):  # unhashable members of a set, a name, a call
            self._problem(given, "STREAMS is not a plain value", EXAMPLE)
            return CLASS_KINDS
        try:
            return check_kinds(value)
        except ValueError as error:
            self._problem(given, *error.args)
            return CLASS_KINDS

    def _setting(self, argument: ast.arg, default: ast.expr | None, description: str) -> Setting | None:
        name = argument.arg
        if argument.annotation is None:
            self._problem(argument, f"the setting '{name}' has no type; write {name}: int = 1 or the like")
            return None
        try:
            annotation = self._written_out(argument.annotation)
            type_of(annotation)
        except (ValueError, SyntaxError) as error:
            self._problem(argument, f"the type of the setting '{name}' cannot be checked: {error}")
            return None
        setting = Setting(name, ast.unparse(annotation), description=description)
        if default is None:
            return setting
        try:
            value = ast.literal_eval(self._written_out(default))
        except ValueError:
            self._problem(default, f"the default of the setting '{name}' is not a plain value")
            return None
        try:
            setting.check(value)
        except (ValueError, TypeError) as error:
            self._problem(default, f"the default of the setting '{name}' does not fit its type: {error}")
            return None
        value = list(value) if isinstance(value, tuple) else value
        return Setting(name, setting.annotation, value, description)

    def _given(self) -> dict[str, ast.expr]:
        """What the module assigns to names, the last of each."""
        return {
            target.id: statement.value
            for statement in self.tree.body
            if isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is not None
            for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
            if isinstance(target, ast.Name)
        }

    def _written_out(self, node: ast.expr, depth: int = 0) -> ast.expr:
        """`node` with the names that the module gives to types and values written out, quotes removed."""
        given = {name: value for name, value in self._given().items() if name not in PLAIN}
        if depth > 8:
            raise ValueError(f"{ast.unparse(node)} is defined by itself")
        self._names_written = self._names_written + 1 if depth else 0
        if self._names_written > 200:  # ten names of ten names of ten names ... are soon a billion
            raise ValueError("it is made of more than 200 names")
        write_out = self._written_out

        class Names(ast.NodeTransformer):
            def visit_Name(self, name: ast.Name) -> ast.expr:
                return write_out(given[name.id], depth + 1) if name.id in given else name

        written: ast.expr = Names().visit(ast.parse(ast.unparse(node), mode="eval").body)
        return written


def argument_docs(docstring: str) -> dict[str, str]:
    """The text of every argument in the ``Args:`` section of a Google-style docstring."""
    section = re.search(r"^Args:\n((?:[ \t]+.*(?:\n|$)|\n)+)", docstring, re.MULTILINE)
    lines = [line for line in section[1].splitlines() if line.strip()] if section else []
    indent = min((len(line) - len(line.lstrip()) for line in lines), default=0)
    found: dict[str, str] = {}
    current = ""
    for line in lines:
        head = re.match(r"(\w+)(?:\s*\([^)]*\))?:\s*(.*)", line[indent:])
        if head:
            current = head[1]
            found[current] = head[2].strip()
        elif current:
            found[current] = f"{found[current]} {line.strip()}".strip()
    return found
