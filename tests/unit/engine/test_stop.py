"""The order to stop: the first counts, and a reason to leave with is not yet an order."""

from __future__ import annotations

import trio
from support.virtual import VirtualClock, run_virtual

from fanout.concurrency.notify import Notify
from fanout.engine.stop import Stop
from fanout.errors import DeadlineReached, InputError, Interrupted


def test_the_first_order_counts_and_ends_admission():
    async def main():
        changed = Notify()
        stop = Stop(clock=VirtualClock(), changed=changed)
        first = Interrupted("SIGTERM")

        async def give_orders():
            await trio.sleep(3.0)
            stop.order(first)
            await trio.sleep(1.0)
            stop.order(DeadlineReached("later"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(give_orders)
            with stop.admission:
                await trio.sleep_forever()
            ended_at = trio.current_time()
        return ended_at, stop.at, stop.reason is first

    assert run_virtual(main) == (3.0, 3.0, True)


def test_the_order_wakes_who_waits_for_a_change():
    async def main():
        changed = Notify()
        stop = Stop(clock=VirtualClock(), changed=changed)

        async def order():
            await trio.sleep(2.0)
            stop.order(Interrupted("SIGTERM"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(order)
            return await changed.wait_for(60.0), trio.current_time()

    assert run_virtual(main) == (True, 2.0)


def test_a_run_that_has_a_reason_already_stops_when_ordered_and_keeps_it():
    async def main():
        stop = Stop(clock=VirtualClock(), changed=Notify())
        damage = InputError("damaged")
        stop.reason = damage
        going_on = stop.at is None and not stop.admission.cancel_called
        stop.order(Interrupted("SIGTERM"))
        return going_on, stop.at, stop.reason is damage, stop.admission.cancel_called

    assert run_virtual(main) == (True, 0.0, True, True)
