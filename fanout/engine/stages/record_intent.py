"""Journals the intents of rows in groups by count and time, and passes rows on once their intents are durable.

The pipeline starts one worker. Between this stage and the endpoint are at most two groups and one row a sender: after
a kill, only those are uncertain.
"""

from __future__ import annotations

from fanout.concurrency.channel import Channel
from fanout.engine.journal_writer import GROUP, JournalWriter
from fanout.engine.open_row import OpenRow
from fanout.engine.open_rows import OpenRows
from fanout.failpoints import failpoint
from fanout.ports import Clock

GROUP_MAX = 4_096
"""On a disk that takes 200 ms for an fsync, groups of 64 would be 320 rows a second; with these it is 20,000."""


def next_size(size: int, *, full: bool, left: int, least: int = GROUP) -> int:
    """Return how many rows the next group may have: as few as keep the senders busy while the disk works.

    Args:
        size: How many this one might have had.
        full: Whether it had them.
        left: Rows that the senders still had when it became durable.
        least: Fewer are not worth a group.
    """
    if full and left == 0:
        return min(2 * size, GROUP_MAX)
    if left > size // 2:
        return max(size // 2, least)
    return size


async def record_intent(
    ready: Channel[OpenRow],
    sending: Channel[OpenRow],
    *,
    rows: OpenRows,
    journal: JournalWriter,
    clock: Clock,
) -> None:
    """Give rows their attempts, journal them and pass the rows on, for ever.

    A row that a notice has claimed while it waited here needs no attempt and goes no further.
    """
    size, narrow = journal.least_group, sending.capacity
    every_s, full = journal.group_s, journal.full_group
    next_at = float("-inf")
    while True:
        group = [await ready.get()]
        if (full is None or len(ready) < full - 1) and (left_s := next_at - clock.now()) > 0.0:
            await clock.sleep(left_s)
        if full is None:
            while (
                rows.counts.due >= size
            ):  # what is intended ahead of the pace is uncertain once the host is lost
                await clock.sleep(every_s / 4)
        next_at = clock.now() + every_s
        while len(group) < size and (another := ready.get_nowait()) is not None:
            group.append(another)
        due = [row for row in dict.fromkeys(group) if rows.attempt(row)]
        await journal.intend(due)
        failpoint("intent.durable")
        left = len(sending) if full is not None else rows.counts.due
        size = next_size(size, full=len(group) == size, left=left, least=journal.least_group)
        ready.capacity = sending.capacity = max(size, narrow)
        for row in due:
            if rows.intend(row):
                await sending.put(row)
