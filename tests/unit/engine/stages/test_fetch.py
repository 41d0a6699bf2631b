"""What S3 says of a row that a message claims: it decides, whatever the message says."""

from __future__ import annotations

import pytest
import trio
from support.flow import RecordingFlow
from support.virtual import VirtualClock, run_virtual

from fanout.concurrency.byte_limiter import ByteLimiter
from fanout.domain.location import Location
from fanout.domain.output_paths import OutputPaths
from fanout.domain.records import Inline, Notice, Options, Record, Reply
from fanout.engine.open_row import State
from fanout.engine.open_rows import OpenRows
from fanout.engine.result_objects import DENIED_S, ResultObjects
from fanout.engine.stages.fetch import Fetch
from fanout.errors import CallError, Phase, RunError
from fanout.ports import Object, ObjectInfo

RUN = "abcdefghij"
OUTPUT, FAILURE = (
    Location("bucket", f"out/fanout/{RUN}/00/0.0"),
    Location("bucket", f"err/fanout/{RUN}/00/0.0"),
)
SERVER_ERROR = b"ModelError: Received server error (500)"


class Bucket:
    """Objects by location; what is missing is forbidden, as without s3:ListBucket, if `forbids`."""

    def __init__(self):
        self.bodies = {}
        self.forbids = False
        self.gets = []
        self.on_head = lambda location: None

    async def get(self, location, *, admit):
        self.gets.append(location)
        if location in self.bodies:
            await admit(len(self.bodies[location]))
            return Object(self.bodies[location], "text/plain", 7.0)
        if self.forbids:
            raise CallError(Phase.REPLY, "AccessDenied", status=403)
        raise CallError(Phase.REPLY, "NoSuchKey", status=404)

    async def head(self, location):
        self.on_head(location)
        return ObjectInfo(location, 1, 7.0) if location in self.bodies else None

    async def list(self, bucket, prefix):
        if self.forbids:
            raise CallError(Phase.REPLY, "AccessDenied", status=403)
        found = [location for location in self.bodies if location.key.startswith(prefix)]
        yield [ObjectInfo(location, 1, 7.0) for location in found if location.bucket == bucket]


class Scene:
    """Accepted rows, and the worker that fetches what is said of them."""

    def __init__(self, *, failure_path, trust=False):
        self.clock = VirtualClock()
        self.rows = OpenRows(
            RUN,
            outputs=OutputPaths(RUN, path="s3://bucket/out"),
            failures=OutputPaths(RUN, path="s3://bucket/err" if failure_path else None),
        )
        self.failure_path = failure_path
        self.flow, self.bucket = RecordingFlow(self.rows), Bucket()
        self.fetch = Fetch(
            rows=self.rows,
            flow=self.flow,
            objects=ResultObjects(
                rows=self.rows,
                objects=self.bucket,
                clock=self.clock,
                got=0,
                budget=ByteLimiter(1_000_000),
                response_max_bytes=1_000_000,
            ),
            clock=self.clock,
            trust=trust,
        )
        self.row = self.accept(0)

    def accept(self, number):
        record = Record(number, None, b"", Options())
        row = self.rows.admit(record, Inline(record.options, b""))
        self.rows.attempt(row)
        self.rows.intend(row)
        self.rows.send(row, due=0.0, now=0.0)
        place = f"fanout/{RUN}/{number:02x}/{number}.0"
        failure = f"s3://bucket/err/{place}" if self.failure_path else None
        self.rows.accept(row, Reply("id", f"s3://bucket/out/{place}", failure), now=0.0)
        return row

    async def say(self, status, *, row=None, by="sqs", reason=None):
        row, completed = row or self.row, status == "Completed"
        failure = None if completed or by == "list" else status
        attempt = None if by == "list" else 1
        self.rows.claim(
            Notice(
                row.number,
                0,
                attempt,
                completed,
                by,
                self.clock.now(),
                failure_status=failure,
                failure_reason=reason,
            )
        )
        await self.fetch.fetch(row)

    def ends(self):
        return [(each.status, each.error_code, each.error_message) for each in self.flow.finished]


def play(test, **scene):
    async def main():
        await test(Scene(**scene))

    run_virtual(main)


@pytest.mark.parametrize("failure_path", [True, False])
@pytest.mark.parametrize("status", ["Failed", "Expired", "Completed"])
def test_a_row_whose_output_is_there_has_succeeded_whatever_is_said(status, failure_path):
    async def test(scene):
        scene.bucket.bodies[OUTPUT] = b"the result"
        await scene.say(status)
        [outcome] = scene.flow.finished
        assert (outcome.status, outcome.response) == ("succeeded", b"the result")
        assert scene.flow.seen == [(scene.row, 7.0)]

    play(test, failure_path=failure_path)


