"""Makes snapshots of where a run stands, and defines the observers that look at them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import anyio

from fanout.domain.tally import Tally
from fanout.engine.pipeline import Pipeline
from fanout.engine.statistics import PipelineStatistics
from fanout.source.statistics import SourceStatistics


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where a run stands.

    Attributes:
        ended: Rows with an outcome.
        total: Rows in all, None while that is not known.
        share: Share of the input that was read, 0..1; None when it is not known.
        in_flight: Requests without a reply.
        accepted: Rows that wait for the model.
        rate_limit_per_s: Pacing rate in force.
        note: What the run is waiting for, if it is not the model.
        read: Rows read, which are more than those sent; None if that is not counted.
        resends: Requests that left while an earlier one might have been accepted.
        possible_resends: Those of them before which no request certainly left.
        statistics: Every figure of the pipeline itself.
    """

    ended: int
    succeeded: int
    total: int | None
    share: float | None
    in_flight: int
    accepted: int
    throttles: int
    resends: int
    rate_limit_per_s: float | None
    note: str = ""
    read: int | None = None
    statistics: PipelineStatistics | None = None
    possible_resends: int = 0


class Progress(Protocol):
    """Tells how far the reading of an input has come."""

    def total_rows(self) -> int | None:
        """Return how many rows there will be, None as long as that is not known."""
        ...

    def statistics(self) -> SourceStatistics:
        """Return how far the reading has come."""
        ...


def snapshot(
    pipeline: Pipeline, source: Progress, tally: Tally, *, wanted: Callable[[int | None], int | None]
) -> Snapshot:
    """Return where the run stands, for a person; `wanted` returns how many of the first rows of the input are sent."""
    statistics, read = pipeline.statistics(), source.statistics()
    open_rows = statistics.open_rows
    return Snapshot(
        ended=tally.rows,
        succeeded=tally.by_status["succeeded"],
        total=wanted(source.total_rows()),
        share=read.share,
        in_flight=open_rows.in_flight,
        accepted=open_rows.accepted,
        throttles=statistics.pacer.throttles,
        resends=open_rows.resends,
        rate_limit_per_s=statistics.pacer.rate_per_s,
        note=f"{open_rows.unknown:,} uncertain" if open_rows.unknown else "",
        read=wanted(read.rows),
        statistics=statistics,
        possible_resends=open_rows.possible_resends,
    )


class Observer(Protocol):
    """Watches a run."""

    async def watch(self, look: Callable[[], Snapshot], *, now: Callable[[], float]) -> None:
        """Look again and again, until cancelled."""
        ...


class Quiet:
    """Shows nothing."""

    async def watch(self, look: Callable[[], Snapshot], *, now: Callable[[], float]) -> None:  # noqa: ARG002 - Observer's
        """Do nothing, for ever."""
        await anyio.sleep_forever()
