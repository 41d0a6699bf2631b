"""Reads the lines of JSON Lines files as `Record`s, and those that are wrong as `Rejected`s."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from itertools import chain

import orjson
import pyarrow as pa

from fanout.domain.message_rows import at_byte
from fanout.domain.records import Passthrough, Record, Rejected
from fanout.errors import InputError
from fanout.source import exact_json as exact
from fanout.source.assembler import Assembler, Payload, column_payload
from fanout.source.bad_row import BadRow
from fanout.source.detect import MAGIC_BYTES, check_text, find_compression
from fanout.source.files import InputFile, check_unchanged, reason
from fanout.source.jsonl.blocks import BrokenStreamError, decompress
from fanout.source.jsonl.field_check import required_fields
from fanout.source.jsonl.lines import Lines, LongLine, cut_lines, split_lines
from fanout.source.jsonl.raw_bytes import raw_blocks
from fanout.source.jsonl.span import SpanLines
from fanout.source.jsonl.stream_check import StreamCheck
from fanout.source.jsonl.template import Template
from fanout.source.jsonl.validity import Validity
from fanout.source.names import MISSING, find
from fanout.source.remote import BLOCK_BYTES
from fanout.source.selection import Selection
from fanout.source.settings import InputSettings
from fanout.source.settled import IsSettled, stand_in
from fanout.source.statistics import Meter

JSON_TEXT = {b"fanout:json": b"1"}
"""Metadata of a passthrough field whose values are JSON texts; typed when the output is written."""

_COUNTED = 15
"""Bytes are counted every 16 lines."""

Item = Record | Rejected | None
"""A row, or None: nothing more for the moment, so a chunk should not wait."""


class JsonLines:
    """Reads JSON Lines files by one selection.

    Attributes:
        total_rows: None: only reading can tell.
        is_settled: Tells the rows whose lines are counted and not read; None if there are none.
    """

    total_rows = None

    def __init__(self, selection: Selection, settings: InputSettings, *, known: Collection[str] = ()) -> None:
        """Prepare to read by `selection`, which is resolved.

        Args:
            selection: What of a row becomes what.
            settings: How to read.
            known: Fields that the rows have; with none, what is read from a pipe is checked while it is read.

        Raises:
            UsageError: The template is none.
        """
        self.is_settled: IsSettled | None = None
        self._settings = settings
        self._keep = selection.keep
        template = Template.of(selection, known=known)
        text = selection.payload_column is not None
        self._payload: Payload | None = template.render if template else None
        if selection.payload_column is not None:
            self._payload = column_payload(selection.payload_column)
        names = (*selection.named, *(template.names if template else ()))
        self._check = StreamCheck(() if known else required_fields(selection, known=()))
        self._names = tuple(dict.fromkeys(names))
        self._nested = tuple(name for name in self._names if "." in name)
        self._partitions: dict[str, str | None] = {}
        kind = "text/plain; charset=utf-8" if text else "application/json"
        defaults = selection.defaults
        self._options = defaults if defaults.content_type else replace(defaults, content_type=kind)
        self._assembler = Assembler(selection, self._options)
        self._whole = self._payload is None and self._assembler.plain and not self._keep
        self._validity = Validity()
        self.passthrough_schema = pa.schema(
            [pa.field(name, pa.string(), metadata=JSON_TEXT) for name in self._keep]
        )

    def read(self, file: InputFile, *, row: int, meter: Meter, check: Callable[[], None]) -> Iterator[Item]:
        """Yield the rows of `file`, numbered from `row`; blank lines are none.

        Args:
            file: The file.
            row: Number of its first row.
            meter: Counts the bytes read.
            check: Called between blocks; raises what should stop the reading.

        Raises:
            InputError: The file is damaged or changed; the rows before the damage were yielded.
        """
        self._partitions = {name: text for name, text in file.partitions.items() if name in self._names}
        rows = self._rows(file, row=row, meter=meter, check=check)
        return self._check.held(rows, file.path) if file.streamed and not self._check.done else rows

    def _rows(self, file: InputFile, *, row: int, meter: Meter, check: Callable[[], None]) -> Iterator[Item]:
        number, place = 0, _Place(file.path)
        is_settled, passed = self.is_settled, False
        ahead = Meter()  # bytes are read a block at a time, and count when their rows are handed on
        before = meter.bytes_read
        unfolding = 0 if file.compression == "none" else self._settings.block_bytes
        try:
            for first, lines in self._lines(file, ahead, check, place):
                number = first - 1
                counted = meter.bytes_read
                each = max(0, before + ahead.bytes_read - unfolding - counted) / len(lines)
                for line in lines:
                    number += 1
                    if not number & _COUNTED:
                        meter.bytes_read = counted + int(each * (number - first))
                    if not line or (isinstance(line, bytes) and line.isspace() and not line.strip(b" \t\r")):
                        continue
                    if is_settled is not None:
                        if is_settled(row):
                            passed, row = True, row + 1
                            continue
                        if passed:
                            yield stand_in(row - 1)
                            passed = False
                    yield self._row(row, line, place, number)
                    row += 1
                if passed:
                    yield stand_in(row - 1)
                    passed = False
                if file.streamed:
                    yield None
        except BrokenStreamError as error:
            raise InputError(
                f"{file.path}: {error} after byte {ahead.bytes_read} of {file.size_bytes or 'a stream'}, "
                f"line {number}, row {row}; fetch or write the file again"
            ) from error
        except OSError as error:
            where = f"{file.path}:{number}" if file.span is None else file.path
            raise InputError(f"{where}: {reason(error)} (row {row})") from error
        meter.bytes_read = before + ahead.bytes_read
        check_unchanged(file)

    def _lines(
        self, file: InputFile, meter: Meter, check: Callable[[], None], place: _Place
    ) -> Iterator[Lines]:
        cap, step = self._settings.line_cap_bytes, self._settings.block_bytes
        if file.span is None:
            return split_lines(self._text(file, meter, check), cap_bytes=cap)
        place.span = SpanLines(file, file.span, block_bytes=step, meter=meter, check=check)
        blocks = place.span.blocks()
        if file.span.start:
            return cut_lines(blocks, cap_bytes=cap)
        first = next(blocks, b"")
        check_text(file.path, first)
        return split_lines(chain([first], blocks), cap_bytes=cap)

    def _text(self, file: InputFile, meter: Meter, check: Callable[[], None]) -> Iterator[bytes]:
        step = self._settings.block_bytes
        compression = file.compression
        # What came as one block from S3 is cut into lines as it is: a smaller one would be a copy.
        most = BLOCK_BYTES if compression == "none" and file.remote is not None else step
        raw: Iterator[bytes] = raw_blocks(file, block_bytes=most, meter=meter, check=check)
        if file.streamed:
            head = b""
            while len(head) < MAGIC_BYTES and (more := next(raw, b"")):
                head += more
            compression = find_compression(file.path, head, settings=self._settings)
            raw = chain([head], raw) if head else raw
        plain = decompress(raw, compression, step_bytes=step)
        first = b""
        while len(first) < MAGIC_BYTES and (more := next(plain, b"")):
            first += more
        check_text(file.path, first)
        yield first
        yield from plain

    def _row(self, row: int, line: bytes | LongLine, place: _Place, number: int) -> Record | Rejected:
        if isinstance(line, LongLine):
            return self._too_long(row, line, place.of(row, number))
        try:
            if self._whole:
                if not self._validity.is_object(line) and not self._settings.any_json:
                    raise _not_an_object()
                return Record(row, None, line, self._options)
            return self._selected(row, line, place, number)
        except orjson.JSONDecodeError as error:
            bad = exact.explain(line, error)
        except BadRow as error:
            bad = error
        return self._reject(row, bad, place.of(row, number), len(line))

    def _selected(self, row: int, line: bytes, place: _Place, number: int) -> Record | Rejected:
        value = exact.parse_exact(line)
        if not isinstance(value, dict):
            if not self._settings.any_json:
                raise _not_an_object()
            value = {}
        if not self._check.done:
            self._check.look(value)
        for name in self._nested:
            if (found := find(value, name)) is not MISSING:
                value[name] = found
        for name, text in self._partitions.items():
            value.setdefault(name, text)
        passthrough = tuple(_kept(value, name) for name in self._keep)
        ident: str | None = None
        payload = self._payload or (lambda _: line)
        try:
            ident = self._assembler.identify(value)
            return self._assembler.record(row, value, ident=ident, payload=payload, passthrough=passthrough)
        except BadRow as bad:
            where = place.of(row, number)
            return Rejected(row, ident, bad.code, f"{where}: {bad.message}", passthrough, len(line))

    def _reject(self, row: int, bad: BadRow, place: str, size_bytes: int) -> Rejected:
        nothing: Passthrough = (None,) * len(self._keep)
        return Rejected(row, None, bad.code, f"{place}: {bad.message}", nothing, size_bytes)

    def _too_long(self, row: int, line: LongLine, place: str) -> Rejected:
        cap = self._settings.line_cap_bytes
        message = f"the line has {line.length_bytes:,} bytes, more than input.line_max_bytes ({cap:,}) allows; raise it"
        return self._reject(row, BadRow("LineTooLong", message), place, line.length_bytes)


class _Place:
    """Says where a row stands: by its line, or, in a part of a file, by its byte, as its lines are not counted.

    Attributes:
        span: That part; None for a whole file.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self.span: SpanLines | None = None

    def of(self, row: int, number: int) -> str:
        """Return the place of the row that is line `number` of what is read."""
        if self.span is None:
            return f"{self._path}:{number}"
        return at_byte(self._path, self.span.place(number), row=row)


def _kept(value: dict[str, object], name: str) -> str | None:
    """Return the JSON text of a field, None where it is missing (an explicit null is the text `null`)."""
    if name not in value:
        return None
    try:
        return exact.dumps(value[name]).decode()
    except exact.NotJSONError as error:
        raise BadRow("NotJSON", f"column {name!r} {error}") from None


def _not_an_object() -> BadRow:
    return BadRow("NotAnObject", "the line is not a JSON object")
