"""Journals the intents of rows in groups by count and time, and passes rows on once their intents are durable.

The pipeline starts one worker. Between this stage and the endpoint are at most two groups and one row a sender: after
a kill, only those are uncertain.
"""

from __future__ import annotations

from fanout.concurrency.channel import Channel
from fanout.engine.journal_writer import JournalWriter
from fanout.engine.open_row import OpenRow
from fanout.engine.open_rows import OpenRows
from fanout.failpoints import failpoint
from fanout.ports import Clock

GROUP = 64  # an fsync of 1-5 ms, shared by 64 rows, costs each less than the thread's hand-over
GROUP_MAX = 4_096
"""On a disk that takes 200 ms for an fsync, groups of 64 would be 320 rows a second; with these it is 20,000."""
EVERY_S = 0.005
"""Between two groups that are not full: where the endpoint sets the pace, a row is admitted whenever another ends, and
each had a commit of its own. With 100 open rows at 2,000 a second that was 410 us of CPU a row, 290 now. A row waits
2.5 ms for it in the mean, none at less than 200 a second."""


def next_size(size: int, *, full: bool, left: int) -> int:
    """Return how many rows the next group may have: as few as keep the senders busy while the disk works.

    Args:
        size: How many this one might have had.
        full: Whether it had them.
        left: Rows that the senders still had when it became durable.
    """
    if full and left == 0:
        return min(2 * size, GROUP_MAX)
    if left > size // 2:
        return max(size // 2, GROUP)
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
    size, narrow = GROUP, sending.capacity
    next_at = float("-inf")
    while True:
        group = [await ready.get()]
        if len(ready) < GROUP - 1 and (left_s := next_at - clock.now()) > 0.0:
            await clock.sleep(left_s)
        next_at = clock.now() + EVERY_S
        while len(group) < size and (another := ready.get_nowait()) is not None:
            group.append(another)
        due = [row for row in dict.fromkeys(group) if rows.attempt(row)]
        await journal.intend(due)
        failpoint("intent.durable")
        size = next_size(size, full=len(group) == size, left=len(sending))
        ready.capacity = sending.capacity = max(size, narrow)
        for row in due:
            if rows.intend(row):
                await sending.put(row)
