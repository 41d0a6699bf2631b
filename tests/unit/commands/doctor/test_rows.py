"""What is said of the first rows of an input."""

from __future__ import annotations

import anyio
import pytest

from fanout.commands.doctor.rows import HEAD_ROWS, Head, first_payloads, judge_rows, read_head
from fanout.domain.location import Location
from fanout.domain.records import Options, Record, Rejected
from fanout.domain.routing import Routing

INLINE = Routing(run_id="abcdefghij", mode="auto", inline_max_bytes=100)
BOTH = Routing(run_id="abcdefghij", mode="auto", inline_max_bytes=100, uploads=Location("b", "p"))


def record(row, size=1, **more):
    return Record(row, None, b"x" * size, Options(), **more)


def rejected(row):
    return Rejected(row, None, "InvalidJSON", f"row {row}: is no JSON")


class Source:
    def __init__(self, *chunks):
        self.left = list(chunks)
        self.closed = False

    async def chunks(self):
        try:
            while self.left:
                yield self.left.pop(0)
        finally:
            self.closed = True


def test_no_more_than_the_head_is_read():
    source = Source(
        [record(row) for row in range(60)], [record(row) for row in range(60, 120)], [record(120)]
    )
    head = anyio.run(read_head, source)
    assert [row.row for row in head.rows] == list(range(HEAD_ROWS))
    assert (head.whole, source.closed, len(source.left)) == (False, True, 1)


def test_an_input_that_ends_with_the_head_is_read_whole():
    head = anyio.run(read_head, Source([record(row) for row in range(HEAD_ROWS)]))
    assert (len(head.rows), head.whole) == (HEAD_ROWS, True)


@pytest.mark.parametrize(
    ("rows", "routing", "status", "text"),
    [
        ([], INLINE, "warn", "there is none"),
        ([record(0)], None, "ok", "the only row is valid"),
        ([record(0), record(1, 101)], BOTH, "ok", "all 2 rows are valid: 1 inline, 1 via S3"),
        ([record(0, location="s3://b/k")], INLINE, "ok", "the only row is valid: 1 via S3"),
        ([record(0), record(1, 101)], INLINE, "warn", "1 of all 2 rows would be rejected, the first for NoInputPrefix"),
        ([rejected(0), record(1)], None, "warn", "the first for InvalidJSON: row 0: is no JSON"),
        ([rejected(0), record(1, 101)], INLINE, "fail", "all 2 rows would be rejected"),
    ],
)  # fmt: skip
def test_what_becomes_of_the_first_rows(rows, routing, status, text):
    [found] = judge_rows(Head(rows, whole=True), routing)
    assert (found.check, found.status) == ("rows", status)
    assert text in found.text


def test_rows_that_are_sent_are_the_first_that_are_valid():
    head = Head([rejected(0), record(1), record(2), record(3)], whole=False)
    assert [row.row for row in first_payloads(head, 2)] == [1, 2]
    assert judge_rows(Head([record(0)], whole=False), None)[0].text.startswith("the first 1 row")
