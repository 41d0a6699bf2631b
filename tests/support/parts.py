"""Outcomes and part files for the tests of the output: the content of a row is a function of its number."""

from __future__ import annotations

import io
import random
import resource
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fanout.domain.records import Outcome
from fanout.output.parts import Part, write_part
from fanout.output.schema import JSON_KEY, derive, gather

RUN = "abcdefghij"
EPOCH = 1_760_000_000.0
KEPT = pa.schema([pa.field("label", pa.string()), pa.field("score", pa.string(), metadata={JSON_KEY: b"1"})])
NOTHING_KEPT = pa.schema([])


def outcome(row: int, *, score: str | None = None) -> Outcome:
    """Return a row that went well, but for every tenth, with `KEPT` columns."""
    at = EPOCH + row
    return Outcome(
        row=row,
        id=f"id-{row}",
        passthrough=(f"label-{row % 7}", str(row) if score is None else score),
        status="failed" if row % 10 == 9 else "succeeded",
        transport="inline",
        attempts=1,
        response=b"response %d" % row,
        due_at=at,
        sent_at=at + 0.25,
        accepted_at=at + 0.5,
        notified_at=at + 2,
        collected_at=at + 2.5,
        fetched_at=at + 3,
        noticed_by="sqs",
    )


def bulky(row: int, size_bytes: int) -> Outcome:
    """Return a row with a large incompressible response and no passthrough columns."""
    start = row * 7919 % size_bytes
    response = _noise(2 * size_bytes)[start : start + size_bytes]
    return Outcome(row=row, id=None, passthrough=(), status="succeeded", response=response)


@cache
def _noise(size_bytes: int) -> bytes:
    return random.Random(size_bytes).randbytes(size_bytes)


def to_table(outcomes: Sequence[Outcome], passthrough_schema: pa.Schema) -> pa.Table:
    """Return the outcomes as the sink makes a part of them, but in their order."""
    return derive(gather(outcomes, passthrough_schema), passthrough_schema)


def write_parts(directory: Path, split: Iterable[Sequence[int]]) -> list[Part]:
    """Write a part for each sequence of row numbers."""
    return [
        write_part(directory, number, to_table([outcome(row) for row in rows], KEPT))
        for number, rows in enumerate(split)
    ]


@contextmanager
def file_size_limit(limit_bytes: int) -> Iterator[None]:
    """A full disk, as the kernel tells it: writes past the limit fail (EFBIG; Python ignores the signal)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def footer_of(table: pa.Table, **options: object) -> bytes:
    """Return the footer of a file that pyarrow writes of the table."""
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    content = out.getvalue()
    length = int.from_bytes(content[-8:-4], "little")
    return content[-8 - length : -8]
