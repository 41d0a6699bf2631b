"""Which downloads may go on together, on virtual time."""

from __future__ import annotations

import anyio
import pytest
import trio
from support.virtual import run_virtual

from fanout.concurrency.byte_limiter import COPIES, FIRST, LEFT, ByteLimiter
from fanout.concurrency.notify import Notify

MOST = 256_000_000


class Shelf:
    """Keeps what was downloaded until it is hurried, then for as long as writing it takes."""

    def __init__(self, limiter_takes_s=1.0):
        self.freed = Notify()
        self.sizes = []
        self.hurried = 0
        self._takes_s = limiter_takes_s
        self._wake = Notify()

    @property
    def held_bytes(self):
        return sum(self.sizes)

    @property
    def largest_bytes(self):
        return max(self.sizes, default=0)

    def hurry(self):
        self.hurried += 1
        self._wake.notify()

    async def write(self):
        while True:
            await self._wake.wait()
            await trio.sleep(self._takes_s)
            self.sizes.clear()
            self.freed.notify()


def begun(sizes, *, most_bytes=MOST, workers=64, takes_s=1.0, shelf=None):
    """Download `sizes` in order; return how many bytes were under way and held when each body began to be read."""
    found = []

    async def main():
        limiter = ByteLimiter(most_bytes, holder=shelf)
        left, under_way = list(sizes), []

        async def worker():
            while left:
                download = await limiter.enter()
                if left:
                    size = left.pop(0)
                    await download.admit(size)
                    under_way.append(size)
                    found.append(sum(under_way) + (shelf.held_bytes if shelf else 0))
                    await anyio.sleep(takes_s)
                    under_way.remove(size)
                    if shelf:
                        shelf.sizes.append(size)
                limiter.leave(download)

        async with anyio.create_task_group() as tasks:
            if shelf:
                tasks.start_soon(shelf.write)
            async with anyio.create_task_group() as downloads:
                for _ in range(workers):
                    downloads.start_soon(worker)
            tasks.cancel_scope.cancel()

    run_virtual(main)
    assert len(found) == len(sizes)
    return found


def test_large_bodies_never_exceed_the_bound_from_the_first_on():
    assert max(begun([10_000_000] * 200)) <= MOST - COPIES * 10_000_000
    assert max(begun([60_000_000] * 24)) == 60_000_000


def test_small_bodies_use_every_worker():
    assert max(begun([1_000] * 2_000)) == 64_000


def test_one_beyond_the_bound_goes_alone():
    assert set(begun([300_000_000] * 20)) == {300_000_000}


def test_a_large_one_is_not_starved_by_small_ones():
    sizes = [1_000] * 300 + [300_000_000] + [1_000] * 5_000
    found = begun(sizes)
    place = next(place for place, size in enumerate(found) if size >= 300_000_000)
    assert place <= 300 + 64


def test_one_large_body_is_forgotten():
    found = begun([1_000] * 500 + [64_000_000] + [1_000] * 500)
    assert max(found[:500]) == 64_000
    assert max(found[501 + 64 + 45 :]) == 64_000


def test_what_is_held_counts_and_is_hurried():
    shelf = Shelf()
    found = begun([60_000_000] * 24, shelf=shelf)
    assert max(found) == 60_000_000
    assert shelf.hurried >= 23


def test_what_is_held_of_small_ones_lets_a_large_one_pass():
    shelf = Shelf()
    shelf.sizes = [int(LEFT * MOST)]
    assert begun([300_000_000], shelf=shelf) == [300_000_000 + int(LEFT * MOST)]


def test_a_body_that_is_tried_again_keeps_its_place():
    async def main():
        limiter = ByteLimiter(100)
        first = await limiter.enter()
        await first.admit(1_000)
        with anyio.fail_after(1):
            await first.admit(1_000)
            await first.admit(900)
        limiter.leave(first)
        second = await limiter.enter()
        with anyio.fail_after(1):
            await second.admit(1_000)

    run_virtual(main)


def test_a_wait_that_is_cancelled_blocks_nobody():
    async def main():
        limiter = ByteLimiter(1_000)
        first, second, third = [await limiter.enter() for _ in range(3)]
        await first.admit(900)
        with anyio.move_on_after(1) as scope:
            await second.admit(900)
        assert scope.cancelled_caught
        limiter.leave(second)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(third.admit, 800)
            await anyio.wait_all_tasks_blocked()
            limiter.leave(first)
        limiter.leave(third)

    run_virtual(main)


@pytest.mark.parametrize("size", [None, 0])
def test_what_brought_nothing_makes_room(size):
    async def main():
        limiter = ByteLimiter(100)
        downloads = [await limiter.enter() for _ in range(FIRST)]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(limiter.enter)
            await anyio.wait_all_tasks_blocked()
            if size is not None:
                await downloads[0].admit(size)
            limiter.leave(downloads[0])

    run_virtual(main)
