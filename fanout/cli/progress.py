"""Shows how a run goes: a live line on a terminal, a plain one every ten seconds elsewhere.

It reads snapshots, several times a second at most, and writes to stderr alone.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import anyio

from fanout.observability import logging as logs
from fanout.text import count

if TYPE_CHECKING:
    from rich.console import Console

    from fanout.engine.snapshot import Snapshot  # `status` says some of this, and loads nothing of the engine

_log = logging.getLogger(__name__)
PLAIN_EVERY_S = 10.0
LIVE_EVERY_S = 0.2
ECHO_COLUMNS = 4  # of the live line: a ^C^C that the terminal echoes at its end must not begin a new one
RATE_OVER_S = 5.0
LEFT_OVER_S = 60.0  # what a time left is reckoned from: in 5 s, a batch of results or none may come
LEFT_AFTER_S = 5.0  # before that, too little has been seen
PHASES = {
    "regaining": "rising again",
    "probing": "probing for more",
    "testing": "testing whether refusals follow the rate",
}
"""What pacing does to find the limit (`engine.throttling.Phase`), for a person."""


class PlainLines:
    """A line every ten seconds: for logs, pipes and schedulers."""

    def __init__(self, console: Console) -> None:
        self._console = console

    async def watch(self, look: Callable[[], Snapshot], *, now: Callable[[], float]) -> None:
        """Print a line every `PLAIN_EVERY_S` seconds."""

        def tell(line: str, _snapshot: Snapshot) -> None:
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)

        await _tell_regularly(tell, look, now=now)


class LogLines:
    """A log record every ten seconds: for machines that read stderr."""

    async def watch(self, look: Callable[[], Snapshot], *, now: Callable[[], float]) -> None:
        """Log every `PLAIN_EVERY_S` seconds."""

        def tell(line: str, snapshot: Snapshot) -> None:
            _log.info("%s", line, extra={"progress": figures(snapshot)})

        await _tell_regularly(tell, look, now=now)


async def _tell_regularly(
    tell: Callable[[str, Snapshot], None], look: Callable[[], Snapshot], *, now: Callable[[], float]
) -> None:
    speed = Speed()
    speed.add(now(), look().ended)
    while True:
        await anyio.sleep(PLAIN_EVERY_S)
        snapshot = look()
        speed.add(now(), snapshot.ended)
        tell(describe(snapshot, speed), snapshot)


class LiveLine:
    """One line that changes in place: for a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console

    async def watch(self, look: Callable[[], Snapshot], *, now: Callable[[], float]) -> None:
        """Redraw the line every `LIVE_EVERY_S` seconds."""
        from rich.live import Live
        from rich.text import Text

        speed = Speed()
        with (
            Live(console=self._console, auto_refresh=False, transient=True) as live,
            logs.above(self._print),
        ):
            while True:
                snapshot = look()
                speed.add(now(), snapshot.ended)
                line = Text(describe(snapshot, speed), no_wrap=True)
                line.truncate(max(self._console.width - ECHO_COLUMNS, 1), overflow="ellipsis")
                live.update(line, refresh=True)
                await anyio.sleep(LIVE_EVERY_S)

    def _print(self, line: str) -> None:
        """Print a line of the log above the live one."""
        from rich.text import Text

        self._console.print(Text(line), soft_wrap=True)


