"""Snapshots keep the journal short, and leave what fences and what a new owner needs."""

from __future__ import annotations

import anyio
import pytest
from support.segments import BUSY, PLACE, PlaceAccount, line, new_part
from support.virtual import run_virtual

from fanout.errors import Fenced
from fanout.runtime.place.keeper import Keeper


async def at_once(call):
    return call()


def keeper_of(log, account, store=None, **more):
    more = {"every_s": 180.0} | more
    return Keeper(log, store or account.cloud.objects, clock=account.clock, run_blocking=at_once, **more)


def test_what_a_snapshot_holds_goes_but_for_claims():
    async def main():
        account = PlaceAccount()
        first, second = account.log(), account.log()
        await first.claim(begins=True)
        for row in range(5):
            await first.append(lines=[line(row)])
        await second.claim(begins=False)
        await second.append(parts=[new_part(0, [0, 1])])
        keeper = keeper_of(second, account)
        await keeper.snapshot()
        assert account.keys() == [
            "journal/0000000001.zst", "journal/0000000007.zst", "snapshots/0000000008.zst",
        ]  # fmt: skip
        await second.append(lines=[line(9)])
        await keeper.snapshot()
        assert account.keys() == [
            "journal/0000000001.zst", "journal/0000000007.zst", "snapshots/0000000009.zst",
        ]  # fmt: skip
        third = account.log()
        await third.claim(begins=False)
        assert (third.claim_number, third.state.claims) == (10, [1, 7, 10])
        assert third.state.counts() == second.state.counts()

    run_virtual(main)


def test_an_owner_that_slept_over_two_snapshots_is_fenced():
    async def main():
        account = PlaceAccount()
        first, second = account.log(), account.log()
        await first.claim(begins=True)
        await first.append(lines=[line(0)])
        await second.claim(begins=False)
        keeper = keeper_of(second, account)
        for row in range(2):
            await second.append(lines=[line(row)])
            await keeper.snapshot()
        with pytest.raises(Fenced):
            await first.append(lines=[line(5)])

    run_virtual(main)


def test_a_snapshot_of_an_owner_that_was_fenced_harms_nothing():
    """It comes late, and so do its deletions: what it holds is of the past, and claims stay."""

    async def main():
        account = PlaceAccount()
        first, second = account.log(), account.log()
        await first.claim(begins=True)
        for row in range(3):
            await first.append(lines=[line(row)])
        late = keeper_of(first, account)
        await second.claim(begins=False)
        await second.append(lines=[line(7)])
        await keeper_of(second, account).snapshot()
        await second.append(lines=[line(8)])
        await late.snapshot()
        third = account.log()
        await third.claim(begins=False)
        assert sorted(third.state.open) == [0, 1, 2, 7, 8]
        assert third.state.claims == [1, 5, 8]

    run_virtual(main)


def test_it_is_due_by_time_or_by_lines_and_only_if_something_changed():
    async def main():
        account = PlaceAccount()
        log = account.log()
        await log.claim(begins=True)
        keeper = keeper_of(log, account, every_s=100.0, lines=10)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keeper.worker)
            await anyio.sleep(300.0)
            assert keeper.snapshots == 0
            await log.append(lines=[line(0)])
            await anyio.sleep(10.0)
            assert keeper.snapshots == 1  # it was due for long
            await log.append(lines=[line(row) for row in range(9)])
            await anyio.sleep(10.0)
            assert keeper.snapshots == 1
            await log.append(lines=[line(10)])
            await anyio.sleep(10.0)
            assert keeper.snapshots == 2
            tasks.cancel_scope.cancel()

    run_virtual(main)


def test_what_s3_refuses_is_tried_again_by_the_next():
    async def main():
        account = PlaceAccount()
        store = account.store()
        log = account.log()
        await log.claim(begins=True)
        await log.append(lines=[line(0)])
        keeper = keeper_of(log, account, store)
        store.before["put"] = [BUSY] * 100
        await keeper.snapshot()
        assert keeper.snapshots == 0
        assert "journal/0000000002.zst" in account.keys(PLACE.journal)
        store.before["put"].clear()
        store.before["delete"] = [BUSY]
        await log.append(lines=[line(1)])
        await keeper.snapshot()
        assert "journal/0000000002.zst" in account.keys(PLACE.journal)
        await log.append(lines=[line(2)])
        await keeper.snapshot()
        assert account.keys() == ["journal/0000000001.zst", "snapshots/0000000004.zst"]

    run_virtual(main)
