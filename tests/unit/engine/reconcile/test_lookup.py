"""Looking into S3: the cheaper way first, the other where that is denied; what is found is claimed once."""

from __future__ import annotations

import pytest
import trio
from support.flow import RecordingFlow
from support.virtual import VirtualClock, run_virtual

from fanout.domain.location import Location
from fanout.domain.output_paths import AS_EXPECTED, OutputPaths
from fanout.domain.records import Inline, Options, Record, Reply
from fanout.engine.open_rows import OpenRows
from fanout.engine.reconcile.lookup import Lookup
from fanout.errors import CallError, Phase
from fanout.ports import ObjectInfo

RUN = "abcdefghij"
ROWS = 1_000


class Bucket:
    """Objects, and how they were asked for."""

    def __init__(self, keys, *, denied=False):
        self.keys = sorted(keys)
        self.denied = denied
        self.heads = self.lists = 0

    def info(self, key):
        return ObjectInfo(Location("bucket", key), 1, 100.0)

    async def head(self, location):
        self.heads += 1
        return self.info(location.key) if location.key in self.keys else None

    async def list(self, bucket, prefix):
        self.lists += 1
        if self.denied:
            raise CallError(Phase.REPLY, "AccessDenied", status=403)
        found = [self.info(key) for key in self.keys if key.startswith(prefix)]
        for start in range(0, len(found), 300):
            yield found[start : start + 300]


def key(row, root="out", generation=0):
    return f"{root}/fanout/{RUN}/{row & 255:02x}/{row}.{generation}"


def searched(bucket, *, rows=ROWS, of=None, twice=False):
    """Return the rows that were claimed, and by what, after `rows` were accepted and those of `of` looked for."""

    async def main():
        open_rows = OpenRows(
            RUN,
            outputs=OutputPaths(RUN, path="s3://bucket/out"),
            failures=OutputPaths(RUN, path="s3://bucket/err"),
        )
        for row in range(rows):
            entry = open_rows.admit(Record(row, None, b"", Options()), Inline(Options(), b""))
            open_rows.attempt(entry)
            open_rows.intend(entry)
            open_rows.send(entry, due=0.0, now=0.0)
            reply = Reply("the id of the send", f"s3://bucket/{key(row)}", f"s3://bucket/{key(row, 'err')}")
            open_rows.accept(entry, reply, now=1.0)
        flow = RecordingFlow(open_rows, capacity=2 * rows)
        search = Lookup(rows=open_rows, flow=flow, objects=bucket, clock=VirtualClock())
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(search.looker)
            for _ in range(2 if twice else 1):
                await search.find([open_rows.get(row) for row in (of or range(rows))])
            nursery.cancel_scope.cancel()
        found = []
        while (row := flow.fetches.get_nowait()) is not None:
            found.append((row, row.notice))
        assert search.statistics().found == len(found)
        assert search.statistics().waiting == 0
        return found

    return run_virtual(main)


def test_many_rows_are_found_by_listing_each_once():
    bucket = Bucket(
        [
            *(key(row) for row in range(0, ROWS, 2)),
            key(1, "err"),
            key(ROWS + 5),
            key(3, generation=7),
            "out/x",
        ]
    )
    found = searched(bucket, twice=True)
    assert sorted(entry.number for entry, notice in found if notice.completed) == [*range(0, ROWS, 2)]
    assert [entry.number for entry, notice in found if not notice.completed] == [1]
    assert bucket.heads == 0
    # It stands where all do, and costs the row nothing.
    assert all(entry.output is AS_EXPECTED for entry, notice in found if notice.completed)
    assert {(notice.noticed_by, notice.attempt, notice.completed_at) for _, notice in found} == {
        ("list", None, 100.0)
    }


def test_a_few_rows_are_looked_for_singly():
    bucket = Bucket([key(5), key(6, "err")])
    found = searched(bucket, of=[5])
    assert [(entry.number, notice.completed) for entry, notice in found] == [(5, True)]
    assert (bucket.heads, bucket.lists) == (1, 0)


def test_a_failure_is_looked_for_where_there_is_no_output():
    bucket = Bucket([key(6, "err")])
    found = searched(bucket, of=[6])
    assert [(entry.number, notice.completed) for entry, notice in found] == [(6, False)]
    assert bucket.heads == 2


def test_where_listing_is_denied_every_row_is_looked_for_and_listing_is_not_tried_again(caplog):
    bucket = Bucket([key(row) for row in range(ROWS)], denied=True)
    found = searched(bucket, twice=True)
    assert sorted(entry.number for entry, _ in found) == [*range(ROWS)]
    assert bucket.lists == 1
    assert "cannot list s3://bucket/out/fanout/abcdefghij/ (s3:ListBucket: AccessDenied)" in caplog.text


@pytest.mark.parametrize("denied", [False, True])
def test_nothing_is_found_where_nothing_stands(denied):
    assert searched(Bucket([], denied=denied)) == []
