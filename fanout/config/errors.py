"""Describes mistakes in settings, one plain sentence each: where the value stands, what it is, what it should be."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from fanout.text import did_you_mean, shortened

Place = tuple[int | str, ...]
_OF_A_KEY = "[key]"  # ends pydantic's place of what is wrong with the key of a table, not with its value
SHOWN = 60  # characters of a value
_SENTENCES = {
    "greater_than": "should be greater than {gt}",
    "greater_than_equal": "should be at least {ge}",
    "less_than": "should be less than {lt}",
    "less_than_equal": "should be at most {le}",
    "finite_number": "should be a finite number",
    "float_type": "should be a number",
    "float_parsing": "should be a number",
    "int_type": "should be a whole number",
    "int_parsing": "should be a whole number",
    "int_from_float": "should be a whole number",
    "int_parsing_size": "is too large a number",
    "bool_type": "should be true or false",
    "bool_parsing": "should be true or false",
    "string_type": "should be text",
    "string_unicode": "should be text in UTF-8",
    "string_too_short": "should not be empty",
    "string_too_long": "should have at most {max_length} characters",
    "literal_error": "should be {expected}",
    "tuple_type": "should be a list",
    "frozen_set_type": "should be a list",
    "too_short": "should have at least {min_length} entries",
    "too_long": "should have at most {max_length} entries",
    "dict_type": "should be a table",
    "model_type": "should be a table",
    "missing": "is missing: set it",
}
"""What is wrong, by pydantic's name for it (`pydantic_core.core_schema.ErrorType`), with what its context holds."""
_PATTERNS = {
    r"^[a-zA-Z0-9](-*[a-zA-Z0-9])*$": "should be letters and digits, with hyphens only between them",
    r"^[\w .:/=+@-]*$": "should be letters, digits, spaces and . : / = + @ - _ alone, as S3 takes tags",
    r"^\d{12}$": "should be the 12 digits of an AWS account",
}


def dotted(place: Place) -> str:
    """Return a key's names with dots between, `pacing.rate`."""
    return ".".join(map(str, place))


@dataclass(frozen=True, slots=True)
class Said:
    """A key as a person said it.

    Attributes:
        name: What it is called there, `pacing.rate (--rate)`.
        where: The file and its line, with a colon and a space; empty for what is in no file.
    """

    name: str
    where: str = ""


def explain(
    error: ValidationError,
    model: type[BaseModel],
    *,
    said: Callable[[Place], Said] = lambda place: Said(dotted(place)),
) -> list[str]:
    """Return one sentence for each thing that is wrong; an unknown key gets the nearest one that there is.

    Args:
        error: What does not fit `model`.
        model: What it was to be.
        said: Returns a key, by its place, as it was said.
    """
    return [
        _explain(details, said(tuple(part for part in details["loc"] if part != _OF_A_KEY)), model)
        for details in error.errors()
    ]


def _explain(details: Mapping[str, Any], key: Said, model: type[BaseModel]) -> str:
    kind, place = details["type"], details["loc"]
    if kind == "extra_forbidden":
        meant = did_you_mean(str(place[-1]), _keys(model, place[:-1]))
        return f"{key.where}unknown key {dotted(place)!r}; {meant}"
    sentence = _sentence(kind, details)
    if kind == "missing":
        return f"{key.where}{key.name}: {sentence}"
    if kind == "value_error" and not sentence.startswith("should"):
        return f"{key.where}{key.name}: {sentence}"  # it says what it is about; the value may hold a password
    return f"{key.where}{key.name} = {_shown(details['input'])}: {sentence}"


def _sentence(kind: str, details: Mapping[str, Any]) -> str:
    context: Mapping[str, Any] = details.get("ctx", {})
    if kind == "string_pattern_mismatch":
        pattern = context["pattern"]
        return _PATTERNS.get(pattern, f"should match {pattern}")
    if kind in _SENTENCES:
        return _SENTENCES[kind].format_map({name: _number(value) for name, value in context.items()})
    said: str = details["msg"]
    return said.removeprefix("Value error, ").removeprefix("Input ")


def _number(value: object) -> object:
    return f"{value:,.12g}" if isinstance(value, (int, float)) else value


def _shown(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:  # it holds itself
        text = repr(value)
    return shortened(text, SHOWN)


def _keys(model: type[BaseModel], place: Place) -> tuple[str, ...]:
    for part in place:
        field = model.model_fields.get(str(part))
        inner = field.annotation if field is not None else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        model = inner
    return tuple(model.model_fields)
