"""A strategy's settings, read from the signature of its ``build`` without running the file.

    def build(stream, *, prompts: Count = 2, training: Training = Training(epochs=5), device: str = "cpu") -> Strategy

The file is parsed, not imported: checking a scenario needs no torch and runs no foreign code. Every keyword argument
is a setting, except ``device``. An argument whose type is a dataclass, such as ``Training``, is a group of options:
each of its fields is a setting. An argument of type ``FrozenBackbone`` receives a loaded model, which the scenario
names. Names are looked up in the file, in modules beside it and in clsim.

Two constants of the file say where the strategy runs:

- ``STREAMS = ("upgrade",)``: Kinds of stream that it runs on; without it, all kinds whose items have class ids.
- ``REQUIRES = ("replacement",)``: Kinds of stream whose incoming models its plugins put in service. Without it, only
  the composed strategy shows whether it has such a plugin.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clsim.config.annotations import names_model, type_of
from clsim.config.setting import REQUIRED, Setting
from clsim.config.source import Source, parse
from clsim.streams.kinds import CLASS_KINDS, EXAMPLE, UPGRADE_KINDS, check_kinds
from clsim.utils.errors import UserError, UserErrors
from clsim.utils.renamed import renamed

__all__ = ["REQUIRED", "RESERVED", "Setting", "Signature", "read_signature"]

RESERVED = ("device",)
"""Arguments that the engine fills in; they are no settings."""
INCOMING = ("replacement", *UPGRADE_KINDS)
"""Kinds of stream that bring models from elsewhere."""


@dataclass(frozen=True)
class Signature:
    """The declarations of a strategy file.

    Attributes:
        path: Path of the file.
        settings: Settings by name.
        description: First paragraph of the file's docstring.
        streams: Kinds of stream that the strategy runs on.
        requires: Kinds of stream whose incoming models its plugins put in service; None where the file says nothing.
        groups: Names of the settings in each option group, by the argument of ``build``.
        models: Settings of ``build`` that take a loaded model. A scenario names it.

    """

    path: Path
    settings: Mapping[str, Setting]
    description: str = ""
    streams: tuple[str, ...] = CLASS_KINDS
    requires: tuple[str, ...] | None = None
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    models: tuple[str, ...] = ()

    def has(self, name: str) -> bool:
        """Return whether a setting has this name or had it formerly."""
        return name in self.settings or bool(renamed([name], self.settings))

    def defaults(self) -> dict[str, Any]:
        """Return every setting at its default, in its type.

        Raises:
            UserError: A setting has no default.

        """
        missing = [name for name, setting in self.settings.items() if setting.default is REQUIRED]
        if missing:
            raise UserError(f"these settings have no default: {', '.join(missing)}", where=str(self.path))
        return {name: setting.check(setting.default) for name, setting in self.settings.items()}


def read_signature(path: Path) -> Signature:
    """Return the declarations of a strategy file, read from its text.

    Raises:
        UserErrors: The file cannot be read or parsed, has no ``build``, or declares something that cannot be checked;
            all problems, each with its line.

    """
    try:
        return _Reader(parse(path)).signature()
    except OSError as error:
        raise UserErrors([UserError(f"cannot be read: {error.strerror}", where=str(path))]) from error
    except SyntaxError as error:
        where = f"{path}:{error.lineno or 1}"
        raise UserErrors([UserError(f"not valid Python: {error.msg}", where=where)]) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise UserErrors([UserError(f"not valid Python: {error}", where=str(path))]) from error


class _Reader:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.settings: dict[str, Setting] = {}
        self.groups: dict[str, tuple[str, ...]] = {}
        self.models: list[str] = []
        self.problems: list[UserError] = []

    def signature(self) -> Signature:
        source = self.source
        builds = [item for item in source.tree.body if isinstance(item, ast.FunctionDef) and item.name == "build"]
        if not builds:
            fix = "a strategy file holds: def build(stream, *, setting: type = default, ...) -> Strategy"
            raise UserErrors([UserError("has no function build()", where=str(source.path), fix=fix)])
        build = builds[-1]
        arguments, docs = build.args, ast.get_docstring(build) or ""
        if len(arguments.posonlyargs) + len(arguments.args) != 1 or arguments.vararg or arguments.kwarg:
            self._problem(build, "build() takes the stream, then settings by keyword: build(stream, *, ...)")
        descriptions = argument_docs(docs)
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            if argument.arg not in RESERVED:
                self._read(argument, default, descriptions.get(argument.arg, ""))
        streams = self._constant("STREAMS", check_kinds, CLASS_KINDS, EXAMPLE)
        requires = self._constant("REQUIRES", _check_incoming, None, _EXAMPLE)
        if self.problems:
            raise UserErrors(self.problems)
        title = (ast.get_docstring(source.tree) or docs).strip().split("\n\n")[0].replace("\n", " ")
        return Signature(
            source.path, self.settings, title, streams or CLASS_KINDS, requires, self.groups, tuple(self.models)
        )

    def _problem(self, node: ast.AST, what: str, fix: str | None = None, source: Source | None = None) -> None:
        place = f"{(source or self.source).path}:{getattr(node, 'lineno', 1)}"
        self.problems.append(UserError(what, where=place, fix=fix))

    def _constant(
        self,
        name: str,
        check: Callable[[object], tuple[str, ...]],
        otherwise: tuple[str, ...] | None,
        example: str,
    ) -> tuple[str, ...] | None:
        """Return the checked value of a constant of the module."""
        given = self.source.constants.get(name)
        if given is None:
            return otherwise
        try:
            value = ast.literal_eval(self.source.written_out(given))
        except (ValueError, TypeError):  # unhashable members of a set, a name, a call
            self._problem(given, f"{name} is not a plain value", example)
            return otherwise
        try:
            return check(value)
        except ValueError as error:
            self._problem(given, *error.args)
            return otherwise

    def _read(self, argument: ast.arg, default: ast.expr | None, description: str) -> None:
        """Read an argument of ``build``: a setting or a group of them."""
        name, annotation = argument.arg, argument.annotation
        loaded = annotation is not None and names_model(annotation)
        if loaded:
            self.models.append(name)
        group = self.source.find_class(annotation.id) if isinstance(annotation, ast.Name) and not loaded else None
        if group is None:
            self._setting(self.source, argument, name, annotation, default, description)
            return
        home, definition = group
        given = _keywords(default, ast.unparse(annotation) if annotation else "")
        if given is None or not any("dataclass" in ast.unparse(each) for each in definition.decorator_list):
            fix = f"write {name}: {definition.name} = {definition.name}(), where {definition.name} is a dataclass"
            self._problem(argument, f"the option group '{name}' needs an instance as its default", fix)
            return
        descriptions, names = argument_docs(ast.get_docstring(definition) or ""), []
        for item in definition.body:
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                key = item.target.id
                owner, value = (self.source, given.pop(key)) if key in given else (home, item.value)
                self._setting(home, item, key, item.annotation, value, descriptions.get(key, ""), owner)
                names.append(key)
        for unknown in given:
            self._problem(default or argument, f"{definition.name} has no option '{unknown}'")
        self.groups[name] = tuple(names)

    def _setting(
        self,
        source: Source,
        node: ast.AST,
        name: str,
        annotation: ast.expr | None,
        default: ast.expr | None,
        description: str,
        default_source: Source | None = None,
    ) -> None:
        """Add a setting; its names are looked up in `source`, those of its default in `default_source`."""
        if name in self.settings:
            self._problem(node, f"the setting '{name}' appears twice", source=source)
            return
        if annotation is None:
            self._problem(node, f"the setting '{name}' has no type; write {name}: int = 1 or the like", source=source)
            return
        try:
            setting = Setting(name, type_of(source.written_out(annotation)), description=description)
        except (ValueError, SyntaxError) as error:
            self._problem(node, f"the type of the setting '{name}' cannot be checked: {error}", source=source)
            return
        if default is not None:
            owner = default_source or source
            try:
                value = ast.literal_eval(owner.written_out(default))
            except ValueError:
                self._problem(default, f"the default of the setting '{name}' is not a plain value", source=owner)
                return
            try:
                setting.check(value)
            except (ValueError, TypeError) as error:
                what = f"the default of the setting '{name}' does not fit its type: {error}"
                self._problem(default, what, source=owner)
                return
            value = list(value) if isinstance(value, tuple) else value
            setting = Setting(name, setting.type, value, description)
        self.settings[name] = setting


def _keywords(default: ast.expr | None, group: str) -> dict[str, ast.expr] | None:
    """Return the arguments of a group's default, such as ``Training(epochs=5)``; None if it is anything else."""
    if not isinstance(default, ast.Call) or ast.unparse(default.func) != group or default.args:
        return None
    given = {keyword.arg: keyword.value for keyword in default.keywords if keyword.arg is not None}
    return given if len(given) == len(default.keywords) else None


_EXAMPLE = 'write for instance REQUIRES = ("replacement",)'


def _check_incoming(value: object) -> tuple[str, ...]:
    """Return the kinds that ``REQUIRES`` names.

    Raises:
        ValueError: It names other kinds than those that bring models; a second argument says what to do.

    """
    if isinstance(value, (tuple, list)) and all(kind in INCOMING for kind in value):
        return tuple(value)
    raise ValueError(f"REQUIRES: expected a tuple of {', '.join(INCOMING)}, got {value!r:.60}", _EXAMPLE)


def argument_docs(docstring: str) -> dict[str, str]:
    r"""Return the description of every entry under ``Args:`` or ``Attributes:`` of a Google-style docstring.

    Example:
        >>> argument_docs("Title.\n\nArgs:\n    lr: Learning rate\n        of SGD.")
        {'lr': 'Learning rate of SGD.'}

    """
    from docstring_parser import ParseError  # slow to import
    from docstring_parser.google import parse as parse_docstring

    try:
        entries = parse_docstring(docstring).params
    except ParseError:  # a docstring in another style
        return {}
    return {entry.arg_name.partition(" ")[0]: " ".join((entry.description or "").split()) for entry in entries}
