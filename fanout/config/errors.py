"""Describes mistakes in settings, one sentence each; an unknown key gets the name that was probably meant."""

from __future__ import annotations

from pydantic import BaseModel, ValidationError

from fanout.text import did_you_mean


def explain(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return one sentence for each thing that is wrong, with its key and, for an unknown one, the nearest."""
    return [_explain(details["type"], details["loc"], details["msg"], model) for details in error.errors()]


def _explain(kind: str, place: tuple[int | str, ...], message: str, model: type[BaseModel]) -> str:
    key = ".".join(str(part) for part in place)
    if kind != "extra_forbidden":
        return f"{key}: {message.removeprefix('Value error, ')}"
    return f"unknown key {key!r}; {did_you_mean(str(place[-1]), _keys(model, place[:-1]))}"


def _keys(model: type[BaseModel], place: tuple[int | str, ...]) -> tuple[str, ...]:
    for part in place:
        field = model.model_fields.get(str(part))
        inner = field.annotation if field is not None else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        model = inner
    return tuple(model.model_fields)