class Speed:
    """Rows a second: over the last few seconds to be shown, over a minute to reckon with."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()
        self._long: deque[tuple[float, int]] = deque()

    def add(self, now: float, ended: int) -> None:
        """Note how many rows had ended at `now`."""
        for points, over_s in ((self._points, RATE_OVER_S), (self._long, LEFT_OVER_S)):
            points.append((now, ended))
            while len(points) > 2 and points[1][0] <= now - over_s:
                points.popleft()

    @property
    def per_s(self) -> float:
        """Rows a second; 0 before there are two points in time."""
        return _slope(self._points)

    @property
    def steady_per_s(self) -> float | None:
        """Rows a second over the last minute, or since the beginning; None before enough was seen to tell."""
        if self._long[-1][0] - self._long[0][0] < LEFT_AFTER_S:
            return None
        return _slope(self._long)


def _slope(points: deque[tuple[float, int]]) -> float:
    (first_at, first), (last_at, last) = points[0], points[-1]
    return (last - first) / (last_at - first_at) if last_at > first_at else 0.0


def figures(snapshot: Snapshot) -> dict[str, Any]:
    """Return the snapshot as JSON values, without the pipeline's own statistics."""
    return asdict(replace(snapshot, statistics=None))


def describe(snapshot: Snapshot, speed: Speed) -> str:
    """Return one line: rows, rate, time left, what it waits for, what is under way, what went wrong."""
    parts = [_rows(snapshot), f"{speed.per_s:,.0f}/s"]
    left_s = _left_s(snapshot, speed.steady_per_s)
    if left_s is not None:  # early, since a narrow terminal cuts the end off
        parts.append(f"{about(left_s)} left")
    if snapshot.note:
        parts.append(snapshot.note)
    if snapshot.in_flight or snapshot.accepted:
        parts.append(f"{snapshot.in_flight:,} in flight, {snapshot.accepted:,} in the endpoint's queue")
    if snapshot.rate_limit_per_s is not None:
        pacer = snapshot.statistics.pacer if snapshot.statistics else None
        held_by, phase = (pacer.held_by, pacer.phase) if pacer else (None, None)
        parts.append(paced(snapshot.rate_limit_per_s, held_by, phase))
    failed = snapshot.ended - snapshot.succeeded
    for number, name in (
        (failed, "failed"),
        (snapshot.throttles, "throttled"),
        (snapshot.resends - snapshot.possible_resends, "sent again"),
        (snapshot.possible_resends, "may have been sent twice"),
    ):
        if number:
            parts.append(f"{number:,} {name}")
    return " · ".join(parts)


def _rows(snapshot: Snapshot) -> str:
    if snapshot.total is not None:
        percent = 100 * snapshot.ended / snapshot.total if snapshot.total else 100
        return f"{snapshot.ended:,} of {count(snapshot.total, 'row')} ({percent:.0f} %)"
    read = f" ({100 * snapshot.share:.0f} % of the input read)" if snapshot.share is not None else ""
    return f"{count(snapshot.ended, 'row')}{read}"


def paced(per_s: float, held_by: str | None, phase: str | None) -> str:
    """Return at which rate requests leave, why, and what is done to find the limit."""
    why = " by throttling" if held_by == "throttling" else ""
    return f"paced at {per_s:,.4g}/s{why}" + (f", {PHASES.get(phase, phase)}" if phase else "")


def _left_s(snapshot: Snapshot, per_s: float | None) -> float | None:
    """Return how long the rest takes at `per_s`, and at least as the configured rate lets it; None if nothing tells."""
    total = snapshot.total
    if total is None and snapshot.share and snapshot.read is not None:
        total = round(snapshot.read / snapshot.share)
    if total is None or not per_s:
        return None
    left = max(total - snapshot.ended, 0)
    statistics = snapshot.statistics
    configured = None if statistics is None else statistics.pacer.configured_per_s
    unsent = max(left - snapshot.in_flight - snapshot.accepted, 0)
    return max(left / per_s, unsent / configured if configured else 0.0)


def about(seconds: float) -> str:
    """Return a duration as exactly as an estimate deserves: `about 40 s`, `about 12 min`, `about 2 h 10 min`."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 55:
        return f"about {5 * round(seconds / 5)} s"
    minutes = max(round(seconds / 60), 1)
    if minutes < 60:
        return f"about {minutes} min"
    hours, minutes = divmod(10 * round(minutes / 10), 60)
    return f"about {hours} h {minutes} min" if minutes and hours < 10 else f"about {hours} h"
