"""What goes on beside a run's work: who may stop it, in which order, and whose error its caller gets."""

from __future__ import annotations

import logging
import signal

import anyio
import pytest
from support.signals import fake_signals

from fanout.concurrency.clock import SystemClock
from fanout.engine.snapshot import Snapshot
from fanout.errors import CallError, DeadlineReached, Interrupted, Phase, RunError
from fanout.runtime.supervisor import Supervisor, until_stopped

NEXT = "`fanout resume rd` goes on"


class Recorder:
    """Work that ends when it is stopped, or when it is told what it comes to."""

    def __init__(self):
        self.reasons = []
        self.began = anyio.Event()
        self.end = anyio.Event()
        self.result = "done"
        self.ignores = False
        self.cancelled = False

    async def run(self):
        self.began.set()
        try:
            await self.end.wait()
        except anyio.get_cancelled_exc_class():
            self.cancelled = True
            raise
        if self.reasons and not self.ignores:
            raise self.reasons[0]
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result

    def stop(self, reason):
        self.reasons.append(reason)
        if not self.ignores:
            self.end.set()

    def look(self):
        return Snapshot(len(self.reasons), 0, None, None, 0, 0, 0, 0, None)


class Watching:
    """An observer that notes what it sees, and does what it is given to do."""

    def __init__(self, act=None):
        self.seen = []
        self.act = act
        self.gone = False

    async def watch(self, look, *, now):
        self.seen.append((look().ended, now()))
        try:
            if self.act is not None:
                await self.act()
            await anyio.sleep_forever()
        finally:
            self.gone = True


async def attended(work, *observers, before=None, after=None, **more):
    """Do `work` under a supervisor's eyes, `before` and `after` it what a run does then."""
    standard = {"clock": SystemClock(), "next_step": NEXT, "grace_s": 7.0}
    supervisor = Supervisor(**(standard | more))

    async def main():
        if before is not None:
            await before()
        result = await supervisor.attend(work, observers)
        if after is not None:
            await after()
        return result

    with supervisor.listening():
        return await supervisor.run(main)


@pytest.fixture
def signals(monkeypatch):
    return fake_signals(monkeypatch)


def test_the_work_s_result_is_returned_and_nobody_watches_any_longer():
    async def main():
        work, observer = Recorder(), Watching()

        async def act():
            work.end.set()

        observer.act = act
        assert await attended(work, observer, Watching()) == "done"
        assert observer.gone
        [(ended, instant)] = observer.seen
        assert ended == 0
        assert instant == pytest.approx(SystemClock().now(), abs=60)

    anyio.run(main)


@pytest.mark.parametrize("error", [RunError("endpoint gone"), ZeroDivisionError("a bug")])
def test_an_error_of_the_work_comes_out_as_it_is_with_what_it_came_from(error):
    error.__cause__ = cause = CallError(Phase.REPLY, "ValidationException")

    async def main():
        work = Recorder()
        work.result = error
        work.end.set()
        await attended(work, Watching())

    with pytest.raises(type(error)) as caught:
        anyio.run(main)
    assert caught.value is error
    assert caught.value.__cause__ is cause


def test_an_observer_s_bug_ends_the_run_as_itself():
    async def fails():
        raise ZeroDivisionError

    async def main():
        work = Recorder()
        with pytest.raises(ZeroDivisionError):
            await attended(work, Watching(fails))
        assert work.cancelled

    anyio.run(main)


def test_the_deadline_stops_the_work_in_order():
    async def main():
        clock, work = SystemClock(), Recorder()
        with pytest.raises(DeadlineReached, match="the deadline has passed; `fanout resume rd` goes on"):
            await attended(work, clock=clock, deadline_at=clock.now() + 0.01)
        assert not work.cancelled

    anyio.run(main)


