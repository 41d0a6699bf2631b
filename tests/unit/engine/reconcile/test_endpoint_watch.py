"""When the endpoint is asked after: while results are overdue, rarely, and not while they come."""

from __future__ import annotations

import pytest
import trio
from support.virtual import VirtualClock, run_virtual

from fanout.domain.output_paths import OutputPaths
from fanout.domain.records import Inline, Options, Outcome, Record, Reply
from fanout.engine.open_rows import OpenRows
from fanout.engine.reconcile.endpoint_watch import (
    LEAST_S,
    MOST_S,
    MOST_SPACING_S,
    SPACING_S,
    TIMES,
    EndpointWatch,
    next_question,
)
from fanout.engine.reconcile.service_times import ServiceTimes
from fanout.errors import RunError

NOW = 10_000.0


def asked_next(**changes):
    standard = {
        "started_at": 0.0, "oldest_wait": 9_000.0, "last_result_at": 9_990.0, "slowest_s": 20.0, "asked_at": None,
        "asked": 0,
    }  # fmt: skip
    return next_question(NOW, **standard | changes)


@pytest.mark.parametrize(
    ("slowest_s", "overdue_s"), [(0.1, LEAST_S), (20.0, TIMES * 20.0), (2_000.0, MOST_S), (None, MOST_S)]
)
def test_results_are_overdue_by_what_was_seen_so_far(slowest_s, overdue_s):
    assert asked_next(slowest_s=slowest_s) == 9_990.0 + overdue_s


def test_while_no_row_waits_nothing_is_overdue():
    assert asked_next(oldest_wait=None) == NOW + LEAST_S


@pytest.mark.parametrize(
    ("changes", "silent_since"),
    [
        ({"oldest_wait": 9_995.0}, 9_995.0),  # the results before it are of rows that are gone
        ({"last_result_at": None}, 9_000.0),
        ({"last_result_at": None, "started_at": 9_980.0}, 9_980.0),  # a resume has just asked
    ],
)
def test_silence_counts_from_the_last_result_or_from_when_there_was_something_to_wait_for(
    changes, silent_since
):
    assert asked_next(**changes) == silent_since + TIMES * 20.0


@pytest.mark.parametrize(
    ("asked", "spacing_s"),
    [(1, SPACING_S), (2, 2 * SPACING_S), (4, 8 * SPACING_S), (5, MOST_SPACING_S), (10_000, MOST_SPACING_S)],
)  # fmt: skip
def test_questions_are_spaced_out_the_more_of_them_found_nothing(asked, spacing_s):
    assert asked_next(last_result_at=9_000.0, asked_at=9_999.0, asked=asked) == 9_999.0 + spacing_s


class Scene:
    """One accepted row on virtual time, and who watches the endpoint."""

    def __init__(self):
        self.clock = VirtualClock()
        self.rows = OpenRows(
            "abcdefghij", outputs=OutputPaths("abcdefghij"), failures=OutputPaths("abcdefghij")
        )
        self.seen = ServiceTimes(started_at=0.0)
        self.asked: list[float] = []
        self.gone_at = float("inf")
        self.watch = EndpointWatch(rows=self.rows, service_times=self.seen, look=self.look, clock=self.clock)
        row = self.rows.admit(Record(0, None, b"x", Options()), Inline(Options(), b"x"))
        self.rows.attempt(row)
        self.rows.intend(row)
        self.rows.send(row, due=0.0, now=0.0)
        self.rows.accept(row, Reply("i", "s3://b/k", None), now=0.0)

    async def look(self):
        self.asked.append(self.clock.now())
        if self.clock.now() >= self.gone_at:
            raise RunError("gone")

    def result(self, accepted_at, fetched_at):
        self.seen.add(
            Outcome(
                row=1,
                id=None,
                passthrough=(),
                status="succeeded",
                accepted_at=accepted_at,
                fetched_at=fetched_at,
            )
        )

    async def watched_for(self, seconds):
        with trio.move_on_after(seconds):
            await self.watch.worker()


def test_an_endpoint_that_goes_after_it_accepted_ends_the_run():
    async def main():
        scene = Scene()
        scene.gone_at = 1.0
        scene.result(0.0, 0.5)
        with pytest.raises(RunError, match="gone"):
            await scene.watched_for(1_000.0)
        assert scene.asked == [0.5 + LEAST_S]

    run_virtual(main)


def test_it_is_not_asked_after_while_results_come():
    async def main():
        scene = Scene()
        for second in range(600):
            scene.result(float(second), second + 0.5)
            await scene.watched_for(1.0)
        assert scene.asked == []
        await scene.watched_for(LEAST_S + 1.0)
        assert len(scene.asked) == 1

    run_virtual(main)


def test_a_slow_or_cold_endpoint_costs_few_questions_and_a_result_begins_anew():
    async def main():
        scene = Scene()
        await scene.watched_for(6 * 3_600.0)
        assert scene.asked[:5] == [300.0, 360.0, 480.0, 720.0, 1_200.0]
        gaps = [after - before for before, after in zip(scene.asked, scene.asked[1:], strict=False)]
        assert min(gaps) >= SPACING_S
        assert len(scene.asked) < 45
        asked = len(scene.asked)
        now = scene.clock.now()
        scene.result(now - 1.0, now)
        await scene.watched_for(LEAST_S + SPACING_S + 1.0)
        assert [at - now for at in scene.asked[asked:]] == [LEAST_S, LEAST_S + SPACING_S]

    run_virtual(main)
