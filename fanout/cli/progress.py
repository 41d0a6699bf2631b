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

from fanout.engine.snapshot import Snapshot
from fanout.observability import logging as logs
from fanout.text import count

if TYPE_CHECKING:
    from rich.console import Console

_log = logging.getLogger(__name__)
PLAIN_EVERY_S = 10.0
LIVE_EVERY_S = 0.2
ECHO_COLUMNS = 4  # of the live line: a ^C^C that the terminal echoes at its end must not begin a new one
RATE_OVER_S = 5.0


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
        tell(describe(snapshot, speed.per_s), snapshot)


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
                line = Text(describe(snapshot, speed.per_s), no_wrap=True)
                line.truncate(max(self._console.width - ECHO_COLUMNS, 1), overflow="ellipsis")
                live.update(line, refresh=True)
                await anyio.sleep(LIVE_EVERY_S)

    def _print(self, line: str) -> None:
        """Print a line of the log above the live one."""
        from rich.text import Text

        self._console.print(Text(line), soft_wrap=True)


class Speed:
    """Rows a second over the last few seconds."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()

    def add(self, now: float, ended: int) -> None:
        """Note how many rows had ended at `now`."""
        self._points.append((now, ended))
        while len(self._points) > 2 and self._points[1][0] <= now - RATE_OVER_S:
            self._points.popleft()

    @property
    def per_s(self) -> float:
        """Rows a second; 0 before there are two points in time."""
        (first_at, first), (last_at, last) = self._points[0], self._points[-1]
        return (last - first) / (last_at - first_at) if last_at > first_at else 0.0


def figures(snapshot: Snapshot) -> dict[str, Any]:
    """Return the snapshot as JSON values, without the pipeline's own statistics."""
    return asdict(replace(snapshot, statistics=None))


def describe(snapshot: Snapshot, per_s: float) -> str:
    """Return one line: rows, rate, time left, what it waits for, what is under way, what went wrong."""
    parts = [_rows(snapshot), f"{per_s:,.0f}/s"]
    left_s = _left_s(snapshot, per_s)
    if left_s is not None:  # early, since a narrow terminal cuts the end off
        parts.append(f"{_clock(left_s)} left")
    if snapshot.note:
        parts.append(snapshot.note)
    if snapshot.in_flight or snapshot.accepted:
        parts.append(f"{snapshot.in_flight:,} in flight, {snapshot.accepted:,} in the endpoint's queue")
    if snapshot.rate_limit_per_s is not None:
        held_by = snapshot.statistics.pacer.held_by if snapshot.statistics else None
        why = " by throttling" if held_by == "throttling" else ""
        parts.append(f"paced at {snapshot.rate_limit_per_s:,.4g}/s{why}")
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


def _left_s(snapshot: Snapshot, per_s: float) -> float | None:
    total = snapshot.total
    if total is None and snapshot.share and snapshot.read is not None:
        total = round(snapshot.read / snapshot.share)
    if total is None or per_s <= 0:
        return None
    return max(total - snapshot.ended, 0) / per_s


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
