"""The seeded loop: time jumps and never waits, one seed is one order, and whoever waits for nothing is told so."""

from __future__ import annotations

import time

import anyio
import pytest
from support.loop import EPOCH, LoopClock, NothingLeftError, run_seeded


def order(seed: int) -> list[int]:
    """Return the order in which twenty tasks ran that were ready at once."""

    async def main() -> list[int]:
        ran: list[int] = []

        async def one(number: int) -> None:
            await anyio.lowlevel.checkpoint()
            ran.append(number)

        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(one, number)
        return ran

    return run_seeded(main, seed=seed)


def test_a_seed_is_an_order():
    orders = [order(seed) for seed in range(10)]
    assert [order(seed) for seed in range(10)] == orders
    assert len({tuple(each) for each in orders}) == 10
    assert all(sorted(each) == list(range(20)) for each in orders)


def test_hours_pass_at_once_and_in_order():
    async def main() -> tuple[list[float], float]:
        clock, woken = LoopClock(), []

        async def sleeper(seconds: float) -> None:
            await clock.sleep_until(EPOCH + seconds)
            woken.append(clock.now() - EPOCH)

        async with anyio.create_task_group() as tasks:
            for seconds in (7_200.0, 0.5, 3_600.0, -1.0):
                tasks.start_soon(sleeper, seconds)
        return woken, anyio.current_time()

    began = time.monotonic()
    assert run_seeded(main, seed=1) == ([0.0, 0.5, 3_600.0, 7_200.0], 7_200.0)
    assert time.monotonic() - began < 60.0


def test_a_nap_ends_when_it_is_woken_and_no_later():
    async def main() -> float:
        clock = LoopClock()
        nap = clock.nap(float("inf"))

        async def wake() -> None:
            await anyio.sleep(3.0)
            nap.wake()
            nap.wake()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wake)
            await nap.wait()
        return clock.now() - EPOCH

    assert run_seeded(main, seed=1) == 3.0


def test_a_timeout_that_is_not_needed_does_not_move_time():
    async def main() -> float:
        with anyio.fail_after(1_000.0):
            await anyio.sleep(1.0)
        await anyio.sleep(1.0)
        return anyio.current_time()

    assert run_seeded(main, seed=1) == 2.0


def test_waiting_for_what_will_never_happen_is_an_error():
    async def main() -> None:
        await anyio.Event().wait()

    with pytest.raises(NothingLeftError, match=r"after 0\.000 virtual seconds"):
        run_seeded(main, seed=1)
