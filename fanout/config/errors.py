"""What is wrong with settings, in sentences; unknown keys are errors that name the nearest known one."""

from __future__ import annotations

import difflib

from pydantic import BaseModel, ValidationError


def explain(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return one sentence for each thing that is wrong, with its key and, for an unknown one, the nearest."""
    return [_explain(details["type"], details["loc"], details["msg"], model) for details in error.errors()]


def _explain(kind: str, place: tuple[int | str, ...], message: str, model: type[BaseModel]) -> str:
    key = ".".join(str(part) for part in place)
    if kind != "extra_forbidden":
        return f"{key}: {message.removeprefix('Value error, ')}"
    known = _keys(model, place[:-1])
    nearest = difflib.get_close_matches(str(place[-1]), known, n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"known are {', '.join(known)}"
    return f"unknown key {key!r}; {hint}"


def _keys(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    for part in place:
        field = model.model_fields.get(str(part))
        inner = field.annotation if field is not None else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        model = inner
    return list(model.model_fields)
