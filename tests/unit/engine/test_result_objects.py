"""What getting one object tells: of that object, or of all of them."""

from __future__ import annotations

import pytest
from support.virtual import VirtualClock, run_virtual

from fanout.aws.pages import Pages
from fanout.concurrency.byte_limiter import ByteLimiter
from fanout.domain.location import Location
from fanout.domain.object_faults import TOO_LARGE
from fanout.engine.result_objects import (
    DENIED_MAX,
    DENIED_S,
    LOOKS,
    THROTTLED_ROUNDS,
    UNREADABLE_MAX,
    ResultObjects,
    UnreadableError,
)
from fanout.errors import CallError, Phase, RunError
from fanout.ports import Object, ObjectInfo

DENIED = CallError(Phase.REPLY, "AccessDenied", status=403)
MISSING = CallError(Phase.REPLY, "NoSuchKey", status=404)
ARCHIVED = CallError(Phase.REPLY, "InvalidObjectState", status=403)
KEY_DISABLED = CallError(Phase.REPLY, "KMS.DisabledException", status=400)
SLOW_DOWN = CallError(Phase.REPLY, "SlowDown", status=503)
PLACE = Location("bucket", "out/0")


class Bucket:
    """Gives to each request for an object what `answers` says: bytes, or an error."""

    def __init__(self):
        self.answers = {}
        self.told = self.listed = False
        self.on_get = lambda: None

    async def get(self, location, *, admit):
        self.on_get()
        answer = self.answers.get(location, MISSING)
        if isinstance(answer, CallError):
            raise answer
        await admit(len(answer))
        return Object(answer, None, 7.0)

    async def head(self, location):
        return ObjectInfo(location, 1, 7.0) if self.told else None

    def list(self, bucket, prefix):
        async def page(_token):
            return [ObjectInfo(Location(bucket, prefix), 1, 7.0)] if self.listed else [], None

        return Pages(page)


def play(test, *, rows=100):
    async def main():
        bucket, clock = Bucket(), VirtualClock()
        results = ResultObjects(
            rows=range(rows), objects=bucket, clock=clock, got=0, budget=ByteLimiter(10_000),
            response_max_bytes=1_000,
        )  # fmt: skip
        await test(results, bucket, clock)

    run_virtual(main)


def test_an_object_that_is_there_is_got_and_counted():
    async def test(results, bucket, clock):
        bucket.answers[PLACE] = b"result"
        assert (await results.get(PLACE, shown=False)).body == b"result"
        assert await results.get(Location("bucket", "other"), shown=True) is None
        assert results.got == 1

    play(test)


def test_one_over_the_limit_is_not_read_and_is_its_rows_fault():
    async def test(results, bucket, clock):
        bucket.answers[PLACE] = b"x" * 1_001
        with pytest.raises(UnreadableError) as caught:
            await results.get(PLACE, shown=True)
        assert (caught.value.location, caught.value.error.code) == (PLACE, TOO_LARGE)
        bucket.answers[PLACE] = b"x" * 1_000
        assert (await results.get(PLACE, shown=True)).body == b"x" * 1_000

    play(test)


@pytest.mark.parametrize("error", [ARCHIVED, KEY_DISABLED])
def test_one_that_cannot_be_read_for_good_is_its_rows_fault(error):
    async def test(results, bucket, clock):
        bucket.answers[PLACE] = error
        with pytest.raises(UnreadableError):
            await results.get(PLACE, shown=False)
        assert results.got == 0

    play(test)


def test_a_refusal_is_told_and_ends_the_run_only_where_nothing_was_ever_read():
    async def test(results, bucket, clock):
        places = [Location("bucket", f"out/{number}") for number in range(DENIED_MAX)]
        bucket.answers = dict.fromkeys(places, DENIED)
        for place in places:
            for _ in range(2 * LOOKS):
                assert await results.get(place, shown=True) is DENIED, "120 s have not passed"
                assert await results.get(place, shown=False) is DENIED
        await clock.sleep_until(clock.now() + DENIED_S + 1)
        assert await results.get(places[0], shown=False) is DENIED, "it may not stand there at all"
        with pytest.raises(RunError, match=r"s3://bucket/out/0: .*s3:GetObject"):
            await results.get(places[0], shown=True)
        results.got = 1
        assert await results.get(places[0], shown=True) is DENIED

    play(test)


def test_one_place_says_nothing_of_all_unless_there_is_no_other():
    async def refused(results, bucket, clock):
        bucket.answers[PLACE] = DENIED
        await results.get(PLACE, shown=True)
        await clock.sleep_until(clock.now() + DENIED_S + 1)
        for _ in range(DENIED_MAX * LOOKS):
            assert await results.get(PLACE, shown=True) is DENIED

    async def alone(results, bucket, clock):
        with pytest.raises(RunError):
            await refused(results, bucket, clock)

    play(refused)
    play(alone, rows=1)


def test_so_many_in_a_row_that_share_a_cause_end_the_run_and_one_that_is_read_begins_anew():
    async def test(results, bucket, clock):
        bucket.answers[PLACE] = b"result"
        for _ in range(UNREADABLE_MAX - 1):
            results.unreadable(PLACE, KEY_DISABLED)
        await results.get(PLACE, shown=True)
        for _ in range(UNREADABLE_MAX - 1):
            results.unreadable(PLACE, KEY_DISABLED)
        with pytest.raises(RunError, match=f"and the {UNREADABLE_MAX - 1} objects before it cannot be read"):
            results.unreadable(PLACE, KEY_DISABLED)

    play(test)


def test_those_that_are_each_at_fault_alone_end_no_run():
    async def test(results, bucket, clock):
        too_large = CallError(Phase.REPLY, TOO_LARGE, status=200)
        for _ in range(2 * UNREADABLE_MAX):
            results.unreadable(PLACE, too_large)

    play(test)


def test_a_prefix_that_is_throttled_while_others_are_read_is_waited_for():
    async def test(results, bucket, clock):
        bucket.answers[PLACE] = SLOW_DOWN
        began = clock.now()

        def others():
            results.got += 1  # by another worker
            if clock.now() - began > (THROTTLED_ROUNDS - 2) * 120.0:
                bucket.answers[PLACE] = b"result"

        bucket.on_get = others
        assert (await results.get(PLACE, shown=True)).body == b"result"
        assert clock.now() - began > 600.0

    play(test)


@pytest.mark.parametrize(("told", "listed"), [(True, False), (False, True), (False, False)])
def test_an_object_stands_if_s3_tells_of_it_or_lists_it(told, listed):
    async def test(results, bucket, clock):
        bucket.told, bucket.listed = told, listed
        assert await results.stands(PLACE) is (told or listed)

    play(test)
