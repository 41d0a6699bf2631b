"""An event for one waiter, on asyncio as on trio."""

from __future__ import annotations

import anyio
import pytest

from fanout.concurrency.event import make_event

LOOPS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


@LOOPS
def test_whoever_waits_goes_on_when_it_is_set(backend):
    async def main():
        event, seen = make_event()(), []

        async def waiter():
            await event.wait()
            seen.append("woken")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waiter)
            await anyio.wait_all_tasks_blocked()
            assert (seen, event.is_set()) == ([], False)
            event.set()
        return seen

    assert anyio.run(main, backend=backend) == ["woken"]


@LOOPS
def test_nobody_waits_for_what_was_set_before(backend):
    async def main():
        event = make_event()()
        event.set()
        event.set()
        with anyio.fail_after(5):
            await event.wait()

    anyio.run(main, backend=backend)


@LOOPS
def test_it_knows_that_it_was_set_although_the_one_who_waited_was_cancelled(backend):
    async def main():
        event, seen = make_event()(), []

        async def waiter():
            try:
                await event.wait()
            finally:
                seen.append(event.is_set())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waiter)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
            event.set()  # in the same step: it reaches a task that is being cancelled
        return seen

    assert anyio.run(main, backend=backend) == [True]
