"""Reads paths into JSON values (RFC 9535), of which only those that name at most one value are taken."""

from __future__ import annotations

import json
from typing import Final

Steps = tuple[str | int, ...]
"""From the root: a name is a member of an object, a number an element of an array, from its end if it is negative."""


class Nothing:
    """Stands for a value that is not there."""


NOTHING: Final = Nothing()


def singular_steps(path: str) -> Steps:
    """Return the steps of a path that names at most one value (RFC 9535, 2.3.5.1, a singular query).

    >>> singular_steps("$[0].generated_text")
    (0, 'generated_text')

    Raises:
        ValueError: It is no such path; says what is wrong, and at which character.
    """
    # Imported late: only a run with fields needs it. What it matches, `find` does in a thirtieth of the time.
    from jsonpath import JSONPath, JSONPathEnvironment  # noqa: PLC0415
    from jsonpath.exceptions import JSONPathError  # noqa: PLC0415
    from jsonpath.selectors import IndexSelector, NameSelector  # noqa: PLC0415

    try:
        query = JSONPathEnvironment(strict=True).compile(path)
    except JSONPathError as error:
        token = error.token
        where = "" if token is None or token.index < 0 else f" at character {token.index + 1}"
        raise ValueError(
            f"is not a JSON path (RFC 9535){where}; write one such as $.answer, or $[0]['generated text']"
        ) from error
    steps: list[str | int] = []
    for segment in query.segments if isinstance(query, JSONPath) and query.singular_query() else (None,):
        selectors = () if segment is None else segment.selectors
        match selectors:
            case (NameSelector(name=name),):
                steps.append(name)
            case (IndexSelector(index=index),):
                steps.append(index)
            case _:
                raise ValueError(
                    "names any number of values: a column takes one, by names and numbers alone, as $.choices[0].text"
                )
    return tuple(steps)


def find(value: object, steps: Steps) -> object:
    """Return the value that `steps` lead to from `value`, JSON as Python has it; `NOTHING` if there is none."""
    for step in steps:
        if isinstance(step, str):
            if type(value) is not dict or step not in value:
                return NOTHING
            value = value[step]
        else:
            if type(value) is not list or not -len(value) <= step < len(value):
                return NOTHING
            value = value[step]
    return value


def path_of(steps: Steps) -> str:
    """Return the steps as a path: `$[0].text`, `$['a b']`."""
    return "$" + "".join(
        f"[{step}]"
        if isinstance(step, int)
        else f".{step}"
        if step.isascii() and step.isidentifier()
        else f"[{_quoted(step)}]"
        for step in steps
    )


def _quoted(name: str) -> str:
    escaped = json.dumps(name, ensure_ascii=False)[1:-1]
    return "'" + escaped.replace('\\"', '"').replace("'", "\\'") + "'"
