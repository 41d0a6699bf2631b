"""Reads responses as the user wants them: as text, as JSON, with fields of it as typed columns; pure.

A row whose response does not hold what is wanted is `invalid`: the model answered, and the answer cannot be used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import orjson

from fanout.domain.field_types import FieldType, Reader, WrongTypeError, parse_type, reader_of
from fanout.domain.json_path import NOTHING, Steps, find, path_of, singular_steps
from fanout.domain.records import Outcome
from fanout.text import NAMES_SHOWN, count, nearest, shortened

Form = Literal["bytes", "text", "json"]

NOT_TEXT = "ResponseNotText"
NOT_JSON = "ResponseNotJSON"
FIELD_MISSING = "FieldMissing"
WRONG_TYPE = "FieldType"
PROBLEMS_SHOWN = 3  # of one row
NAME_SHOWN = 40  # characters of a member's name


@dataclass(frozen=True, slots=True)
class ResponseField:
    """A value of a JSON response that becomes a column of the output.

    Attributes:
        name: The column's.
        path: Where the value stands, as it was written.
        kind: Its type.
        optional: A row whose response lacks it, or has null there, has null; else that row is `invalid`.
    """

    name: str
    path: str
    kind: FieldType
    optional: bool
    steps: Steps = field(repr=False)
    read: Reader = field(repr=False, compare=False)

    @classmethod
    def of(cls, name: str, *, path: str, type: str = "string", optional: bool = False) -> ResponseField:  # noqa: A002 - the TOML's word
        """Return the field that a configuration describes.

        Raises:
            ValueError: The path is not one, or names more than one value, or there is no such type.
        """
        kind = parse_type(type)
        return cls(name, path, kind, optional, singular_steps(path), reader_of(kind))


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a response cannot be used: a code for grouping, and a sentence."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Responses:
    """What is wanted of every response.

    Attributes:
        form: `bytes` takes any, `text` needs UTF-8, `json` one JSON value.
        fields: Values that a JSON response must hold; those of an outcome follow their order.
    """

    form: Form
    fields: Sequence[ResponseField] = ()

    @property
    def takes_any(self) -> bool:
        """Whether no response is looked at."""
        return self.form == "bytes" and not self.fields

    def apply(self, outcome: Outcome) -> None:
        """Give a row that succeeded its fields, or make it `invalid`; its response stays as it is."""
        if outcome.status != "succeeded" or self.takes_any:
            return
        found = self.read(outcome.response or b"")
        if isinstance(found, Problem):
            outcome.status, outcome.error_code, outcome.error_message = "invalid", found.code, found.message
        else:
            outcome.fields = found

    def read(self, body: bytes) -> tuple[object, ...] | Problem:
        """Return the values of the fields, in their order, or why the response cannot be used."""
        if self.takes_any:
            return ()
        if self.form == "text" and not self.fields:
            return _not_text(body) or ()
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            return _not_text(body) or _not_json(body, error)
        values: list[object] = []
        problems: list[Problem] = []
        for each in self.fields:
            found = _value(each, value)
            problems += [found] if isinstance(found, Problem) else []
            values.append(found)
        return _joined(problems) if problems else tuple(values)


TAKES_ANY = Responses("bytes")


def _value(wanted: ResponseField, response: object) -> object:
    """Return the value of a field, or the problem with it."""
    value = find(response, wanted.steps)
    if value is NOTHING or value is None:
        return None if wanted.optional else _missing(wanted, response, is_null=value is None)
    try:
        return wanted.read(value, "")
    except WrongTypeError as error:
        return Problem(WRONG_TYPE, f"{wanted.name}: at {wanted.path}{error.place}, {error}")


def _missing(wanted: ResponseField, response: object, *, is_null: bool) -> Problem:
    if is_null:
        return Problem(FIELD_MISSING, f"{wanted.name}: {wanted.path} is null, and the field is not optional")
    depth = next(
        depth for depth in range(len(wanted.steps)) if find(response, wanted.steps[: depth + 1]) is NOTHING
    )
    there, step = find(response, wanted.steps[:depth]), wanted.steps[depth]
    place = path_of(wanted.steps[:depth])
    return Problem(
        FIELD_MISSING,
        f"{wanted.name}: the response has no {wanted.path}: {place} is {_described(there, step)}",
    )


def _described(value: object, step: str | int) -> str:
    """Return what stands where a step leads nowhere, with what was probably meant."""
    if isinstance(value, dict):
        if not value:
            return "an empty object"
        names = tuple(map(str, value))
        meant = nearest(step, names) if isinstance(step, str) else None
        if meant is not None:
            return f"an object without it; did you mean {shortened(meant, NAME_SHOWN)!r}?"
        said = ", ".join(repr(shortened(name, NAME_SHOWN)) for name in names[:NAMES_SHOWN])
        return f"an object with {said}{', ...' if len(names) > NAMES_SHOWN else ''}"
    if isinstance(value, list):
        return f"an array of {count(len(value), 'element')}"
    return {str: "a text", bool: "true or false", type(None): "null"}.get(type(value), "a number")


def _joined(problems: Sequence[Problem]) -> Problem:
    said = [problem.message for problem in problems[:PROBLEMS_SHOWN]]
    more = len(problems) - len(said)
    if more:
        said.append(f"and {count(more, 'field')} more")
    text = said[0] + "".join(
        f"{' ' if before.endswith('?') else '. '}{each}" for before, each in pairwise(said)
    )
    return Problem(problems[0].code, text)


def _not_text(body: bytes) -> Problem | None:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return Problem(NOT_TEXT, f"the response is not UTF-8 text: byte {error.start + 1} of {len(body):,}")
    return None


def _not_json(body: bytes, error: orjson.JSONDecodeError) -> Problem:
    if not body.strip():
        return Problem(NOT_JSON, "the response is empty, which is not JSON")
    where = f"line {error.lineno}, column {error.colno}"
    return Problem(NOT_JSON, f"the response is not JSON: {error.msg} ({where})")