@pytest.mark.parametrize(
    ("grace_s", "told"),
    [
        (7.0, "SIGTERM: collecting what the endpoint has, for 7 s at most; again to stop at once"),
        (None, "SIGTERM: collecting what the endpoint has; again to stop at once"),
    ],
)
def test_the_first_signal_stops_the_work_in_order_and_tells_the_person(signals, caplog, grace_s, told):
    async def main():
        work = Recorder()

        async def act():
            signals.send(signal.SIGTERM)

        with pytest.raises(Interrupted) as caught:
            await attended(work, Watching(act), grace_s=grace_s)
        assert str(caught.value) == f"SIGTERM: stopped; {NEXT}"
        assert caught.value.by == "SIGTERM"
        assert not work.cancelled
        assert signals.listening == 0

    anyio.run(main)
    assert [record.getMessage() for record in caplog.records] == [told]


def test_the_second_signal_stops_at_once(signals):
    async def main():
        work = Recorder()
        work.ignores = True

        async def act():
            signals.send(signal.SIGINT)
            while not work.reasons:
                await anyio.lowlevel.checkpoint()
            signals.send(signal.SIGINT)

        with pytest.raises(Interrupted, match=r"^stopped at once; `fanout resume rd` goes on$") as caught:
            await attended(work, Watching(act))
        assert caught.value.by == "SIGINT"
        assert work.cancelled
        assert len(work.reasons) == 1

    anyio.run(main)


def test_a_closed_terminal_is_one_order_however_often_it_is_told(signals):
    async def main():
        work = Recorder()

        async def act():
            for _ in range(3):  # the shell tells its jobs, the kernel tells the foreground
                signals.send(signal.SIGHUP)

        with pytest.raises(Interrupted, match=rf"^SIGHUP: stopped; {NEXT}$"):
            await attended(work, Watching(act))
        assert not work.cancelled

    anyio.run(main)


@pytest.mark.parametrize("twice", [False, True])
def test_orders_are_obeyed_as_signals_are_and_without_a_word(caplog, twice):
    async def main():
        work = Recorder()
        work.ignores = twice

        async def orders():
            await work.began.wait()
            yield "stopped with the run that it belongs to"
            if twice:
                yield "again"

        with pytest.raises(Interrupted) as caught:
            await attended(work, orders=orders)
        assert str(work.reasons[0]) == f"stopped with the run that it belongs to; {NEXT}"
        assert work.cancelled == twice
        assert str(caught.value).startswith("stopped at once" if twice else "stopped with the run")

    with caplog.at_level(logging.DEBUG, "fanout"):
        anyio.run(main)
    assert not [record for record in caplog.records if record.name.startswith("fanout")]


def test_a_caller_s_cancellation_reaches_the_work():
    async def main():
        work = Recorder()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(attended, work)
            await work.began.wait()
            tasks.cancel_scope.cancel()
        assert work.cancelled

    anyio.run(main)


@pytest.mark.parametrize("twice", [False, True])
def test_a_signal_before_the_work_cancels_the_start_and_what_was_opened_is_closed(signals, caplog, twice):
    closed = []

    async def main():
        work = Recorder()

        async def starting():
            try:
                for _ in range(1 + twice):
                    signals.send(signal.SIGTERM)
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.lowlevel.checkpoint()
                    closed.append(signals.listening)

        with pytest.raises(Interrupted, match=f"^SIGTERM: stopped; {NEXT}$") as caught:
            await attended(work, before=starting)
        assert caught.value.by == "SIGTERM"
        assert not work.began.is_set()

    anyio.run(main)
    assert closed == [1], "a second signal finds a listener, too"
    assert caplog.records == []


def test_a_signal_after_the_work_lets_what_is_left_come_to_its_end(signals, caplog):
    async def main():
        work = Recorder()
        work.end.set()

        async def closing():
            signals.send(signal.SIGTERM)
            signals.send(signal.SIGTERM)
            await anyio.lowlevel.checkpoint()

        assert await attended(work, after=closing) == "done"

    anyio.run(main)
    said = "SIGTERM: every row has ended; what is left is brought to its end"
    assert [record.getMessage() for record in caplog.records] == [said, said]


def test_what_has_no_work_is_cancelled_by_a_signal(signals):
    async def main():
        async def rebuilding():
            signals.send(signal.SIGINT)
            await anyio.sleep_forever()

        with pytest.raises(Interrupted, match=r"^SIGINT: stopped; start it again$"):
            await until_stopped(rebuilding, next_step="start it again")

    anyio.run(main)
