"""Reading a place while its owner is at work: what is missing, and what only seems to be."""

from __future__ import annotations

import pytest
from support.segments import BUSY, DENIED, PLACE, PlaceAccount, line
from support.virtual import run_virtual

from fanout.errors import Exit, JournalError, RunError
from fanout.runtime.place.keeper import Keeper
from fanout.runtime.place.replay import AT_ONCE, list_journal, read_object, read_state


async def at_once(call):
    return call()


async def begun(account, rows=3):
    log = account.log()
    await log.claim(begins=True)
    for row in range(rows):
        await log.append(lines=[line(row)])
    return log


def test_a_place_without_a_run_is_none():
    async def main():
        account = PlaceAccount()
        assert await read_state(account.store(), PLACE, clock=account.clock) is None

    run_virtual(main)


def test_it_reads_more_segments_than_it_holds_at_once_and_claims_nothing():
    async def main():
        account = PlaceAccount()
        log = await begun(account, 2 * AT_ONCE + 3)
        before = account.keys()
        state = await read_state(account.store(), PLACE, clock=account.clock)
        assert state.open == log.state.open
        assert account.keys() == before
        await log.append()

    run_virtual(main)


def test_a_segment_that_goes_while_it_is_read_is_in_a_snapshot():
    async def main():
        account = PlaceAccount()
        log = await begun(account)
        store = account.store()
        get, taken = store._objects.get, []

        async def later(location, **more):
            if not taken:
                taken.append(location)
                await Keeper(
                    log, account.cloud.objects, clock=account.clock, every_s=180.0, run_blocking=at_once
                ).snapshot()
            return await get(location, **more)

        store.get = later
        state = await read_state(store, PLACE, clock=account.clock)
        assert sorted(state.open) == [0, 1, 2]

    run_virtual(main)


@pytest.mark.parametrize("number", [1, 3, 4])
def test_one_that_is_missing_for_good_is_noticed(number):
    async def main():
        account = PlaceAccount()
        await begun(account)
        await account.log().claim(begins=False)
        account.world.objects.delete(*PLACE.segment(number))
        with pytest.raises(JournalError, match=f"journal/000000000{number}.zst is missing: put it back"):
            await read_state(account.store(), PLACE, clock=account.clock)

    run_virtual(main)


def test_one_that_is_torn_is_named():
    async def main():
        account = PlaceAccount()
        await begun(account)
        account.put(PLACE.segment(3), account.body(PLACE.segment(3))[:-3])
        with pytest.raises(JournalError, match=r"s3://simulated/runs/one/journal/0000000003.zst is damaged"):
            await read_state(account.store(), PLACE, clock=account.clock)

    run_virtual(main)


def test_one_that_stands_twice_is_noticed():
    async def main():
        account = PlaceAccount()
        await begun(account)
        account.put(PLACE.segment(3), account.body(PLACE.segment(2)))
        with pytest.raises(JournalError, match=r"segment 2 .* does not follow segment 2"):
            await read_state(account.store(), PLACE, clock=account.clock)

    run_virtual(main)


def test_what_is_no_segment_is_not_listed():
    async def main():
        account = PlaceAccount()
        await begun(account, 1)
        account.put(PLACE.segment(1)._replace(key=f"{PLACE.journal}notes.txt"), b"")
        listing = await list_journal(account.store(), PLACE, clock=account.clock)
        assert (listing.segments, listing.snapshots, listing.last) == ((1, 2), (), 2)

    run_virtual(main)


def test_denied_is_said_and_busy_is_waited_for():
    async def main():
        account = PlaceAccount()
        store = account.store()
        store.before["get"] = [BUSY]
        assert await read_object(store, PLACE.manifest, clock=account.clock) is None
        store.before["get"] = [DENIED]
        with pytest.raises(RunError, match=r"runs/one/run.json: s3:GetObject: AccessDenied.*Grant") as caught:
            await read_object(store, PLACE.manifest, clock=account.clock)
        assert caught.value.exit == Exit.PRECONDITION

    run_virtual(main)
