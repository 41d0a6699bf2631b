"""Uncertain rows, one at a time: who sends them again, and when."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import trio
from support.flow import RecordingFlow
from support.settings import lookup_policy
from support.virtual import VirtualClock, run_virtual

from fanout.domain.account_facts import BacklogPoint
from fanout.domain.location import Location
from fanout.domain.output_paths import OutputPaths
from fanout.domain.records import Inline, Notice, Options, Outcome, Record, Reply, Upload
from fanout.domain.row_state import RowRecord, RowState
from fanout.engine.open_row import State
from fanout.engine.open_rows import OpenRows
from fanout.engine.reconcile.backlog import BacklogWatch
from fanout.engine.reconcile.lookup import Lookup
from fanout.engine.reconcile.reconciler import MAX_RESENDS, Reconciler
from fanout.engine.reconcile.service_times import ServiceTimes
from fanout.engine.reconcile.settle import Settle
from fanout.engine.reconcile.unknown_wait import ALONE_S, LEAST_S

RUN = "abcdefghij"
OPTIONS = Options(ttl_s=60, invocation_timeout_s=60)
UNKNOWN_S = 10.0


class NoObjects:
    """A bucket in which nothing stands."""

    async def head(self, location):
        return None


class Scene:
    """One row, and what reconciles it."""

    def __init__(self, unknown, *, unknown_s=UNKNOWN_S, control=None):
        self.clock = VirtualClock()
        self.rows = OpenRows(RUN, outputs=OutputPaths(RUN), failures=OutputPaths(RUN))
        self.flow = RecordingFlow(self.rows)
        self.service_times = ServiceTimes(started_at=self.clock.now())
        self.lookup = Lookup(rows=self.rows, flow=self.flow, objects=NoObjects(), clock=self.clock)
        self.control = control
        self.backlog = BacklogWatch(control=control, endpoint="e", clock=self.clock)
        self.reconciler = Reconciler(
            rows=self.rows,
            flow=self.flow,
            lookup=self.lookup,
            settle=Settle(
                rows=self.rows,
                flow=self.flow,
                lookup=self.lookup,
                clock=self.clock,
                backlog=self.backlog,
                hears_failures=True,
            ),
            backlog=self.backlog,
            clock=self.clock,
            service_times=self.service_times,
            last_notice_at=lambda: None,
            policy=lookup_policy(notified=True, unknown=unknown, unknown_s=unknown_s),
        )
        self.row = self.rows.admit(Record(0, None, b"payload", OPTIONS), Inline(OPTIONS, b"payload"))

    def lose_a_reply(self):
        now = self.clock.now()
        self.rows.attempt(self.row)
        self.rows.intend(self.row)
        self.rows.send(self.row, due=now, now=now)
        self.rows.doubt(self.row, now=now)

    def accept(self):
        now = self.clock.now()
        self.rows.attempt(self.row)
        self.rows.intend(self.row)
        self.rows.send(self.row, due=now, now=now)
        self.rows.accept(self.row, Reply("id", "s3://bucket/out/elsewhere", None), now=now)

    @asynccontextmanager
    async def running(self):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.reconciler.worker)
            nursery.start_soon(self.lookup.looker)
            if self.control is not None:
                nursery.start_soon(self.backlog.worker)
            with trio.fail_after(2_000):
                yield
            nursery.cancel_scope.cancel()


def in_virtual_time(unknown):
    """Run the decorated test on a scene, in virtual time."""

    def decorate(test):
        def run():
            async def main():
                await test(Scene(unknown))

            run_virtual(main)

        run.__name__, run.__doc__ = test.__name__, test.__doc__
        return run

    return decorate


@in_virtual_time("resend")
async def test_a_row_that_is_nowhere_is_sent_again_after_its_wait(scene):
    scene.lose_a_reply()
    async with scene.running():
        scene.reconciler.doubt(scene.row)
        assert await scene.flow.sends.get() is scene.row
    assert (scene.row.state, scene.clock.now()) == (State.REQUEUED, UNKNOWN_S)


@in_virtual_time("wait")
async def test_a_row_that_waits_for_its_deadline_is_sent_again_after_it(scene):
    scene.lose_a_reply()
    patience_s = scene.row.patience_s
    async with scene.running():
        scene.reconciler.doubt(scene.row)
        assert await scene.flow.sends.get() is scene.row
    assert scene.row.state is State.REQUEUED
    assert patience_s <= scene.clock.now() <= patience_s + 30.0
    assert scene.flow.finished == []


@pytest.mark.parametrize("unknown", ["resend", "wait"])
def test_a_claim_that_is_not_confirmed_is_looked_after_again(unknown):
    """A notice that S3 did not confirm came while the row waited: it is sent again all the same, and when it was due.

    With `wait`, its deadline was 900 s away from the notice, or 60: it was sent again while it might be served.
    """

    @in_virtual_time(unknown)
    async def play(scene):
        scene.lose_a_reply()
        async with scene.running():
            scene.reconciler.doubt(scene.row)
            await scene.clock.sleep(UNKNOWN_S / 2)
            for completed in (True, False):
                scene.rows.claim(Notice(0, 0, 1, completed, "sqs", scene.clock.now()))
                scene.reconciler.release(scene.row)
            assert await scene.flow.sends.get() is scene.row
        assert scene.row.state is State.REQUEUED
        earliest = UNKNOWN_S if unknown == "resend" else scene.row.patience_s
        assert earliest <= scene.clock.now() <= earliest + 30.0

    play()


@in_virtual_time("never")
async def test_a_row_that_is_never_sent_again_ends_uncertain_at_its_deadline(scene):
    scene.lose_a_reply()
    async with scene.running():
        scene.reconciler.doubt(scene.row)
        await scene.clock.sleep(scene.row.patience_s + 30.0)
    [outcome] = scene.flow.finished
    assert (outcome.status, outcome.error_code, len(scene.flow.sends)) == ("unknown", "DeliveryUnknown", 0)


@in_virtual_time("resend")
async def test_a_failure_that_was_announced_and_never_confirmed_is_not_believed_at_the_deadline(scene):
    """60 s after the message it was."""
    scene.accept()
    scene.rows.claim(
        Notice(0, 0, 1, False, "sqs", 0.0, failure_status="Failed", failure_reason="out of memory")
    )
    async with scene.running():
        scene.reconciler.release(scene.row)
        await scene.clock.sleep(scene.row.patience_s - 1.0)
        assert scene.flow.finished == []
        await scene.clock.sleep(30.0)
    [outcome] = scene.flow.finished
    assert (outcome.status, outcome.error_code) == ("unsettled", "FailureUnconfirmed")
    assert "the model failed it (out of memory)" in outcome.error_message


@in_virtual_time("resend")
async def test_messages_that_go_on_claiming_a_row_keep_it_open_no_longer_than_its_deadline(scene):
    """Each claims it before the last look does, and S3 confirms none."""
    scene.accept()
    async with scene.running():
        while not scene.flow.finished:
            await scene.clock.sleep(1.0)
            scene.rows.claim(Notice(0, 0, 1, True, "sqs", scene.clock.now()))
            await scene.clock.sleep(6.3)  # the fetch worker looks
            scene.reconciler.release(scene.row)
    assert scene.row.patience_s <= scene.clock.now() <= scene.row.patience_s + 10.0


@in_virtual_time("resend")
async def test_a_row_that_breaks_the_connection_again_and_again_is_given_up(scene):
    scene.row.resends = MAX_RESENDS
    scene.lose_a_reply()
    scene.row.suspect = True
    async with scene.running():
        scene.reconciler.doubt(scene.row)
        await scene.clock.sleep(UNKNOWN_S + 1.0)
    assert [outcome.error_code for outcome in scene.flow.finished] == ["DeliveryUnknown"]


@in_virtual_time("resend")
async def test_a_row_that_the_model_failed_is_sent_after_its_backoff_without_a_look(scene):
    scene.lose_a_reply()
    scene.rows.claim(Notice(0, 0, 1, False, "sqs", 0.0))
    scene.rows.regenerate(scene.row)
    async with scene.running():
        scene.reconciler.defer(scene.row, 3.0)
        assert await scene.flow.sends.get() is scene.row
    assert (scene.row.state, scene.clock.now()) == (State.QUEUED, 3.0)
    assert scene.reconciler.statistics().looks == 0


@in_virtual_time("resend")
async def test_a_row_whose_upload_is_not_known_is_uploaded_when_it_is_nowhere(scene):
    place = Location("bucket", "in/7")
    line = RowRecord(7, RowState.INTENT, 0, 1, 0)
    record, item = Record(7, None, b"x", OPTIONS), Upload(OPTIONS, b"x", place)
    row = scene.rows.restore(record, item, line, upload=place, now=0.0)
    async with scene.running():
        scene.reconciler.doubt(row)
        assert await scene.flow.uploads.get() is row
    assert (row.state, scene.clock.now()) == (State.UNCERTAIN, UNKNOWN_S)


def test_without_a_fixed_wait_a_row_is_sent_again_once_its_result_should_have_come():
    async def main():
        scene = Scene("resend", unknown_s=None)
        scene.lose_a_reply()
        taken = Outcome(row=1, id=None, passthrough=(), status="succeeded", accepted_at=0.5, fetched_at=30.0)
        async with scene.running():
            scene.reconciler.doubt(scene.row)
            await scene.clock.sleep(30.0)
            assert len(scene.flow.sends) == 0
            scene.service_times.add(taken)  # it was accepted later, and has its result
            assert await scene.flow.sends.get() is scene.row
        assert 30.0 + LEAST_S <= scene.clock.now() <= 30.0 + 2 * LEAST_S

    run_virtual(main)


@pytest.mark.parametrize(("more_s", "at"), [(0.0, ALONE_S), (70.0, LEAST_S + 70.0)])
def test_the_only_row_of_a_run_is_sent_again_after_a_minute(more_s, at):
    async def main():
        scene = Scene("resend", unknown_s=None)
        scene.lose_a_reply()
        async with scene.running():
            scene.reconciler.doubt(scene.row, more_s=more_s)
            assert await scene.flow.sends.get() is scene.row
        assert scene.clock.now() == at

    run_virtual(main)


def test_a_row_that_waits_for_other_results_is_sent_again_at_its_deadline_at_the_latest():
    """Its TTL and timeout have passed: the endpoint cannot have it any more."""

    async def main():
        scene = Scene("resend", unknown_s=None)
        other = scene.rows.admit(Record(1, None, b"x", Options()), Inline(Options(), b"x"))
        scene.rows.attempt(other)
        scene.rows.intend(other)
        scene.rows.send(other, due=0.0, now=0.0)
        scene.rows.accept(other, Reply("i", "s3://b/k", None), now=0.0)
        scene.lose_a_reply()
        async with scene.running():
            scene.reconciler.doubt(scene.row)
            assert await scene.flow.sends.get() is scene.row
        assert scene.clock.now() == scene.row.patience_s
        assert scene.flow.finished == []

    run_virtual(main)


class Backlog:
    """A CloudWatch that tells periods of a minute, empty from an instant on; None for one that tells nothing."""

    def __init__(self, empty_from):
        self.empty_from = empty_from

    async def backlog(self, endpoint, *, since, until):
        if self.empty_from is None:
            return None
        starts = range(int(since // 60) * 60, int(until // 60) * 60, 60)
        return [BacklogPoint(float(at), 60.0, 0.0 if at >= self.empty_from else 3.0) for at in starts]


@pytest.mark.parametrize("empty_from", [0.0, 1_200.0])
def test_a_row_that_is_to_be_settled_is_sent_once_the_endpoint_has_drained(empty_from):
    async def main():
        scene = Scene("settle", control=Backlog(empty_from))
        scene.row.patience_s = 20_000.0
        scene.lose_a_reply()
        async with scene.running():
            scene.reconciler.doubt(scene.row)
            await scene.clock.sleep(max(empty_from, 60.0))
            assert len(scene.flow.sends) == 0
            assert await scene.flow.sends.get() is scene.row
        # Two periods must have ended, then it is asked for once a minute, and so is the row.
        assert empty_from + 120.0 <= scene.clock.now() <= empty_from + 360.0

    run_virtual(main)


def test_a_row_that_is_to_be_settled_waits_for_results_to_cease():
    async def main():
        scene = Scene("settle", unknown_s=None, control=Backlog(0.0))
        scene.row.patience_s = 20_000.0
        scene.lose_a_reply()
        async with scene.running():
            scene.reconciler.doubt(scene.row)
            for _ in range(25):
                await scene.clock.sleep(30.0)
                now = scene.clock.now()
                scene.service_times.add(
                    Outcome(
                        row=1,
                        id=None,
                        passthrough=(),
                        status="succeeded",
                        accepted_at=now - 1.0,
                        fetched_at=now,
                    )
                )
            assert len(scene.flow.sends) == 0
            assert await scene.flow.sends.get() is scene.row
        assert scene.clock.now() <= 25 * 30.0 + 180.0

    run_virtual(main)


def test_without_an_answer_a_row_that_is_to_be_settled_waits_for_its_deadline(caplog):
    async def main():
        scene = Scene("settle", unknown_s=None, control=Backlog(None))
        scene.lose_a_reply()
        async with scene.running():
            scene.reconciler.doubt(scene.row)
            assert await scene.flow.sends.get() is scene.row
        assert scene.clock.now() >= scene.row.patience_s

    run_virtual(main)
    [warning] = [each for each in caplog.messages if "--unknown settle" in each]
    assert "cloudwatch:GetMetricStatistics" in warning
