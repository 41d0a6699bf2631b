"""What is kept of rows that would be sent."""

from __future__ import annotations

import pytest

from fanout.analysis.planned_rows import TEXT_SHOWN, PlannedRows, Sample
from fanout.domain.location import Location
from fanout.domain.records import Inline, Options, Record, Rejected, Staged, Upload

OPTIONS = Options("application/json")


def record(row, payload=b"", **more):
    return Record(row, f"id-{row}", payload, OPTIONS, **more)


def test_rows_are_counted_by_their_way_and_the_first_are_kept():
    rows = PlannedRows(show=3)
    rows.reject(Rejected(0, None, "InvalidJSON", "line 1: no JSON", payload_bytes=7))
    rows.add(record(1, b"abc"), Inline(OPTIONS, b"abc"))
    place = Location("bucket", "in/02/run/2")
    rows.add(record(2, b"x" * 5_000), Upload(OPTIONS, b"x" * 5_000, place))
    rows.add(record(3, location="s3://theirs/key"), Staged(OPTIONS, "s3://theirs/key"))
    rows.add(record(4, b"abcde"), Inline(OPTIONS, b"abcde"))
    rows.reject(Rejected(5, None, "InvalidJSON", "line 6: no JSON"))
    assert (rows.rows, rows.sendable, rows.payload_bytes) == (6, 4, 5_015)
    assert rows.by_transport == {"inline": 2, "s3": 1, "existing": 1}
    assert rows.bytes_by_transport == {"inline": 8, "s3": 5_000, "existing": 0}
    assert (rows.rejected, rows.examples) == ({"InvalidJSON": 2}, {"InvalidJSON": "line 1: no JSON"})
    assert (rows.sizes.count, rows.sizes.largest) == (3, 5_000), "what stands in S3 already was not looked at"
    assert [(each.row, each.transport, each.location) for each in rows.samples] == [
        (1, "inline", None),
        (2, "s3", "s3://bucket/in/02/run/2"),
        (3, "existing", "s3://theirs/key"),
    ]
    assert rows.samples[1].payload == b"x" * TEXT_SHOWN


@pytest.mark.parametrize(
    ("payload", "size", "shown"),
    [
        (b'{"a": "\xc3\xa4"}', 11, ('{"a": "\u00e4"}', "utf-8")),
        (b"abc\xc3", 9_000, ("abc", "utf-8")),  # the cut went through a character
        (b"abc\xc3", 4, ("YWJjww==", "base64")),
        (b"\x89PNG\r\n", 9_000, ("iVBORw0K", "base64")),
        (b"", 0, ("", "utf-8")),
    ],
)
def test_a_payload_is_shown_as_text_where_it_is_some(payload, size, shown):
    sample = Sample(
        row=0,
        id=None,
        transport="inline",
        payload_bytes=size,
        payload=payload,
        location=None,
        options=OPTIONS,
    )
    assert sample.text() == shown


def test_a_large_upload_takes_a_request_for_each_part():
    rows = PlannedRows()
    large = b"x" * (32 << 20)
    rows.add(record(0, large[:-1]), Upload(OPTIONS, b"", Location("bucket", "key")))
    assert rows.parts == 0
    rows.add(record(1, large), Upload(OPTIONS, b"", Location("bucket", "key")))
    assert rows.parts == 4 + 2 - 1, "four parts of 8 MiB, beginning and completing, in place of one"
    assert rows.ranked() == []
    for row, code in enumerate(["B", "A", "C", "C"]):
        rows.reject(Rejected(row, None, code, ""))
    assert rows.ranked() == [("C", 2), ("A", 1), ("B", 1)]
