"""Rows with a claim that S3 does not confirm: found again once they have ended, whatever became of them meanwhile."""

from __future__ import annotations

import pytest

from fanout.domain.output_paths import OutputPaths
from fanout.domain.records import Inline, Notice, Options, Record, Reply
from fanout.engine.open_rows import OpenRows

RUN = "abcdefghij"


@pytest.fixture
def rows():
    return OpenRows(RUN, outputs=OutputPaths(RUN), failures=OutputPaths(RUN))


def claimed(rows, number, *, accepted_at, timeout_s=60):
    options = Options(invocation_timeout_s=timeout_s)
    row = rows.admit(Record(number, None, b"", options), Inline(options, b""))
    rows.attempt(row)
    rows.intend(row)
    rows.send(row, due=accepted_at, now=accepted_at)
    rows.accept(row, Reply("id", "s3://bucket/elsewhere", None), now=accepted_at)
    rows.claim(Notice(number, 0, 1, False, "sqs", accepted_at, failure_status="Failed"))
    rows.release(row)
    return row


def over(rows, *, accepted_by, timeout_s=float("inf"), wanted=lambda row: True):
    return [
        row.number
        for row in rows.unconfirmed.over(lambda at, least: at <= accepted_by and least <= timeout_s, wanted)
    ]


def test_rows_are_found_by_when_they_were_accepted(rows):
    assert (bool(rows.unconfirmed), rows.unconfirmed.oldest()) == (False, None)
    for number, accepted_at in enumerate((10.9, 10.1, 11.5, 30.0)):
        claimed(rows, number, accepted_at=accepted_at)
    assert rows.unconfirmed.oldest() == 10.0
    assert over(rows, accepted_by=10.95) == []  # not the whole second has passed
    assert over(rows, accepted_by=11.0) == [0, 1]
    assert over(rows, accepted_by=12.0) == [0, 1, 2]


def test_each_row_has_its_own_timeout(rows):
    claimed(rows, 0, accepted_at=10.0, timeout_s=60)
    claimed(rows, 1, accepted_at=10.5, timeout_s=3_600)
    assert over(rows, accepted_by=11.0, timeout_s=60) == [0]
    assert over(rows, accepted_by=11.0, timeout_s=3_600) == [0, 1]


def test_rows_that_have_ended_or_are_not_wanted_are_let_go_of(rows):
    entries = [claimed(rows, number, accepted_at=10.0) for number in range(3)]
    rows.settle(entries[0])
    assert over(rows, accepted_by=11.0, wanted=lambda row: row.number != 1) == [2]
    assert over(rows, accepted_by=11.0) == [2]
    rows.regenerate(entries[2], resends=1)
    assert over(rows, accepted_by=11.0) == []
    assert not rows.unconfirmed


def test_a_row_that_is_claimed_again_and_again_is_kept_once(rows):
    entry = claimed(rows, 0, accepted_at=10.0)
    for _ in range(5):
        rows.claim(Notice(0, 0, 1, True, "sqs", 12.0))
        rows.release(entry)
    assert over(rows, accepted_by=11.0) == [0]
