"""Signals of this very process, which its own handlers of before must survive."""

from __future__ import annotations

import asyncio
import signal
import threading

import pytest
import uvloop

from fanout.concurrency import signals
from fanout.concurrency.signals import SIGNALS, listening, taken


@pytest.fixture(autouse=True)
def handlers():
    """Handlers of the caller's own, which note what reaches them; those of the test run come back afterwards."""
    came: list[int] = []

    def theirs(number, _frame):
        came.append(number)

    before = {number: signal.signal(number, theirs) for number in SIGNALS}
    yield came
    left = {signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert left == {theirs}, "exactly what was there"


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_what_listens_hears_a_signal_and_the_handlers_of_before_are_put_back(handlers, new_loop, number):
    heard: list[str] = []

    async def main():
        with listening(heard.append):
            threading.Timer(0.01, signal.raise_signal, (number,)).start()  # while the loop waits
            async with asyncio.timeout(10):
                while not heard:
                    await asyncio.sleep(0.2)
        signal.raise_signal(number)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())
    assert heard == [number.name]
    assert handlers == [number]


def test_when_one_of_two_runs_ends_the_other_still_listens(handlers):
    first, second = [], []

    async def one(ended):
        with listening(first.append):
            signal.raise_signal(signal.SIGINT)
            await until(lambda: first and second)
        ended.set()

    async def main():
        ended = asyncio.Event()
        with listening(second.append):
            await asyncio.create_task(one(ended))
            await ended.wait()
            signal.raise_signal(signal.SIGTERM)
            await until(lambda: len(second) == 2)

    asyncio.run(main())
    assert (first, second) == (["SIGINT"], ["SIGINT", "SIGTERM"])
    assert handlers == []


def test_a_run_that_began_first_may_end_first(handlers):
    async def main():
        outer, inner = listening(lambda _name: None), listening(heard.append)
        outer.__enter__()
        inner.__enter__()
        outer.__exit__(None, None, None)
        signal.raise_signal(signal.SIGTERM)
        await until(lambda: heard)
        inner.__exit__(None, None, None)

    heard: list[str] = []
    asyncio.run(main())
    assert (heard, handlers) == (["SIGTERM"], [])


def test_a_signal_before_anything_listens_waits_for_it(handlers):
    heard: list[str] = []

    async def main():
        with listening(heard.append):
            assert heard == ["SIGTERM"]

    with taken():
        signal.raise_signal(signal.SIGTERM)
        asyncio.run(main())
    assert handlers == []


def test_a_signal_that_nothing_listened_to_goes_to_the_handlers_of_before(handlers):
    with taken(), taken():
        signal.raise_signal(signal.SIGTERM)
        assert handlers == []
    assert handlers == [signal.SIGTERM]


def test_a_handler_that_was_set_meanwhile_stays():
    with taken():
        signal.signal(signal.SIGINT, signal.default_int_handler)
    assert signal.signal(signal.SIGINT, signal.getsignal(signal.SIGTERM)) is signal.default_int_handler


def test_what_runs_on_another_thread_hears_what_the_main_one_takes(handlers):
    heard: list[str] = []
    ready = threading.Event()

    async def main():
        with listening(heard.append):
            ready.set()
            await until(lambda: heard)

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    with taken():
        thread.start()
        assert ready.wait(10)
        signals.tell(threading.get_ident(), "not for it")
        signal.raise_signal(signal.SIGINT)
        thread.join(10)
    assert (heard, handlers) == (["SIGINT"], [])


def test_a_thread_takes_no_signal_from_the_main_one(handlers):
    def elsewhere():
        with taken():
            signal.raise_signal(signal.SIGINT)  # Python runs handlers on the main thread

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert handlers == [signal.SIGINT]


def test_under_nohup_a_closed_terminal_stays_ignored(handlers):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with taken():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not before
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert handlers == []
