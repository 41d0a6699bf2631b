"""A bounded way between two stages: order, room, and no wake-up that gets lost."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from support.virtual import run_virtual

from fanout.concurrency.channel import Channel


def test_items_leave_in_the_order_in_which_they_came():
    async def main():
        channel = Channel(3)
        for number in range(3):
            await channel.put(number)
        assert len(channel) == 3
        left = [await channel.get() for _ in range(3)]
        assert len(channel) == 0
        return left

    assert run_virtual(main) == [0, 1, 2]


def test_looking_in_takes_the_first_item_or_nothing():
    async def main():
        channel = Channel(2)
        assert channel.get_nowait() is None
        await channel.put("a")
        await channel.put("b")
        return channel.get_nowait(), channel.get_nowait(), channel.get_nowait(), len(channel)

    assert run_virtual(main) == ("a", "b", None, 0)


@pytest.mark.parametrize("take", ["get", "get_nowait"])
def test_a_full_channel_makes_a_put_wait(take):
    async def main():
        channel, sent = Channel(2), []

        async def sender():
            for number in range(5):
                await channel.put(number)
                sent.append(number)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(sender)
            await trio.testing.wait_all_tasks_blocked()
            assert (sent, len(channel)) == ([0, 1], 2)
            assert (channel.get_nowait() if take == "get_nowait" else await channel.get()) == 0
            await trio.testing.wait_all_tasks_blocked()
            assert (sent, len(channel)) == ([0, 1, 2], 2)
            nursery.cancel_scope.cancel()

    run_virtual(main)


def test_an_empty_channel_makes_a_get_wait():
    async def main():
        channel = Channel(1)
        async with trio.open_nursery() as nursery:

            async def late():
                await trio.sleep(5.0)
                await channel.put("item")

            nursery.start_soon(late)
            item = await channel.get()
        return item, trio.current_time()

    assert run_virtual(main) == ("item", 5.0)


@pytest.mark.parametrize("capacity", [1, 2, 7, 1_000])
@pytest.mark.parametrize(("putters", "getters"), [(1, 1), (1, 8), (8, 1), (5, 5)])
def test_every_item_goes_to_one_worker_and_the_channel_is_never_overfull(capacity, putters, getters):
    async def main():
        channel, taken = Channel(capacity), []

        async def putter(first):
            for number in range(first, 200, putters):
                await channel.put(number)
                assert len(channel) <= capacity

        async def getter():
            while True:
                taken.append(await channel.get())
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as workers:
            for _ in range(getters):
                workers.start_soon(getter)
            async with trio.open_nursery() as nursery:
                for first in range(putters):
                    nursery.start_soon(putter, first)
            await trio.testing.wait_all_tasks_blocked()
            workers.cancel_scope.cancel()
        return taken

    taken = run_virtual(main)
    assert sorted(taken) == list(range(200))
    if putters == getters == 1:
        assert taken == list(range(200))


@pytest.mark.parametrize("waiting", [1, 2, 5])
def test_one_who_gives_up_taking_leaves_the_item_to_the_next(waiting):
    """The item comes and the first in line is cancelled in the same turn of the loop."""

    async def main():
        channel, taken = Channel(4), []
        first = trio.CancelScope()

        async def getter(scope):
            with scope:
                taken.append(await channel.get())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(getter, first)
            await trio.testing.wait_all_tasks_blocked()
            for _ in range(waiting):
                nursery.start_soon(getter, trio.CancelScope())
            await trio.testing.wait_all_tasks_blocked()
            first.cancel()
            await channel.put("item")
            await trio.testing.wait_all_tasks_blocked()
            assert (taken, len(channel)) == (["item"], 0)
            nursery.cancel_scope.cancel()

    run_virtual(main)


def test_one_who_gives_up_putting_leaves_the_room_to_the_next():
    async def main():
        channel, put = Channel(1), []
        await channel.put("there")
        first = trio.CancelScope()

        async def putter(item, scope):
            with scope:
                await channel.put(item)
                put.append(item)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(putter, "a", first)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(putter, "b", trio.CancelScope())
            await trio.testing.wait_all_tasks_blocked()
            first.cancel()
            assert channel.get_nowait() == "there"
            await trio.testing.wait_all_tasks_blocked()
            # Whether the one who was cancelled got in before is its own affair; the channel is not stuck.
            assert put in (["a"], ["b"])
            assert channel.get_nowait() == put[0]

    run_virtual(main)


def test_a_wait_that_is_cancelled_long_before_takes_nothing():
    async def main():
        channel = Channel(1)
        with trio.move_on_after(1.0) as scope:
            await channel.get()
        assert scope.cancelled_caught
        await channel.put("item")
        with trio.move_on_after(1.0) as scope:
            await channel.put("more")
        assert scope.cancelled_caught
        return channel.get_nowait(), len(channel)

    assert run_virtual(main) == ("item", 0)


@pytest.mark.parametrize("side", ["get", "put"])
def test_one_who_has_gone_is_not_woken_in_place_of_the_next(side):
    async def main():
        channel, done = Channel(1), []
        if side == "put":
            await channel.put("there")

        async def worker(scope):
            with scope:
                await (channel.get() if side == "get" else channel.put("item"))
                done.append(trio.current_time())

        gone = trio.CancelScope()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(worker, gone)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(worker, trio.CancelScope())
            await trio.testing.wait_all_tasks_blocked()
            gone.cancel()
            await trio.testing.wait_all_tasks_blocked()
            if side == "get":
                await channel.put("item")
            else:
                assert channel.get_nowait() == "there"
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        return done

    assert run_virtual(main) == [0.0]
