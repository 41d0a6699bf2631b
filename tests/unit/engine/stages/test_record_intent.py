"""Intents in groups: as few rows as keep the senders busy, however slow the disk is."""

from __future__ import annotations

import pytest
import trio
from support.virtual import VirtualClock, run_virtual

from fanout.concurrency.channel import Channel
from fanout.domain.output_paths import OutputPaths
from fanout.domain.records import Inline, Notice, Options, Record
from fanout.engine.journal_writer import EVERY_S, GROUP, JournalWriter
from fanout.engine.open_rows import OpenRows
from fanout.engine.stages.record_intent import GROUP_MAX, next_size, record_intent


@pytest.mark.parametrize(
    ("size", "full", "left", "expected"),
    [
        pytest.param(64, True, 0, 128, id="the senders ran dry"),
        pytest.param(GROUP_MAX, True, 0, GROUP_MAX, id="never more than that"),
        pytest.param(64, False, 0, 64, id="the source is slow, not the disk"),
        pytest.param(512, True, 100, 512, id="about right"),
        pytest.param(512, True, 300, 256, id="the senders are slower than the disk"),
        pytest.param(GROUP, True, GROUP, GROUP, id="never fewer than that"),
    ],
)
def test_the_next_group(size, full, left, expected):
    assert next_size(size, full=full, left=left) == expected


class SlowDisk:
    """What `record_intent` asks of a journal writer, each group taking `sync_s`."""

    def __init__(self, sync_s):
        self.sync_s = sync_s
        self.groups = []

    group_s, full_group, least_group = JournalWriter.group_s, GROUP, GROUP

    async def intend(self, entries):
        await trio.sleep(self.sync_s)
        self.groups.append(len(entries))


@pytest.mark.parametrize(
    ("sync_s", "send_s", "least_per_s", "largest"),
    [(0.002, 0.01, 6_000, 128), (0.2, 0.01, 2_500, GROUP_MAX), (0.2, 10.0, 5, 2 * GROUP)],
    ids=["a fast disk", "a slow disk", "slow senders"],
)
def test_a_slow_disk_gets_large_groups_and_the_senders_stay_busy(sync_s, send_s, least_per_s, largest):
    rows, senders = (8_000 if send_s < 1 else 600), 64

    async def main():
        open_rows = OpenRows(
            "abcdefghij", outputs=OutputPaths("abcdefghij"), failures=OutputPaths("abcdefghij")
        )
        ready, sending, disk = Channel(senders), Channel(senders), SlowDisk(sync_s)
        sent = []

        async def source():
            for row in range(rows):
                record = Record(row, None, b"x", Options())
                await ready.put(open_rows.admit(record, Inline(record.options, record.payload)))

        async def sender():
            while True:
                row = await sending.get()
                await trio.sleep(send_s)
                sent.append(row.number)
                if len(sent) == rows:
                    nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(source)
            nursery.start_soon(
                lambda: record_intent(ready, sending, rows=open_rows, journal=disk, clock=VirtualClock())
            )
            for _ in range(senders):
                nursery.start_soon(sender)
        assert sorted(sent) == list(range(rows))
        return trio.current_time(), disk.groups

    seconds, groups = run_virtual(main)
    assert rows / seconds > least_per_s
    assert max(groups) <= largest


def passed_on(arrivals):
    """Return when each row of `arrivals`, instants in order, was passed on to the senders, and the groups' sizes."""

    async def main():
        open_rows = OpenRows(
            "abcdefghij", outputs=OutputPaths("abcdefghij"), failures=OutputPaths("abcdefghij")
        )
        ready, sending, disk = Channel(4 * GROUP), Channel(4 * GROUP), SlowDisk(0.0005)
        at = []

        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                lambda: record_intent(ready, sending, rows=open_rows, journal=disk, clock=VirtualClock())
            )

            async def sender():
                while len(at) < len(arrivals):
                    await sending.get()
                    at.append(trio.current_time())
                nursery.cancel_scope.cancel()

            nursery.start_soon(sender)
            for row, arrival in enumerate(arrivals):
                await trio.sleep_until(arrival)
                record = Record(row, None, b"x", Options())
                await ready.put(open_rows.admit(record, Inline(record.options, record.payload)))
        return at, disk.groups

    return run_virtual(main)


def test_rows_that_trickle_in_share_commits_and_none_waits_long():
    arrivals = [1.0 + 0.0005 * row for row in range(200)]
    at, groups = passed_on(arrivals)
    assert len(groups) <= 1 + (arrivals[-1] - arrivals[0] + EVERY_S) / EVERY_S
    assert max(passed - arrived for passed, arrived in zip(at, arrivals, strict=True)) <= EVERY_S + 0.002


def test_a_row_after_a_pause_waits_for_nothing_but_the_disk():
    arrivals = [1.0 + 1.01 * EVERY_S * row for row in range(50)]
    at, groups = passed_on(arrivals)
    assert groups == [1] * 50
    assert max(passed - arrived for passed, arrived in zip(at, arrivals, strict=True)) < 0.001


def test_only_what_is_left_over_after_full_groups_waits():
    at, groups = passed_on([1.0] * (4 * GROUP))
    assert at[-groups[-1] - 1] < 1.0 + EVERY_S / 2
    assert at[-1] < 1.0 + EVERY_S + 0.002


def test_a_row_that_a_notice_has_claimed_meanwhile_gets_no_attempt_and_goes_no_further():
    async def main():
        rows = OpenRows("abcdefghij", outputs=OutputPaths("abcdefghij"), failures=OutputPaths("abcdefghij"))
        ready, sending, disk = Channel(4), Channel(4), SlowDisk(0.0)
        claimed, other = (
            rows.admit(Record(row, None, b"x", Options()), Inline(Options(), b"x")) for row in range(2)
        )
        rows.attempt(claimed)
        rows.intend(claimed)
        rows.send(claimed, due=0.0, now=0.0)
        rows.doubt(claimed, now=0.0)
        rows.requeue(claimed)
        for row in (claimed, other):
            await ready.put(row)
        rows.claim(Notice(0, 0, 1, True, "sqs", 0.0))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                lambda: record_intent(ready, sending, rows=rows, journal=disk, clock=VirtualClock())
            )
            passed = await sending.get()
            nursery.cancel_scope.cancel()
        assert (passed, claimed.sends, claimed.resends, disk.groups) == (other, 1, 0, [1])

    run_virtual(main)
