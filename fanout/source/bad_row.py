"""Says why one row cannot be sent; the reader, which knows the row's place, makes a `Rejected` of it."""

from __future__ import annotations

from fanout.text import did_you_mean


class BadRow(Exception):  # noqa: N818 - a value on its way to `Rejected`, never a failed run
    """One row is unusable; caught by the reader, which knows the place.

    Attributes:
        code: CamelCase, fit for grouping.
        message: What is wrong, without the place.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @classmethod
    def missing(cls, name: str, known: tuple[str, ...]) -> BadRow:
        """The row has no field `name`; `known` are those that it has."""
        return cls("MissingField", f"no field {name!r} ({did_you_mean(name, known)})")
