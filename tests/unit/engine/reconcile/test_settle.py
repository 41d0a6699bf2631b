"""Rows whose result is nowhere, one at a time: what settles them, when, and what is said of them."""

from __future__ import annotations

import trio
from support.flow import RecordingFlow
from support.virtual import VirtualClock, run_virtual

from fanout.domain.location import Location
from fanout.domain.output_paths import OutputPaths
from fanout.domain.records import Inline, Notice, Options, Record, Reply
from fanout.engine.open_row import State
from fanout.engine.open_rows import OpenRows
from fanout.engine.reconcile.backlog import BacklogWatch
from fanout.engine.reconcile.evidence import NEAR_S, SLACK_S
from fanout.engine.reconcile.lookup import Lookup
from fanout.engine.reconcile.settle import EVERY_S, OVERDUE_S, Settle
from fanout.ports import ObjectInfo

RUN = "abcdefghij"
TIMEOUT_S = 60.0
OPTIONS = Options(ttl_s=600, invocation_timeout_s=60)


class Bucket:
    """Objects by location."""

    def __init__(self):
        self.there = set()
        self.heads = 0

    async def head(self, location):
        self.heads += 1
        return ObjectInfo(location, 1, 0.0) if location in self.there else None


class Control:
    """Says that the backlog has been empty from an instant on."""

    def __init__(self, clock):
        self._clock = clock
        self.points = []
        self.asked = 0

    async def backlog(self, endpoint, *, since, until):
        self.asked += 1
        return self.points


class Scene:
    """Rows that were accepted, and what settles them."""

    def __init__(self, *, failure_path=False, hears_failures=True):
        self.clock = VirtualClock()
        failures = OutputPaths(RUN, path="s3://bucket/err" if failure_path else None)
        self.rows = OpenRows(RUN, outputs=OutputPaths(RUN, path="s3://bucket/out"), failures=failures)
        self.flow = RecordingFlow(self.rows)
        self.bucket, self.control = Bucket(), Control(self.clock)
        self.lookup = Lookup(rows=self.rows, flow=self.flow, objects=self.bucket, clock=self.clock)
        self.backlog = BacklogWatch(control=self.control, endpoint="e", clock=self.clock)
        self.settle = Settle(
            rows=self.rows,
            flow=self.flow,
            lookup=self.lookup,
            clock=self.clock,
            backlog=self.backlog,
            hears_failures=hears_failures,
        )
        self.failure_path = failure_path

    def accept(self, number=0):
        row = self.rows.admit(Record(number, None, b"", OPTIONS), Inline(OPTIONS, b""))
        now = self.clock.now()
        self.rows.attempt(row)
        self.rows.intend(row)
        self.rows.send(row, due=now, now=now)
        place = f"fanout/{RUN}/{number & 255:02x}/{number}.0"
        failure = f"s3://bucket/err/{place}" if self.failure_path else None
        self.rows.accept(row, Reply("id", f"s3://bucket/out/{place}", failure), now=now)
        return row

    def say(self, row, status, reason=None):
        now = self.clock.now()
        completed = status == "Completed"
        notice = Notice(
            row.number,
            0,
            1,
            completed,
            "sqs",
            now,
            completed_at=now,
            failure_status=None if completed else status,
            failure_reason=reason,
        )
        self.rows.claim(notice)
        self.rows.release(row)

    def empty(self, began_at):
        """Have it told that the backlog was empty in the two minutes from `began_at` on."""
        self.backlog.told, self.backlog._empty_from = True, began_at

    async def run(self, seconds):
        """Take turns for a while, as the reconciler does."""
        until = self.clock.now() + seconds
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.lookup.looker)
            while self.clock.now() < until:
                await self.settle.turn(self.clock.now())
                await trio.sleep(1.0)
            nursery.cancel_scope.cancel()

    def ends(self):
        return [(outcome.row, outcome.status, outcome.error_code) for outcome in self.flow.finished]


def play(test, **scene):
    async def main():
        await trio.sleep(1_000.0)
        await test(Scene(**scene))

    run_virtual(main)


