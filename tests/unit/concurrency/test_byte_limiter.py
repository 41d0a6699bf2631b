"""Which downloads may be under way together, on virtual time."""

from __future__ import annotations

import anyio
import pytest
from support.virtual import run_virtual

from fanout.concurrency.byte_limiter import FIRST, ByteLimiter


def most_at_once(sizes, *, most_bytes, workers=64, takes_s=1.0):
    """Download `sizes` in order; return, for each, how many bytes were under way when it had begun."""
    found = []

    async def main():
        limiter = ByteLimiter(most_bytes)
        left, under_way = list(enumerate(sizes)), []

        async def worker():
            while left:
                await limiter.enter()
                if not left:
                    limiter.leave(None)
                    return
                _, size = left.pop(0)
                under_way.append(size)
                found.append(sum(under_way))
                await anyio.sleep(takes_s)
                under_way.remove(size)
                limiter.leave(size)

        async with anyio.create_task_group() as tasks:
            for _ in range(workers):
                tasks.start_soon(worker)

    run_virtual(main)
    return found


def test_large_responses_stay_below_the_bound():
    assert max(most_at_once([10_000_000] * 200, most_bytes=64_000_000)) <= 80_000_000, (
        "eight before a size is known"
    )
    assert max(most_at_once([10_000_000] * 200, most_bytes=64_000_000)[FIRST:]) <= 60_000_000


def test_small_responses_use_every_worker():
    assert max(most_at_once([1_000] * 2_000, most_bytes=64_000_000)) == 64_000


def test_a_response_beyond_the_bound_goes_alone():
    found = most_at_once([100_000_000] * 20, most_bytes=64_000_000)
    assert set(found[FIRST:]) == {100_000_000}


def test_one_large_response_is_forgotten():
    sizes = [1_000] * 500 + [64_000_000] + [1_000] * 500
    found = most_at_once(sizes, most_bytes=64_000_000)
    assert max(found[:500]) == 64_000
    assert max(found[501 + 64 + 45 :]) == 64_000


@pytest.mark.parametrize("size", [None, 0])
def test_what_brought_nothing_makes_room(size):
    async def main():
        limiter = ByteLimiter(100)
        for _ in range(FIRST):
            await limiter.enter()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(limiter.enter)
            await anyio.wait_all_tasks_blocked()
            limiter.leave(size)

    run_virtual(main)
