"""Rows uncertain, one at a time: who is to send them again, and when."""

from __future__ import annotations

import pytest
import trio
from support.settings import lookup_policy
from support.virtual import VirtualClock, run_virtual

from fanout.concurrency.channel import Channel
from fanout.domain.output_paths import OutputPaths
from fanout.domain.records import Inline, Options, Record
from fanout.engine.open_row import State
from fanout.engine.open_rows import OpenRows
from fanout.engine.reconcile.lookup import Lookup
from fanout.engine.reconcile.reconciler import Reconciler

RUN = "abcdefghij"
OPTIONS = Options(ttl_s=60, invocation_timeout_s=60)


class NoObjects:
    """A bucket in which nothing stands."""

    async def head(self, location):
        return None


@pytest.mark.parametrize("attempt_left", [False, True])
def test_a_row_that_waits_for_its_deadline_is_sent_again_after_it(attempt_left):
    """Its next attempt may have been journalled already: a notice that S3 did not confirm kept it from being sent."""

    async def main():
        clock = VirtualClock()
        open_rows = OpenRows(RUN, outputs=OutputPaths(RUN), failures=OutputPaths(RUN))
        ready = Channel(1)
        finished = []
        search = Lookup(open_rows=open_rows, objects=NoObjects(), clock=clock, claims=Channel(1))
        reconcile = Reconciler(
            open_rows=open_rows,
            search=search,
            clock=clock,
            ready=ready,
            finish=lambda entry, outcome: finished.append(outcome),
            last_notice_at=lambda: None,
            patience=lookup_policy(notified=True, unknown="wait"),
        )
        entry = open_rows.admit(Record(0, None, b"payload", OPTIONS), transport="inline")
        item = Inline(OPTIONS, b"payload")
        open_rows.intend(entry)
        open_rows.send(entry, due=clock.now(), now=clock.now())
        open_rows.doubt(entry, now=clock.now())
        if attempt_left:
            open_rows.intend(entry)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reconcile.worker)
            nursery.start_soon(search.looker)
            reconcile.hold(entry, item)
            with trio.fail_after(2 * entry.patience_s):
                again = await ready.get()
            nursery.cancel_scope.cancel()
        return again == (entry, item), entry.state, clock.now(), entry.patience_s, finished

    same, state, sent_at, patience_s, finished = run_virtual(main)
    assert same
    assert state is State.UNKNOWN
    assert patience_s <= sent_at <= patience_s + 30.0
    assert finished == []
