"""Reads a JSON request body strictly: names and types as in the service model, or the service's own error."""

from __future__ import annotations

from typing import Self

import orjson

from fanout.simulator.errors import ServiceError


class Fields:
    """The members of one JSON object; reading one of the wrong type is a `ServiceError`."""

    def __init__(self, members: dict[str, object]) -> None:
        self._members = members

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Return the fields of a request body; an empty one has none.

        Raises:
            ServiceError: SerializationException.
        """
        try:
            value = orjson.loads(body) if body else {}
        except orjson.JSONDecodeError as error:
            raise ServiceError(400, "SerializationException", "The body is not JSON.") from error
        if not isinstance(value, dict):
            raise _unexpected("the body", "an object")
        return cls(value)

    def has(self, name: str) -> bool:
        """Whether the member is there and not empty."""
        return bool(self._members.get(name))

    def text(self, name: str) -> str:
        """Return a required string.

        Raises:
            ServiceError: MissingParameter, SerializationException; as every method here.
        """
        value = self._members.get(name)
        if value is None:
            raise ServiceError(400, "MissingParameter", f"The request must contain the parameter {name}.")
        if not isinstance(value, str):
            raise _unexpected(name, "a string")
        return value

    def text_or_none(self, name: str) -> str | None:
        """Return an optional string."""
        return None if self._members.get(name) is None else self.text(name)

    def integer(self, name: str) -> int | None:
        """Return an optional integer."""
        value = self._members.get(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise _unexpected(name, "an integer")
        return value

    def number(self, name: str) -> float:
        """Return a required number; times are numbers of seconds since the epoch."""
        value = self._members.get(name)
        if value is None:
            raise ServiceError(400, "MissingParameter", f"The request must contain the parameter {name}.")
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise _unexpected(name, "a number")
        return float(value)

    def texts(self, name: str) -> list[str]:
        """Return a list of strings, empty if it is not there."""
        value = self._members.get(name) or []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise _unexpected(name, "a list of strings")
        return value

    def mapping(self, name: str) -> dict[str, str]:
        """Return a map of strings, empty if it is not there."""
        value = self._members.get(name) or {}
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise _unexpected(name, "a map of strings")
        return value

    def entries(self, name: str) -> list[Fields]:
        """Return a list of objects, empty if it is not there."""
        value = self._members.get(name) or []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise _unexpected(name, "a list of objects")
        return [Fields(item) for item in value]


def _unexpected(name: str, wanted: str) -> ServiceError:
    return ServiceError(400, "SerializationException", f"Expected {wanted} for {name}.")
