"""Misspelt JSON Lines fields, found before the first row instead of after a night: a look at the first lines."""

from __future__ import annotations

from itertools import islice

import orjson

from fanout.errors import InputError
from fanout.source.files import InputFile
from fanout.source.jsonl.blocks import BrokenStreamError, decompress
from fanout.source.jsonl.lines import LongLine, split_lines
from fanout.source.jsonl.raw_bytes import raw_blocks
from fanout.source.jsonl.template import Template
from fanout.source.selection import Selection
from fanout.source.settings import InputSettings
from fanout.source.statistics import Meter
from fanout.text import did_you_mean, nearest

_LINES = 100


def check_fields(file: InputFile, *, selection: Selection, settings: InputSettings) -> None:
    """Refuse a selection whose fields are in none of the first lines of `file`.

    A payload field must be there, as each of these lines would be rejected. An id or passthrough field may be rare,
    so it is refused only where another has nearly its name. Option and location columns are optional by nature.

    Raises:
        InputError: A field is missing, with the nearest name.
    """
    seen = _fields(file, settings=settings)
    if not seen:
        return
    required = list(selection.payload_fields)
    if selection.payload_column is not None:
        required.append(selection.payload_column)
    if selection.template is not None:
        required += Template.compile(selection.template).names
    optional = [name for name in (selection.id_column, *selection.keep) if name is not None]
    for name in (*required, *optional):
        if name in seen or (name not in required and nearest(name, seen) is None):
            continue
        raise InputError(
            f"{file.path}: no field {name!r} in the first {_LINES} rows ({did_you_mean(name, seen)})"
        )


def _fields(file: InputFile, *, settings: InputSettings) -> tuple[str, ...]:
    """Return the fields of the objects among the first lines, in order; what is wrong is left to the reading."""
    raw = raw_blocks(file, block_bytes=settings.block_bytes, meter=Meter(), check=lambda: None)
    text = decompress(raw, file.compression, step_bytes=settings.block_bytes)
    fields: dict[str, None] = {}
    try:
        # One block: more would unfold a bomb for a courtesy.
        for _, lines in split_lines(islice(text, 1), cap_bytes=settings.line_cap_bytes):
            for line in lines[:_LINES]:
                fields.update(dict.fromkeys(_names(line)))
            break
    except (BrokenStreamError, OSError):
        return ()
    finally:
        raw.close()
    return tuple(fields)


def _names(line: bytes | LongLine) -> tuple[str, ...]:
    try:
        value = None if isinstance(line, LongLine) else orjson.loads(line)
    except orjson.JSONDecodeError:
        return ()
    return tuple(value) if isinstance(value, dict) else ()
