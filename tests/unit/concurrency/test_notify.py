"""Waking those who wait, and remembering nothing."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from support.virtual import run_virtual

from fanout.concurrency.notify import Notify


def test_everybody_who_waits_is_woken_once():
    async def main():
        notify, woken = Notify(), []

        async def waiter(name):
            await notify.wait()
            woken.append(name)

        async with trio.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(waiter, name)
            await trio.testing.wait_all_tasks_blocked()
            assert woken == []
            notify.notify()
        return sorted(woken)

    assert run_virtual(main) == ["a", "b", "c"]


def test_a_notification_is_not_remembered():
    async def main():
        notify = Notify()
        notify.notify()
        notify.notify()
        return await notify.wait_for(5.0), trio.current_time()

    assert run_virtual(main) == (False, 5.0)


def test_those_who_come_after_a_notification_wait_for_the_next():
    async def main():
        notify, at = Notify(), []

        async def waiter():
            for _ in range(3):
                await notify.wait()
                at.append(trio.current_time())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(waiter)
            for _ in range(3):
                await trio.sleep(2.0)
                notify.notify()
                notify.notify()  # in one go: no task waits any more
        return at

    assert run_virtual(main) == [2.0, 4.0, 6.0]


def test_a_condition_that_is_looked_at_again_is_never_missed():
    async def main():
        notify, items, taken = Notify(), [], []

        async def consumer():
            while len(taken) < 50:
                while not items:
                    await notify.wait()
                taken.append(items.pop(0))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(consumer)
            for number in range(50):
                items.append(number)
                notify.notify()
                if number % 3 == 0:
                    await trio.lowlevel.checkpoint()
        return taken

    assert run_virtual(main) == list(range(50))


@pytest.mark.parametrize(("after_s", "woken"), [(1.0, True), (2.9, True), (3.1, False)])
def test_waiting_for_a_while_tells_whether_it_was_woken(after_s, woken):
    async def main():
        notify = Notify()

        async def notifier():
            await trio.sleep(after_s)
            notify.notify()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(notifier)
            result = await notify.wait_for(3.0)
            at = trio.current_time()
        return result, at

    assert run_virtual(main) == (woken, min(after_s, 3.0))


@pytest.mark.parametrize("timeout_s", [0.0, -5.0, float("-inf")])
def test_no_time_to_wait_returns_at_once(timeout_s):
    async def main():
        return await Notify().wait_for(timeout_s), trio.current_time()

    assert run_virtual(main) == (False, 0.0)


def test_one_who_gives_up_takes_nobody_along():
    async def main():
        notify, woken = Notify(), []

        async def patient():
            await notify.wait()
            woken.append(trio.current_time())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(patient)
            assert not await notify.wait_for(1.0)
            await trio.sleep(1.0)
            notify.notify()
        return woken

    assert run_virtual(main) == [2.0]


def test_a_cancellation_is_passed_on():
    async def main():
        with trio.move_on_after(1.0) as scope:
            await Notify().wait_for(100.0)
        return scope.cancelled_caught, trio.current_time()

    assert run_virtual(main) == (True, 1.0)
