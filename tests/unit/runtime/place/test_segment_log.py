"""One owner at a time, by conditional PUTs alone: lost replies, conflicts, refusals, an owner that comes back."""

from __future__ import annotations

import anyio
import pytest
from support.segments import (
    BUSY,
    CONFLICT,
    DENIED,
    LOST,
    PLACE,
    REFUSED,
    RUN,
    PlaceAccount,
    line,
    new_part,
)
from support.virtual import run_virtual

from fanout.errors import CallError, Exit, Fenced, JournalError, Phase, RunError, StateLost
from fanout.runtime.place.release import LAPSE_S
from fanout.runtime.place.segment import Purpose, decode
from fanout.runtime.place.sign_of_life import PlaceInUse
from fanout.runtime.place.snapshot import encode_snapshot, take


def test_what_is_appended_is_there_and_is_read_by_the_next_owner():
    async def main():
        account = PlaceAccount()
        first = account.log()
        await first.claim(begins=True)
        await first.append(lines=[line(0), line(1)], meta=[("a", "b")])
        await first.append(parts=[new_part(0, [1])])
        second = account.log()
        await second.claim(begins=False)
        assert account.keys() == [f"journal/{number:010d}.zst" for number in (1, 2, 3, 4)]
        assert second.state.counts() == first.state.counts()
        assert (second.state.claims, second.claim_number, second.state.meta) == ([1, 4], 4, {"a": "b"})
        assert decode(account.body(PLACE.segment(4)), "").about == {"host": "here"}

    run_virtual(main)


def test_the_owner_before_is_fenced_by_its_next_segment_and_sends_nothing_more():
    async def main():
        account = PlaceAccount()
        first, second = account.log(), account.log()
        await first.claim(begins=True)
        assert first.is_released()
        await second.claim(begins=False)
        assert second.is_released()
        with pytest.raises(
            Fenced, match=r"s3://simulated/runs/one was taken over: .*/0000000002.zst"
        ) as caught:
            await first.append(lines=[line(0)])
        assert caught.value.exit == Exit.JOURNAL
        assert first.fenced
        assert not first.is_released()
        with pytest.raises(Fenced):  # also where that number is free
            await first.append()
        assert second.state.open == {}
        await second.append()

    run_virtual(main)


@pytest.mark.parametrize("purpose", [Purpose.ROWS, Purpose.CLOSE])
def test_a_segment_whose_reply_was_lost_is_known_again(purpose):
    async def main():
        account = PlaceAccount()
        store = account.store()
        log = account.log(store)
        await log.claim(begins=True)
        store.after["put"] = [LOST, LOST]
        await log.append(lines=[line(0)], purpose=purpose)
        await log.append(lines=[line(1)])
        assert account.keys()[-1] == "journal/0000000003.zst"
        assert log.state.last == 1

    run_virtual(main)


def test_a_lost_reply_proves_no_more_than_its_first_attempt():
    """The segment was stored at once; while its writer waited, another claimed the next number."""

    async def main():
        account = PlaceAccount()
        store = account.store()
        first, second = account.log(store), account.log()
        await first.claim(begins=True)
        store.after["put"] = [LOST]
        began = account.clock.now()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first.append)
            while len(account.keys()) < 2:
                await anyio.sleep(0.001)
            store.before["put"] = [REFUSED] * 8
            await second.claim(begins=False)
        assert account.clock.now() - began > LAPSE_S
        assert not first.is_released()

    run_virtual(main)


def test_a_number_that_is_free_again_proves_nothing():
    """A new owner's snapshot had it deleted: the retry of a segment that was stored finds no object there."""

    async def main():
        account = PlaceAccount()
        store = account.store()
        first, second = account.log(store), account.log()
        await first.claim(begins=True)
        store.after["put"] = [LOST]
        store.before["put"] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first.append)
            while len(account.keys()) < 2:
                await anyio.sleep(0.0)
            store.before["put"] = [REFUSED] * 6
            await second.claim(begins=False)
            account.put(PLACE.snapshot(3), encode_snapshot(take(second.state)))
            account.world.objects.delete(*PLACE.segment(2))
        assert first.state.number == 2  # it was taken again ...
        assert not first.is_released()  # ... and proves nothing
        with pytest.raises(Fenced):
            await first.append()

    run_virtual(main)


@pytest.mark.parametrize("error", [CONFLICT, BUSY, REFUSED, LOST, DENIED], ids=lambda error: error.code)
def test_what_passes_is_tried_again(error):
    async def main():
        account = PlaceAccount()
        store = account.store()
        log = account.log(store)
        await log.claim(begins=True)
        store.before["put"] = [error] * 3
        await log.append(lines=[line(0)])
        assert log.state.last == 0

    run_virtual(main)


@pytest.mark.parametrize(
    ("error", "code"), [(LOST, Exit.INTERRUPTED), (BUSY, Exit.INTERRUPTED), (DENIED, Exit.PRECONDITION)]
)
def test_patience_ends(error, code):
    async def main():
        account = PlaceAccount()
        store = account.store()
        log = account.log(store)
        await log.claim(begins=True)
        store.before["put"] = [error] * 1000
        began = account.clock.now()
        with pytest.raises(
            StateLost, match=r"could not be written for 6. s, so that nothing more was sent"
        ) as caught:
            await log.append(lines=[line(0)])
        assert 60.0 < account.clock.now() - began < 70.0
        assert caught.value.exit == code
        assert not log.is_released()

    run_virtual(main)


