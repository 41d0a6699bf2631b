"""Asking for the backlog: while it is wanted, once a minute, without ever failing the run."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import trio
from support.virtual import VirtualClock, run_virtual

from fanout.domain.account_facts import BacklogPoint
from fanout.engine.reconcile.backlog import AT_FIRST_S, EVERY_S, LATER_S, BacklogWatch
from fanout.errors import CallError, Phase

START = 100_000.0


class Control:
    """Answers with what it is told to, and notes the questions."""

    def __init__(self, clock, *answers):
        self.clock, self.answers, self.asked = clock, list(answers), []

    async def backlog(self, endpoint, *, since, until):
        self.asked.append((endpoint, since, until))
        answer = self.answers.pop(0) if self.answers else []
        if isinstance(answer, Exception):
            raise answer
        return answer


@asynccontextmanager
async def watching(*answers):
    clock = VirtualClock()
    await trio.sleep(START)
    control = Control(clock, *answers)
    watch = BacklogWatch(control=control, endpoint="e", clock=clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.worker)
        yield watch, control
        nursery.cancel_scope.cancel()


def empty(*began_at):
    return [BacklogPoint(at, 60.0, 0.0) for at in began_at]


def test_it_is_asked_only_when_that_is_wanted_and_once_a_minute():
    async def main():
        async with watching() as (watch, control):
            await trio.sleep(1_000.0)
            assert control.asked == []
            for _ in range(100):
                watch.want(START)
                await trio.sleep(2.0)
            assert [until for _, _, until in control.asked] == [
                START + 1_000.0 + EVERY_S * turn for turn in range(4)
            ]

    run_virtual(main)


def test_the_first_question_reaches_back_a_night_and_later_ones_a_quarter_of_an_hour():
    async def main():
        async with watching() as (watch, control):
            watch.want(1.0)
            await trio.sleep(EVERY_S + 1.0)
            watch.want(START + 50.0)
            watch.want(1.0)
            await trio.sleep(EVERY_S + 1.0)
            asked = [(until - since) for _, since, until in control.asked]
            assert asked == [AT_FIRST_S, LATER_S]

    run_virtual(main)


def test_the_latest_empty_time_counts_and_an_older_answer_takes_nothing_back():
    async def main():
        async with watching(empty(60.0, 120.0, 180.0), empty(60.0, 120.0), []) as (watch, _):
            for _ in range(3):
                watch.want(START)
                await trio.sleep(EVERY_S + 1.0)
                assert watch.empty_from == 120.0

    run_virtual(main)


def test_a_clock_that_is_behind_does_not_make_a_row_older_than_it_is():
    """By it, a row was accepted before a period that was over when AWS took the row."""

    async def main():
        async with watching(empty(60.0, 120.0)) as (watch, _):
            watch.want(START)
            await trio.sleep(1.0)
            watch.compare_clocks(START + 41.0)  # S3 wrote that now, so AWS is 40 s ahead
            watch.compare_clocks(START - 500.0)
            assert watch.empty_from == 20.0

    run_virtual(main)


@pytest.mark.parametrize("error", [CallError(Phase.REPLY, "Throttling", status=400)])
def test_an_answer_that_does_not_come_is_asked_for_again(error):
    async def main():
        async with watching(error, empty(60.0, 120.0)) as (watch, _):
            watch.want(START)
            await trio.sleep(EVERY_S + 1.0)
            assert watch.empty_from is None
            watch.want(START)
            await trio.sleep(1.0)
            assert watch.empty_from == 60.0

    run_virtual(main)


def test_where_it_is_not_told_it_is_asked_for_once():
    async def main():
        async with watching(None) as (watch, control):
            for _ in range(5):
                watch.want(START)
                await trio.sleep(EVERY_S + 1.0)
            assert len(control.asked) == 1

    run_virtual(main)
