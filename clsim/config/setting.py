"""One setting of a strategy: its type with its bounds, its default, its description."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from clsim.config.annotations import choices, in_words
from clsim.utils.schema_errors import broken_bound
from clsim.utils.text import describe

REQUIRED = object()
"""Default of a setting that has none."""
_STRICT = ConfigDict(strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Setting:
    """A keyword argument of a strategy's ``build``, or a field of one of its option groups.

    Attributes:
        name: Name of the argument.
        type: Type of the value, with its bounds.
        default: Default value, or `REQUIRED`.
        description: Entry of the docstring.

    Example:
        >>> Setting("epochs", int, 5).check(3)
        3

    """

    name: str
    type: Any
    default: Any = REQUIRED
    description: str = ""

    @property
    def expected(self) -> str:
        """The allowed values, in words."""
        return in_words(self.type)

    @property
    def choices(self) -> list[str]:
        """The names to choose from; empty where any text is allowed."""
        return choices(self.type)

    def check(self, value: Any) -> Any:
        """Return a value in the setting's type. Nothing is coerced, except integers to floats.

        Raises:
            ValueError: The value has another type or is out of bounds.

        """
        try:
            return self._adapter.validate_json(json.dumps(value))  # by way of JSON, where a strict tuple is a list
        except ValidationError as error:
            bound = next(filter(None, map(broken_bound, error.errors(include_url=False))), None)
            rule = f"expected {self.expected}" if bound is None else f"must be {bound}"
            raise ValueError(f"{rule}, got {describe(value)}") from error
        except TypeError as error:  # JSON cannot hold the value
            raise ValueError(f"expected {self.expected}, got {describe(value)}") from error

    def json_schema(self) -> dict[str, Any]:
        """Return the setting's JSON Schema, with default and description."""
        schema = self._adapter.json_schema()
        if self.default is not REQUIRED:
            schema["default"] = self.default
        if self.description:
            schema["description"] = self.description
        return schema

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.type, config=_STRICT)