def test_a_claim_that_is_denied_is_not_waited_for():
    async def main():
        account = PlaceAccount()
        store = account.store()
        store.before["put"] = [DENIED]
        with pytest.raises(RunError, match=r"s3:PutObject: AccessDenied.*Grant s3:PutObject") as caught:
            await account.log(store).claim(begins=True)
        assert caught.value.exit == Exit.PRECONDITION
        assert account.clock.now() < 5.0

    run_virtual(main)


def test_a_store_without_conditions_is_refused():
    async def main():
        account = PlaceAccount()
        store = account.store()
        store.before["put"] = [CallError(Phase.REPLY, "NotImplemented", status=501)]
        with pytest.raises(RunError, match="this store knows no conditional writes"):
            await account.log(store).claim(begins=True)

    run_virtual(main)


def test_a_call_that_was_cancelled_is_made_before_the_next():
    async def main():
        account = PlaceAccount()
        store = account.store()
        log = account.log(store)
        await log.claim(begins=True)
        store.before["put"] = [LOST] * 30  # however short the pauses are drawn
        with anyio.move_on_after(0.2):
            await log.append(lines=[line(0)])
        assert log.state.number == 1
        store.before["put"].clear()
        await log.append(lines=[line(1)])
        assert (log.state.number, sorted(log.state.open)) == (3, [0, 1])

    run_virtual(main)


def test_a_claim_on_a_number_of_the_past_claims_nothing():
    """Between the two lists of a claim the owner takes a snapshot and deletes the number that seemed to be next."""

    async def main():
        account = PlaceAccount()
        first = account.log()
        await first.claim(begins=True)
        store = account.store()
        second = account.log(store)

        async def later(location, body, **more):
            if location == PLACE.segment(2) and first.state.number == 1:
                for row in range(3):
                    await first.append(lines=[line(row)])
                account.put(PLACE.snapshot(4), encode_snapshot(take(first.state)))
                for number in (2, 3, 4):
                    account.world.objects.delete(*PLACE.segment(number))
            return await account.cloud.objects.put(location, body, **more)

        store.put = later
        await second.claim(begins=False)
        assert second.claim_number == 5
        assert sorted(second.state.open) == [0, 1, 2]
        with pytest.raises(Fenced):
            await first.append()

    run_virtual(main)


def test_an_owner_who_keeps_on_writing_keeps_the_place():
    async def main():
        account = PlaceAccount()
        first = account.log()
        await first.claim(begins=True)
        store = account.store()

        async def overtaken(location, body, **more):
            await first.append()
            return await account.cloud.objects.put(location, body, **more)

        store.put = overtaken
        with pytest.raises(JournalError, match="in use by another process, which is at work"):
            await account.log(store).claim(begins=False)
        await first.append()

    run_virtual(main)


@pytest.mark.parametrize("run_id", [RUN, "bbbbbbbbbb"])
def test_a_run_that_begins_where_rows_were_sent_is_refused_and_the_other_can_be_resumed(run_id):
    async def main():
        account = PlaceAccount()
        first = account.log()
        await first.claim(begins=True)
        await first.append(lines=[line(0)])
        with pytest.raises(JournalError, match="holds run aaaaaaaaaa, which another process has begun"):
            await account.log(run_id=run_id).claim(begins=True)
        with pytest.raises(Fenced):
            await first.append()
        second = account.log()
        await second.claim(begins=False)
        assert list(second.state.open) == [0]

    run_virtual(main)


@pytest.mark.parametrize("moment", ["listed", "stored"])
def test_of_two_that_begin_at_once_one_begins_and_the_other_learns_who_it_is(moment):
    """Neither fences the other, after which each would have found the other's run there."""

    async def main():
        account = PlaceAccount()
        first = account.log(about={"host": "other-host", "pid": "4711", "since": "2026-01-01T00:00:00Z"})
        store = account.store()
        if moment == "listed":  # it came between the look and the claim
            await first.claim(begins=True, behind=0)
        else:

            async def overtaken(location, body, **more):
                await first.claim(begins=True, behind=0)
                return await account.cloud.objects.put(location, body, **more)

            store.put = overtaken
        with pytest.raises(PlaceInUse, match="runs/one is in use by process 4711 on other-host, since 2026"):
            await account.log(store, run_id="bbbbbbbbbb").claim(begins=True, behind=0)
        await first.append(lines=[line(0)])
        assert first.state.claims == [1]

    run_virtual(main)


def test_the_clock_that_goes_on_during_a_sleep_counts():
    async def main():
        account = PlaceAccount()
        slept = 0.0
        log = account.log(uptime=lambda: account.clock.now() + slept)
        await log.claim(begins=True)
        assert log.is_released()
        slept = 600.0
        assert not log.is_released()
        await log.append()
        assert log.is_released()

    run_virtual(main)


def test_it_says_what_it_wrote():
    async def main():
        account = PlaceAccount()
        log = account.log()
        await log.claim(begins=True)
        await log.append(lines=[line(0), line(1)])
        assert (log.stored, log.lines) == (1, 2)
        assert log.size_bytes == len(account.body(PLACE.segment(2)))
        assert log.state.run_id == RUN

    run_virtual(main)
