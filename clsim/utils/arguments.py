"""Checks of arguments in Python, by the rules and with the messages of a scenario's keys.

    @checked
    def __init__(self, *, epochs: Whole, train_mb_size: Count) -> None:

Numbers and arrays of numpy and torch are accepted in place of Python's. Nothing else is converted: neither ``True``
nor ``"5"`` nor ``5.0`` is an integer.
"""

from __future__ import annotations

import collections.abc
import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache, wraps
from typing import Annotated, Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf, ValidationError, create_model

from clsim.utils.block import Fraction, Seed
from clsim.utils.errors import ArgumentError, UserErrors
from clsim.utils.issues import Finding
from clsim.utils.plain import listed, plain, scalar
from clsim.utils.renamed import with_new_names
from clsim.utils.schema_errors import findings

__all__ = [
    "Between",
    "Count",
    "Fraction",
    "NotNegative",
    "Positive",
    "Seed",
    "Whole",
    "checked",
    "checked_fields",
    "plain",
]

Whole = Annotated[int, Ge(0)]
Count = Annotated[int, Ge(1)]
NotNegative = Annotated[float, Ge(0)]
Positive = Annotated[float, Gt(0)]
Side = Annotated[int, Ge(8), Le(1024)]  # of an image, in pixels
Between = Annotated[float, Gt(0), Lt(1)]

P = ParamSpec("P")
R = TypeVar("R")
_STRICT = ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True, protected_namespaces=())


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Check the arguments of a function or constructor against its annotations, and convert numpy's numbers.

    An argument whose annotation cannot be checked is passed on unchanged. Former names of arguments are accepted with
    a warning, see :mod:`clsim.utils.renamed`.

    Args:
        function: Function to wrap.

    Raises:
        ArgumentError: Raised by the call if an argument does not fit its annotation.
        UserErrors: Raised by the call if several arguments do not.

    Example:
        >>> @checked
        ... def repeat(text: str, times: Count) -> str:
        ...     return text * times
        >>> repeat("ab", 2)
        'abab'
        >>> repeat("ab", 0)
        Traceback (most recent call last):
        clsim.utils.errors.ArgumentError: repeat: times: must be at least 1, got 0

    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        signature, model = _rules(function)
        where = function.__qualname__.removesuffix(".__init__")
        named: Any = with_new_names(kwargs, signature.parameters, where) if kwargs else kwargs
        try:
            bound = signature.bind(*args, **named)
        except TypeError:
            return function(*args, **named)  # raises Python's message, which names the function
        given = {name: value for name, value in bound.arguments.items() if name in _names(model)}
        bound.arguments.update(_fitting(model, given, where))
        return function(*bound.args, **bound.kwargs)

    return call


def checked_fields(instance: Any) -> None:
    """Check the fields of a dataclass instance likewise; call it in ``__post_init__``."""
    kind = type(instance)
    model = _rules(kind.__init__)[1]
    given = {field.name: getattr(instance, field.name) for field in fields(instance) if field.name in _names(model)}
    for name, value in _fitting(model, given, kind.__name__).items():
        object.__setattr__(instance, name, value)  # the dataclass may be frozen


def refuse(problems: list[Finding], where: str | None = None) -> None:
    """Raise the problems of a check, if there are any.

    Args:
        problems: Findings of the check.
        where: Place for messages, such as the name of a function.

    Raises:
        ArgumentError: There is one problem.
        UserErrors: There are several problems.

    """
    errors = [ArgumentError(found.what, where=where, fix=found.fix) for found in problems]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise UserErrors(errors)


def _fitting(model: type[BaseModel], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the arguments in the types that the function expects."""
    try:
        made = model.model_validate(given)
    except ValidationError as error:
        shown = {name: plain(value) for name, value in given.items()}
        problems = list(findings(error, shown))
    else:
        return {name: getattr(made, field) for name, field in _names(model).items() if name in given}
    refuse(problems, where)
    raise AssertionError("pydantic rejected arguments without naming a problem")


@cache
def _rules(function: Callable[..., Any]) -> tuple[inspect.Signature, type[BaseModel]]:
    """Return the signature and a model of the arguments that can be checked; both are made at the first call."""
    signature = inspect.signature(function)
    rules: dict[str, Any] = {}
    for number, parameter in enumerate(signature.parameters.values()):
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        rule = _rule(_evaluated(parameter.annotation, function))
        if rule is not Any:  # by number: a model's fields cannot have every name that an argument can
            rules[f"argument{number}"] = (rule, Field(default=None, alias=parameter.name))
    return signature, create_model(function.__qualname__, __config__=_STRICT, **rules)


@cache
def _names(model: type[BaseModel]) -> dict[str, str]:
    return {str(field.alias): name for name, field in model.model_fields.items()}


def _evaluated(annotation: Any, function: Callable[..., Any]) -> Any:
    if annotation is inspect.Parameter.empty:
        return Any
    alone = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        return get_type_hints(alone, getattr(function, "__globals__", {}), include_extras=True)["it"]
    except NameError:  # imported only for type checkers
        return Any


def _rule(annotation: Any) -> Any:
    """Return an annotation as pydantic checks it; ``Any`` where there is nothing to check."""
    if annotation is Any:  # since Python 3.11 it is a class
        return Any
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation in (int, float, bool, str):
        return Annotated[annotation, BeforeValidator(scalar)]
    if annotation in (None, type(None)) or origin is Literal:
        return annotation
    if origin is Annotated:
        rule = _rule(inner[0])
        bare, *before = get_args(rule) if get_origin(rule) is Annotated else (rule,)
        members = (bare, *inner[1:], *before)  # pydantic runs the last validator first
        return Any if rule is Any else Annotated[members]  # type: ignore[return-value]
    if origin in (Union, types.UnionType):
        rules = [_rule(member) for member in inner]
        return Any if Any in rules else Union[tuple(rules)]  # noqa: UP007
    if origin in (list, collections.abc.Sequence):
        return Annotated[list[_rule(inner[0])], BeforeValidator(listed)]  # type: ignore[misc]
    if origin is tuple:
        members = tuple(each if each is Ellipsis else _rule(each) for each in inner)
        return Annotated[types.GenericAlias(tuple, members), BeforeValidator(_tupled)]
    if origin is collections.abc.Callable:
        return Callable
    kind = annotation if origin is None else origin
    if isinstance(kind, type) and not getattr(kind, "_is_protocol", False) and kind.__module__ != "collections.abc":
        return InstanceOf[kind]  # type: ignore[valid-type, misc]
    return Any


def _tupled(value: Any) -> Any:
    found = listed(value)
    return tuple(found) if isinstance(found, list) else value
