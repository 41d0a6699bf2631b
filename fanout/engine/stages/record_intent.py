"""Stage: makes durable that rows are about to be sent, in groups by count and time, and only then lets them go.

Ready rows enter, rows that may be sent leave. One worker, started by the pipeline. Between here and the endpoint
stand at most two groups and one row a sender: after a kill, only their fates are unknown.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio

from fanout.concurrency.channel import Channel
from fanout.domain.records import Sendable
from fanout.engine.journal_writer import JournalWriter
from fanout.engine.open_row import OpenRow, State
from fanout.engine.open_rows import OpenRows
from fanout.failpoints import failpoint

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
    ready: Channel[tuple[OpenRow, Sendable]],
    sending: Channel[tuple[OpenRow, Sendable]],
    *,
    open_rows: OpenRows,
    journal_writer: JournalWriter,
    hold: Callable[[OpenRow, Sendable], None],
) -> None:
    """Journal and pass on rows for ever; `hold` takes those that a notice has claimed meanwhile."""
    size, narrow = GROUP, sending.capacity
    next_at = float("-inf")
    while True:
        group = [await ready.get()]
        if len(ready) < GROUP - 1 and (left_s := next_at - anyio.current_time()) > 0.0:
            await anyio.sleep(left_s)
        next_at = anyio.current_time() + EVERY_S
        while len(group) < size and (another := ready.get_nowait()) is not None:
            group.append(another)
        # A row uncertain may have been settled by a notice while it waited here.
        due = []
        for entry, item in group:
            entry.queued = False
            if entry.state in {State.READY, State.UNKNOWN}:
                due.append((entry, item))
            else:
                hold(entry, item)
        fresh = [entry for entry, _ in due if not entry.intended]
        for entry in fresh:
            open_rows.intend(entry)
        await journal_writer.intend(fresh)
        failpoint("intent.durable")
        size = next_size(size, full=len(group) == size, left=len(sending))
        ready.capacity = sending.capacity = max(size, narrow)
        for pair in due:
            await sending.put(pair)
