"""Code without a loop of its own, and code that is called from inside one: a notebook's cell, a callback, trio."""

from __future__ import annotations

import asyncio
import signal
import threading

import anyio
import pytest
import trio

from fanout.concurrency.signals import SIGNALS
from fanout.errors import Interrupted
from fanout.runtime.event_loop import run_in_event_loop
from fanout.runtime.supervisor import until_stopped

NEXT = "start it again"


async def where():
    """Return the thread that it runs on, and the kind of its loop."""
    await anyio.lowlevel.checkpoint()
    return threading.get_ident(), type(asyncio.get_running_loop()).__module__.partition(".")[0]


def test_without_a_loop_it_runs_on_this_thread_and_on_uvloop():
    assert run_in_event_loop(where) == (threading.get_ident(), "uvloop")


def in_a_coroutine():
    async def main():
        return run_in_event_loop(where)

    return asyncio.run(main())


def in_a_callback():
    async def main():
        found = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(lambda: found.set_result(run_in_event_loop(where)))
        return await found

    return asyncio.run(main())


def in_trio():
    async def main():
        return run_in_event_loop(where)

    return trio.run(main)


@pytest.mark.parametrize("call", [in_a_coroutine, in_a_callback, in_trio])
def test_inside_a_loop_it_runs_on_a_thread_of_its_own(call):
    thread, loop = call()
    assert (thread != threading.get_ident(), loop) == (True, "uvloop")


def sends_for_ever(interrupt, *, seen):
    """Return a cell that runs what only an order to stop ends, and is interrupted as soon as that has begun."""

    async def sending():
        threading.Timer(0.02, interrupt).start()
        try:
            await anyio.sleep_forever()
        finally:
            seen.append("stopped")

    async def cell():
        return run_in_event_loop(lambda: until_stopped(sending, next_step=NEXT))

    return cell


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_an_interrupted_cell_stops_what_it_runs_and_raises(number):
    seen: list[str] = []
    before = [signal.getsignal(each) for each in SIGNALS]
    cell = sends_for_ever(lambda: signal.raise_signal(number), seen=seen)
    loop = asyncio.new_event_loop()  # `asyncio.run` has a handler of its own, which a notebook has not
    try:
        with pytest.raises(Interrupted, match=f"^{number.name}: stopped; {NEXT}$"):
            loop.run_until_complete(cell())
    finally:
        loop.close()
    assert seen == ["stopped"]
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_a_cell_that_another_signal_s_handler_interrupts_stops_what_it_runs_too():
    class TooLongError(Exception):
        pass

    def raises(*_):
        raise TooLongError

    seen: list[str] = []
    before = signal.signal(signal.SIGALRM, raises)
    try:
        with pytest.raises(TooLongError) as caught:
            asyncio.run(sends_for_ever(lambda: signal.raise_signal(signal.SIGALRM), seen=seen)())
    finally:
        signal.signal(signal.SIGALRM, before)
    assert seen == ["stopped"]
    assert str(caught.value.__cause__) == f"TooLongError: stopped; {NEXT}"
