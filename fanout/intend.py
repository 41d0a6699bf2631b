"""Stage: makes durable that rows are about to be sent, in groups, and only then lets them go.

Ready rows enter, rows that may be sent leave. One worker, started by the pipeline. Between here and the endpoint
stand at most one group and one row a sender: after a kill, only their fates are unknown.
"""

from __future__ import annotations

from collections.abc import Callable

from fanout.failpoints import failpoint
from fanout.lane import Lane
from fanout.ledger import Entry, Ledger, State
from fanout.records import Sendable
from fanout.scribe import Scribe

GROUP = 64  # an fsync of 1-5 ms, shared by 64 rows, costs each less than the thread's hand-over


async def intend_worker(
    ready: Lane[tuple[Entry, Sendable]],
    sending: Lane[tuple[Entry, Sendable]],
    *,
    ledger: Ledger,
    scribe: Scribe,
    keep: Callable[[Entry, Sendable], None],
) -> None:
    """Journal and pass on rows for ever; `keep` takes those that a notice has claimed meanwhile."""
    while True:
        group = [await ready.get()]
        while len(group) < GROUP and (another := ready.get_nowait()) is not None:
            group.append(another)
        # A row of unknown fate may have been settled by a notice while it waited here.
        due = []
        for entry, item in group:
            entry.queued = False
            if entry.state in {State.READY, State.UNKNOWN}:
                due.append((entry, item))
            else:
                keep(entry, item)
        fresh = [entry for entry, _ in due if not entry.intended]
        for entry in fresh:
            ledger.intend(entry)
        await scribe.intend(fresh)
        failpoint("intent.durable")
        for pair in due:
            await sending.put(pair)
