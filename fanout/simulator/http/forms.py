"""Reads a query-protocol request body strictly: `Action=…&Attributes.entry.1.key=…&Names.member.1=…`."""

from __future__ import annotations

from typing import Self
from urllib.parse import parse_qsl

from fanout.simulator.errors import ServiceError


class Form:
    """The parameters of one call."""

    def __init__(self, parameters: dict[str, str]) -> None:
        self._parameters = parameters

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Return the parameters of a form body.

        Raises:
            ServiceError: MalformedQueryString.
        """
        try:
            pairs = parse_qsl(
                body.decode(), keep_blank_values=True, strict_parsing=bool(body), errors="strict"
            )
        except ValueError as error:
            raise ServiceError(400, "MalformedQueryString", "The body is not a form.") from error
        return cls(dict(pairs))

    def text(self, name: str) -> str:
        """Return a required parameter.

        Raises:
            ServiceError: InvalidParameter.
        """
        value = self._parameters.get(name)
        if not value:
            raise ServiceError(
                400, "InvalidParameter", f"Invalid parameter: {name} Reason: no value for required parameter"
            )
        return value

    def get(self, name: str) -> str:
        """Return an optional parameter, empty if it is not there."""
        return self._parameters.get(name, "")

    def entries(self, name: str) -> dict[str, str]:
        """Return the map `name.entry.N.key`, `name.entry.N.value`."""
        found: dict[str, str] = {}
        number = 1
        while (key := self._parameters.get(f"{name}.entry.{number}.key")) is not None:
            found[key] = self._parameters.get(f"{name}.entry.{number}.value", "")
            number += 1
        return found

    def members(self, name: str) -> list[str]:
        """Return the list `name.member.N`, empty if it is not there."""
        found: list[str] = []
        while (value := self._parameters.get(f"{name}.member.{len(found) + 1}")) is not None:
            found.append(value)
        return found

    def structures(self, name: str) -> list[dict[str, str]]:
        """Return the list of structures `name.member.N.Member`, empty if it is not there."""
        found: list[dict[str, str]] = []
        while True:
            prefix = f"{name}.member.{len(found) + 1}."
            members = {
                key.removeprefix(prefix): value
                for key, value in self._parameters.items()
                if key.startswith(prefix)
            }
            if not members:
                return found
            found.append(members)
