"""Reads a row's options from their columns; equal options share one object, as creating one costs as much as a row."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from fanout.domain.records import Options
from fanout.source.bad_row import BadRow
from fanout.source.exact_json import DecimalText
from fanout.source.selection import Selection

# A column of a few content types repeats itself; one of a million distinct attributes must not fill memory.
_CACHE_ENTRIES = 1_024

_Key = tuple[str | None, str | None, str | None, int | None, int | None]


class RowOptions:
    """Reads the option columns of a row; limits are checked later, in `route`."""

    def __init__(self, selection: Selection, defaults: Options) -> None:
        self._texts = selection.text_options
        self._numbers = selection.number_options
        self._defaults = defaults
        self._shared: dict[_Key, Options] = {}
        self.varies = bool(selection.option_columns)

    def read(self, values: Mapping[str, object]) -> Options:
        """Return the row's options; a missing or null value leaves the default.

        Raises:
            BadRow: A value of the wrong type, named with its column.
        """
        defaults = self._defaults
        if not self.varies:
            return defaults
        content_type, accept, attributes = self._texts
        ttl, timeout = self._numbers
        key = (
            _text(values, content_type, defaults.content_type),
            _text(values, accept, defaults.accept),
            _text(values, attributes, defaults.custom_attributes),
            _whole(values, ttl, defaults.ttl_s),
            _whole(values, timeout, defaults.invocation_timeout_s),
        )
        options = self._shared.get(key)
        if options is None:
            if len(self._shared) >= _CACHE_ENTRIES:
                self._shared.clear()
            options = self._shared[key] = Options(*key)
        return options


def json_type(value: object) -> str:
    """Return the name of the value's JSON type, for a message."""
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    return {str: "a string", list: "an array", dict: "an object", type(None): "null"}.get(
        type(value), "not JSON"
    )


def _text(values: Mapping[str, object], column: str | None, default: str | None) -> str | None:
    value = None if column is None else values.get(column)
    if value is None:
        return default
    if isinstance(value, str):
        return value if value.strip() else default  # an empty header says nothing, and may be refused
    raise BadRow("InvalidOption", f"column {column!r} is {json_type(value)}, not a string")


def _whole(values: Mapping[str, object], column: str | None, default: int | None) -> int | None:
    value = None if column is None else values.get(column)
    if value is None:
        return default
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    # pandas makes a column of whole numbers and nulls one of floats, a database's NUMBER one of decimals.
    if isinstance(value, float | DecimalText):
        number = Decimal(value)
        if number == number.to_integral_value():
            return int(number)
    kind = "a fraction" if isinstance(value, float | DecimalText) else json_type(value)
    raise BadRow("InvalidOption", f"column {column!r} is {kind}, not a whole number of seconds")
