"""Releases the experiment's records as `ports.Rows`: two of each payload, each when it is due and not before.

The schedule is fixed in advance, and every record carries its due time: whatever holds it up after that (a stalled
client, a full channel, a slow disk) makes it late, and its latency counts from when it was due: Gil Tene's cure for
coordinated omission.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pyarrow as pa

from fanout.analysis.pairs import PAIR, WARMUP
from fanout.bench.payloads import Payloads
from fanout.bench.plan import Plan, offsets, orders
from fanout.domain.records import Record, Rejected
from fanout.ports import Clock
from fanout.source.statistics import SourceStatistics


class Arrivals:
    """Releases the records when they are due.

    All that the engine knows of an experiment is `Record.due_at` and `Record.transport`.

    Args:
        plan: What is tried, and when.
        payloads: What is sent.
        clock: The run's clock.
        closed: No schedule: a request is due when an earlier one has ended and the engine's window lets it in.
    """

    def __init__(self, plan: Plan, payloads: Payloads, *, clock: Clock, closed: bool) -> None:
        self._plan = plan
        self._payloads = payloads
        self._clock = clock
        self._closed = closed
        self._ended = False
        self._rows = 0
        self.pairs = 0
        """Pairs let go, warm-up included."""
        self.passthrough_schema = pa.schema(
            [pa.field(PAIR, pa.int64()), pa.field(WARMUP, pa.bool_()), *payloads.passthrough_schema]
        )

    def end(self) -> None:
        """Let no further pair arrive."""
        self._ended = True

    def total_rows(self) -> int | None:
        """Return how many records there will be, None if only reading a dataset can tell."""
        pairs = self._payloads.total_pairs
        return None if pairs is None else 2 * pairs

    def statistics(self) -> SourceStatistics:
        """Return how many records were let go; there is no telling which share that is of what will be."""
        return SourceStatistics(self._rows, 0, 0, None, 0, files=0)

    async def chunks(self) -> AsyncGenerator[list[Record | Rejected], None]:
        """Yield each record alone, at its due time; its two requests are neighbours, in an order of their own."""
        start = self._clock.now()
        schedule, order = offsets(self._plan), orders(self._plan)
        row = 0
        async with aclosing(self._payloads.templates()) as templates:
            async for template, warm in templates:
                if self._ended:
                    return
                passthrough = (self.pairs, warm, *template.passthrough)
                self.pairs += 1
                for transport in next(order):
                    due_at = None if self._closed else start + next(schedule)
                    if due_at is not None:
                        await self._clock.sleep_until(due_at)
                    yield [
                        dataclasses.replace(
                            template, row=row, passthrough=passthrough, due_at=due_at, transport=transport
                        )
                    ]
                    row += 1
                    self._rows = row