@pytest.mark.parametrize("failure_path", [True, False])
@pytest.mark.parametrize("status", ["Failed", "Expired", "Completed"])
def test_what_s3_does_not_confirm_ends_no_row_and_sends_none_again(status, failure_path):
    """A failure was believed at once without a failure path."""

    async def test(scene):
        scene.flow.retries = True
        await scene.say(status, reason=SERVER_ERROR.decode())
        assert (scene.ends(), scene.flow.again, scene.flow.seen) == ([], [], [])
        assert (scene.row.state, scene.row.deadline) == (State.ACCEPTED, scene.row.patience_s)
        assert scene.row.unconfirmed_notice.completed == (status == "Completed")
        assert scene.fetch.unfounded == 1

    play(test, failure_path=failure_path)


@pytest.mark.parametrize("status", ["Failed", "Expired", "Completed"])
def test_a_failure_object_is_the_proof_and_its_words_count(status):
    """A forged Expired kept a row that the model failed from being sent again."""

    async def test(scene):
        scene.bucket.bodies[FAILURE] = SERVER_ERROR
        scene.flow.retries = True
        await scene.say(status, reason="a lie")
        assert scene.flow.again == [(scene.row, SERVER_ERROR.decode(), 0)]

    async def exhausted(scene):
        scene.bucket.bodies[FAILURE] = SERVER_ERROR
        await scene.say(status, reason="a lie")
        assert scene.ends() == [("failed", "ModelFailed", SERVER_ERROR.decode())]

    play(test, failure_path=True)
    play(exhausted, failure_path=True)


def test_a_row_has_expired_when_message_and_object_say_so():
    async def test(scene):
        scene.bucket.bodies[FAILURE] = b"The request expired."
        await scene.say("Expired")
        assert scene.ends() == [("expired", "Expired", "The request expired.")]

    play(test, failure_path=True)


@pytest.mark.parametrize("failure_path", [True, False])
def test_a_user_may_trust_failures_and_a_row_sent_again_for_one_is_counted(failure_path):
    async def again(scene):
        scene.flow.retries = True
        await scene.say("Failed", reason="server error (500)")
        assert scene.flow.again == [(scene.row, "server error (500)", 1)]

    async def end(scene):
        await scene.say("Expired", reason="too late")
        assert scene.ends() == [("expired", "Expired", "too late")]

    play(again, failure_path=failure_path, trust=True)
    play(end, failure_path=failure_path, trust=True)


def test_only_the_first_of_many_forged_messages_keeps_a_worker_looking():
    async def test(scene):
        for status in ("Completed", "Completed", "Failed", "Failed"):
            await scene.say(status)
        assert 6.0 < scene.clock.now() < 6.5

    play(test, failure_path=True)


def test_after_the_last_pause_the_object_is_looked_for_once_more():
    """The last pause, the longest, ended in no look: a result that came meanwhile was left to the listing."""

    async def test(scene):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scene.say, "Completed")
            await scene.clock.sleep(5.0)
            scene.bucket.bodies[OUTPUT] = b"late"
        assert [each.response for each in scene.flow.finished] == [b"late"]

    play(test, failure_path=False)


def test_a_result_that_comes_between_two_questions_is_no_refused_one():
    """Without s3:ListBucket it is refused while it is missing; a HEAD then told that it stands."""

    async def test(scene):
        other = scene.accept(1)
        scene.bucket.bodies[Location("bucket", f"out/fanout/{RUN}/01/1.0")] = b"readable"
        await scene.say("Completed", row=other)
        scene.bucket.forbids = True
        scene.bucket.on_head = lambda location: scene.bucket.bodies.setdefault(location, b"just now")
        await scene.say("Failed")
        assert [each.status for each in scene.flow.finished] == ["succeeded", "succeeded"]

    play(test, failure_path=False)


def test_a_listed_failure_does_not_say_that_an_output_stands():
    """Its output is refused, since it is missing; the row ended as one whose output may not be read."""

    async def test(scene):
        other = scene.accept(1)
        scene.bucket.bodies[Location("bucket", f"out/fanout/{RUN}/01/1.0")] = b"readable"
        await scene.say("Completed", row=other)
        scene.bucket.forbids = True
        scene.bucket.bodies[FAILURE] = b"out of memory"
        await scene.say("Failed", by="list")
        assert scene.ends()[1:] == [("failed", "ModelFailed", "out of memory")]

    play(test, failure_path=True)


@pytest.mark.parametrize("status", ["Completed", "Failed"])
def test_forged_messages_before_the_first_result_do_not_end_the_run(status):
    """Three of them did where s3:ListBucket is missing: what is not there yet is refused."""

    async def test(scene):
        scene.bucket.forbids = True
        for number in range(1, 6):
            await scene.say(status, row=scene.accept(number))
        assert scene.clock.now() < DENIED_S
        assert scene.ends() == []

    play(test, failure_path=True)


def test_a_run_that_may_read_nothing_ends_after_a_while():
    async def test(scene):
        scene.bucket.forbids = True
        number = 1
        with pytest.raises(RunError, match="s3:GetObject"):  # noqa: PT012 - which one it is does not matter
            while True:
                await scene.say("Completed", row=scene.accept(number))
                number += 1
        assert DENIED_S <= scene.clock.now() <= DENIED_S + 10.0

    play(test, failure_path=True)
