"""The sink: outcomes become columns in steps, and only what is in a durable file is told to be durable."""

from __future__ import annotations

import random
from pathlib import Path

import anyio
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.parts import EPOCH, KEPT, outcome

from fanout.clock import SystemClock
from fanout.output.parts import Part
from fanout.records import Outcome
from fanout.sink import STEP_BYTES, STEP_ROWS, PartLimits, Sink

COUNTS = pa.schema([pa.field("count", pa.int64())])


class Told:
    """What a sink said was durable."""

    def __init__(self) -> None:
        self.parts: list[tuple[Part, list[int]]] = []

    async def __call__(self, part: Part, rows: list[int]) -> None:
        self.parts.append((part, rows))


def sink_of(directory: Path, told: Told, *, kept: pa.Schema = KEPT, rows: int = 5_000) -> Sink:
    limits = PartLimits(rows=rows, age_s=3600.0)
    return Sink(directory=directory, kept_schema=kept, clock=SystemClock(), on_durable=told, limits=limits)


@pytest.mark.parametrize("rows", [1, STEP_ROWS - 1, STEP_ROWS, 2 * STEP_ROWS + 1])
def test_a_part_holds_every_outcome_however_many_steps_it_took(tmp_path: Path, rows: int) -> None:
    told = Told()
    order = random.Random(rows).sample(range(rows), rows)

    async def run() -> None:
        sink = sink_of(tmp_path, told)
        for row in order:
            sink.add(outcome(row))
        assert sink.statistics().buffered_rows == rows
        await sink.commit()
        assert sink.statistics().buffered_rows == 0

    anyio.run(run)
    [(part, durable)] = told.parts
    table = pq.read_table(part.path)
    assert durable == order
    assert table.column("row").to_pylist() == list(range(rows))
    assert table.column("response").to_pylist() == [outcome(row).response for row in range(rows)]


def test_large_responses_become_columns_before_there_are_many(tmp_path: Path) -> None:
    async def run() -> None:
        sink = sink_of(tmp_path, Told(), kept=pa.schema([]))
        one = Outcome(row=0, id=None, kept=(), status="succeeded", response=bytes(STEP_BYTES))
        before = pa.total_allocated_bytes()
        sink.add(one)
        assert pa.total_allocated_bytes() - before >= STEP_BYTES

    anyio.run(run)


def test_outcomes_that_make_no_column_are_never_told_to_be_durable(tmp_path: Path) -> None:
    told = Told()

    async def run() -> None:
        sink = sink_of(tmp_path, told, kept=COUNTS)
        for row in range(STEP_ROWS - 1):
            sink.add(Outcome(row=row, id=None, kept=(row,), status="succeeded", due_at=EPOCH))
        with pytest.raises(pa.ArrowInvalid):
            sink.add(Outcome(row=STEP_ROWS, id=None, kept=("no number",), status="succeeded"))
        await sink.flush()  # as the pipeline does once a stage has failed

    anyio.run(run)
    assert told.parts == []
    assert list(tmp_path.iterdir()) == []


def test_closing_makes_one_part_of_what_is_left(tmp_path: Path) -> None:
    told = Told()

    async def run() -> None:
        sink = sink_of(tmp_path, told, rows=STEP_ROWS)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sink.worker)
            for row in range(STEP_ROWS):
                sink.add(outcome(row))
            sink.add(outcome(STEP_ROWS))
            sink.close()
            await sink.finished.wait()

    anyio.run(run)
    assert [row for _, rows in told.parts for row in rows] == list(range(STEP_ROWS + 1))
    assert sum(part.rows for part, _ in told.parts) == STEP_ROWS + 1
