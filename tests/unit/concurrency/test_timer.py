"""Timers of the kernel's: exact, never early, and nothing is left of them."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import anyio
import pytest

from fanout.concurrency import timer
from fanout.concurrency.timer import sleep_until_ns

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="other systems have no timerfd: there it is False"
)
MS = 1_000_000


@pytest.fixture(params=["asyncio", "uvloop", "trio"])
def run(request):
    """Runs a coroutine function on each event loop that the engine meets."""
    if request.param == "trio":
        return lambda main: anyio.run(main, backend="trio")
    options = {"use_uvloop": request.param == "uvloop"}
    return lambda main: anyio.run(main, backend="asyncio", backend_options=options)


@pytest.mark.parametrize("quarter", range(4))
def test_it_returns_at_the_instant_and_not_at_a_whole_millisecond(run, quarter):
    """A timer of a loop is up to a millisecond off: by a fixed part, or early at times.

    How late a process wakes is the machine's business, so the best of its tries counts, and that none was early.
    """
    exact_ns = MS // 5

    async def main():
        late = []
        while len(late) < 20 or (min(late) >= exact_ns and len(late) < 1_000):
            at_ns = time.monotonic_ns() + MS + quarter * MS // 4
            assert await sleep_until_ns(at_ns)
            late.append(time.monotonic_ns() - at_ns)
        return min(late)

    assert 0 <= run(main) < exact_ns


def test_an_instant_that_has_passed_rings_at_once(run):
    async def main():
        with anyio.fail_after(5):
            return [await sleep_until_ns(at_ns) for at_ns in (time.monotonic_ns(), 1, 0, -MS)]

    assert run(main) == [True] * 4


def test_many_ring_in_the_order_of_their_instants(run):
    async def main():
        rung = []
        began_ns = time.monotonic_ns()

        async def one(after_ms):
            await sleep_until_ns(began_ns + after_ms * MS)
            rung.append(after_ms)

        async with anyio.create_task_group() as tasks:
            for after_ms in (80, 20, 60, 40):
                tasks.start_soon(one, after_ms)
        return rung

    assert run(main) == [20, 40, 60, 80]


def test_nothing_is_left_of_it_after_it_rang_or_was_cancelled(run):
    async def main():
        await sleep_until_ns(time.monotonic_ns() + MS)  # what the loop itself opens is open now
        before = [*Path("/proc/self/fd").iterdir()]
        await sleep_until_ns(time.monotonic_ns() + MS)
        with anyio.move_on_after(0.01):
            await sleep_until_ns(time.monotonic_ns() + 3_600_000 * MS)
        return before, [*Path("/proc/self/fd").iterdir()]

    before, after = run(main)
    assert len(after) == len(before)


def test_without_a_descriptor_to_spare_it_says_so(run, monkeypatch):
    class Exhausted:
        def timerfd_create(self, *_):
            return -1

    monkeypatch.setattr(timer, "_libc", Exhausted)
    assert run(lambda: sleep_until_ns(time.monotonic_ns() + 3_600_000 * MS)) is False


def test_where_there_are_no_such_timers_it_says_so(run, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    timer._libc.cache_clear()
    try:
        assert run(lambda: sleep_until_ns(time.monotonic_ns() + 3_600_000 * MS)) is False
    finally:
        timer._libc.cache_clear()
