"""The endpoint's backlog as CloudWatch would tell it, minute by minute."""

from __future__ import annotations

from fanout.simulator.backlog import KEPT, BacklogHistory

START = 1_800_000_000.0  # a full minute


def mosts(history: BacklogHistory, *, until: float, since: float = START) -> list[tuple[float, float]]:
    return [(point.began_at - START, point.most) for point in history.points(since=since, until=until)]


def test_a_minute_tells_the_most_that_there_was_in_it():
    history = BacklogHistory()
    for at, size in ((0.0, 1), (10.0, 3), (50.0, 2), (70.0, 1), (130.0, 0)):
        history.note(START + at, size)
    assert mosts(history, until=START + 240.0) == [(0.0, 3.0), (60.0, 2.0), (120.0, 1.0), (180.0, 0.0)]


def test_only_minutes_that_lie_in_the_asked_time_are_told():
    history = BacklogHistory()
    history.note(START, 5)
    assert mosts(history, until=START + 119.0) == [(0.0, 5.0)]
    assert mosts(history, since=START + 1.0, until=START + 180.0) == [(60.0, 5.0), (120.0, 5.0)]


def test_what_is_kept_is_bounded():
    history = BacklogHistory()
    history.note(START, 1)
    points = history.points(since=START, until=START + 3 * KEPT * 60.0)
    assert len(points) == KEPT
    assert points[-1].began_at == START + (3 * KEPT - 1) * 60.0