def test_a_failure_is_believed_once_a_later_row_was_seen_and_the_timeout_has_passed():
    async def test(scene):
        row = scene.accept(0)
        scene.say(row, "Failed", "out of memory")
        await scene.run(3_000.0)
        assert scene.ends() == []
        later = scene.accept(1)
        scene.settle.found(later, None)
        await scene.run(TIMEOUT_S + SLACK_S - 1.0)
        assert scene.ends() == []
        await scene.run(EVERY_S + 2.0)
        [outcome] = scene.flow.finished
        assert (outcome.status, outcome.error_code, outcome.error_message) == (
            "failed",
            "ModelFailed",
            "out of memory",
        )
        assert (outcome.notified_at, outcome.completed_at) == (1_000.0, 1_000.0)

    play(test)


def test_rows_that_were_sent_before_or_that_may_have_been_served_before_prove_nothing():
    async def test(scene):
        earlier, row = scene.accept(0), None
        await trio.sleep(1.0)
        row = scene.accept(1)
        scene.say(row, "Failed")
        await trio.sleep(1.0)
        again = scene.accept(2)
        again.resends = 1  # its first send may have been accepted before
        for other in (earlier, again):
            scene.settle.found(other, None)
        await scene.run(500.0)
        assert scene.ends() == []

    play(test)


def test_a_failure_is_believed_once_the_backlog_is_empty():
    async def test(scene):
        row = scene.accept()
        scene.say(row, "Expired")
        scene.empty(999.0)  # before it was accepted
        await scene.run(60.0)
        assert scene.ends() == []
        scene.empty(1_001.0)
        await scene.run(EVERY_S + 2.0)
        assert scene.ends() == [(0, "expired", "Expired")]

    play(test)


def test_what_is_believed_without_proof_is_sent_again_as_a_counted_resend():
    async def test(scene):
        scene.flow.retries = True
        row = scene.accept()
        scene.say(row, "Failed", "server error (500)")
        scene.empty(1_001.0)
        await scene.run(EVERY_S + 2.0)
        assert scene.flow.again == [(row, "server error (500)", 1)]
        assert (row.state, row.generation, row.resends) == (State.DEFERRED, 1, 1)

    play(test)


def test_where_failures_leave_an_object_no_message_is_believed_without():
    async def test(scene):
        row = scene.accept(0)
        scene.say(row, "Failed", "out of memory")
        scene.settle.found(scene.accept(1), None)
        scene.empty(1_001.0)
        heads = scene.bucket.heads
        await scene.run(500.0)
        assert (scene.ends(), scene.bucket.heads) == ([], heads)
        row.deadline = None  # it has passed
        scene.settle.conclude(row)
        assert scene.ends() == [(0, "unsettled", "FailureUnconfirmed")]

    play(test, failure_path=True)


def test_a_completed_row_without_an_output_is_unsettled_once_it_has_ended():
    """It was after 900 s, whatever was known."""

    async def test(scene):
        row = scene.accept(0)
        scene.say(row, "Completed")
        await scene.run(1_000.0)
        assert scene.ends() == []
        scene.empty(1_001.0)
        await scene.run(EVERY_S + 2.0)
        assert scene.ends() == [(0, "unsettled", "OutputMissing")]

    play(test, failure_path=True)


def test_the_output_is_looked_for_once_more_before_anything_is_believed():
    async def test(scene):
        row = scene.accept()
        scene.say(row, "Failed")
        scene.bucket.there.add(Location("bucket", f"out/fanout/{RUN}/00/0.0"))
        scene.empty(1_001.0)
        await scene.run(EVERY_S + 2.0)
        assert scene.ends() == []
        assert (row.state, await scene.flow.fetches.get()) == (State.CLAIMED, row)

    play(test)


def test_a_row_of_which_nothing_is_told_is_unsettled_once_the_backlog_is_empty():
    async def test(scene):
        row = scene.accept(0)
        scene.settle.found(
            scene.accept(1), None
        )  # a later row alone proves nothing: no message claims an end
        await scene.run(OVERDUE_S + 300.0)
        assert scene.ends() == []
        scene.empty(1_001.0)
        await scene.run(EVERY_S + 2.0)
        assert scene.ends() == [(0, "unsettled", "NoResult"), (1, "unsettled", "NoResult")]
        assert row.state is State.SETTLED

    play(test, hears_failures=False)


