"""Makes a `Record` of a row's values, by the same rules for JSON Lines and Parquet."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fanout.domain.location import Location
from fanout.domain.records import Options, Passthrough, Record
from fanout.source import exact_json as exact
from fanout.source.bad_row import BadRow
from fanout.source.row_options import RowOptions, json_type
from fanout.source.selection import Selection

_EXACT = 2**53  # up to here every whole number is a float64 (IEEE 754)
Values = Mapping[str, object]
Payload = Callable[[Values], bytes]
"""Makes a row's payload; raises `BadRow`."""


class Assembler:
    """Makes records of rows, by one selection."""

    def __init__(self, selection: Selection, defaults: Options) -> None:
        self._id = selection.id_column
        self._location = selection.location_column
        self._options = RowOptions(selection, defaults)
        self._fallback = not selection.whole_row
        self.plain = self._id is None and self._location is None and not self._options.varies

    def identify(self, values: Values) -> str | None:
        """Return the row's id: a string as it is, anything else as JSON text, None where there is none.

        A whole float is a whole number: pandas makes a column of integers and nulls one of floats.

        Raises:
            BadRow: The value has no JSON text.
        """
        value = None if self._id is None else values.get(self._id)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
            return str(int(value))
        try:
            return exact.dumps(value).decode()
        except exact.NotJSONError as error:
            raise BadRow("NotJSON", f"column {self._id!r} {error}") from None

    def record(
        self, row: int, values: Values, *, ident: str | None, payload: Payload, passthrough: Passthrough
    ) -> Record:
        """Return the row's record.

        Raises:
            BadRow: There is nothing to send, or an option or the location is of the wrong type.
        """
        options = self._options.read(values)
        location = self._find(values)
        if location is not None:
            return Record(row, ident, b"", options, passthrough, location)
        return Record(row, ident, payload(values), options, passthrough)

    def _find(self, values: Values) -> str | None:
        if self._location is None:
            return None
        uri = values.get(self._location)
        if uri is None:
            if self._fallback:
                return None
            raise BadRow("NoPayload", f"column {self._location!r} is null and no payload is selected")
        if not isinstance(uri, str):
            raise BadRow(
                "InvalidLocation", f"column {self._location!r} is {json_type(uri)}, not an s3:// uri"
            )
        if not uri.startswith("s3://") or Location.parse(uri) is None:
            raise BadRow("InvalidLocation", f"column {self._location!r} is not of the form s3://bucket/key")
        return uri


def column_payload(name: str) -> Payload:
    """Return what sends column `name` verbatim: bytes, or text as UTF-8."""

    def read(values: Values) -> bytes:
        value = values.get(name)
        if isinstance(value, bytes):
            return value
        if isinstance(value, str):
            return value.encode()
        if isinstance(value, exact.Unfit):
            raise BadRow(value.code, f"column {name!r} {value.reason}")
        if value is not None:
            # Its own text is lost once parsed; a template says that re-writing it is meant.
            raise BadRow(
                "InvalidPayload",
                f'column {name!r} is {json_type(value)}, not a string: use template "${name}"',
            )
        if name in values:
            raise BadRow("NullPayload", f"column {name!r} is null")
        raise BadRow.missing(name, tuple(values))

    return read