def test_where_a_failure_would_be_told_a_silent_row_waits_for_its_deadline():
    async def test(scene):
        row = scene.accept()
        scene.empty(1_001.0)
        await scene.run(500.0)
        assert (scene.ends(), scene.bucket.heads) == ([], 0)
        row.deadline = None
        scene.settle.conclude(row)
        assert scene.ends() == [(0, "unsettled", "NoResult")]

    play(test, failure_path=True)


def test_the_backlog_is_asked_for_only_while_nothing_else_can_settle_a_row():
    """For a claim at once, for a silent row when it takes much longer than the slowest before it."""

    async def test(scene):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scene.backlog.worker)
            quick = scene.accept(0)
            await trio.sleep(100.0)
            scene.settle.found(quick, None)
            scene.rows.settle(quick)
            scene.accept(1)
            await scene.run(290.0)
            assert scene.control.asked == 0
            await scene.run(20.0)
            assert scene.control.asked == 1
            nursery.cancel_scope.cancel()

    async def claimed(scene):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scene.backlog.worker)
            scene.say(scene.accept(), "Failed")
            await scene.run(130.0)
            assert scene.control.asked == 3
            nursery.cancel_scope.cancel()

    play(test, hears_failures=False)
    play(claimed)


def test_a_row_whose_delivery_is_not_known_is_unknown():
    async def test(scene):
        row = scene.accept()
        row.accepted_at = None
        scene.settle.conclude(row)
        assert scene.ends() == [(0, "unknown", "DeliveryUnknown")]

    play(test)


def test_at_the_end_of_a_run_the_last_rows_are_settled_too():
    """No row is sent after them; without CloudWatch, they waited for their deadlines."""

    async def test(scene):
        scene.flow.retries = True
        first, last = scene.accept(0), None
        await trio.sleep(30.0)
        last = scene.accept(1)
        scene.say(last, "Failed", "server error (500)")
        await trio.sleep(40.0)
        scene.settle.found(first, None)
        await scene.run(300.0)
        assert scene.ends() == []  # another row is open, whose object may still show that the queue moves on
        scene.flow.finish(first, status="succeeded")
        await scene.run(EVERY_S + 2.0)
        # not sent again: nothing would show that it has ended the next time
        assert scene.ends() == [(0, "succeeded", None), (1, "failed", "ModelFailed")]

    play(test)


def test_the_last_row_of_a_run_waits_for_its_timeout_from_the_last_object_on():
    async def test(scene):
        first = scene.accept(0)
        row = scene.accept(1)
        scene.say(row, "Failed")
        scene.settle.found(first, None)
        scene.flow.finish(first, status="succeeded")
        await scene.run(TIMEOUT_S + SLACK_S - 1.0)
        assert row.state is State.ACCEPTED
        await scene.run(EVERY_S + 2.0)
        assert row.state is State.SETTLED

    play(test)


def test_a_row_that_was_sent_long_after_the_last_one_that_ended_waits_for_its_deadline():
    """Others may have sent any number of requests in between, which are served before it."""

    async def test(scene):
        first = scene.accept(0)
        scene.settle.found(first, None)
        scene.flow.finish(first, status="succeeded")
        await trio.sleep(NEAR_S + 1.0)
        row = scene.accept(1)
        scene.say(row, "Failed")
        await scene.run(600.0)
        assert row.state is State.ACCEPTED

    play(test)


def test_in_mid_run_a_row_is_sent_again_though_no_object_proves_its_failure():
    async def test(scene):
        scene.flow.retries = True
        row = scene.accept(0)
        scene.say(row, "Failed", "server error (500)")
        await trio.sleep(2.0)
        scene.settle.found(scene.accept(1), None)
        await scene.run(TIMEOUT_S + SLACK_S - 5.0)
        scene.settle.found(scene.accept(2), None)  # rows are still sent
        await scene.run(20.0)
        assert scene.flow.again == [(row, "server error (500)", 1)]

    play(test)
