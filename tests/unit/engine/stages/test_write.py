"""The sink: outcomes become columns in batches, and only what is in a durable file is told to be durable."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import anyio
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.parts import EPOCH, KEPT, NOTHING_KEPT, outcome
from support.settings import part_limits

from fanout.concurrency.clock import SystemClock
from fanout.concurrency.threads import RunBlocking, run_in_thread
from fanout.domain.records import Outcome
from fanout.engine.stages.write import BATCH_BYTES, BATCH_ROWS, PartLimits, Write
from fanout.errors import StorageError
from fanout.output.parts import Part
from fanout.output.row_order import CorruptParts
from fanout.output.schema import LARGE_BYTES

COUNTS = pa.schema([pa.field("count", pa.int64())])
T = TypeVar("T")


class Told:
    """What a sink said was durable."""

    def __init__(self, *, failing: bool = False) -> None:
        self.parts: list[tuple[Part, list[int]]] = []
        self.failing = failing

    async def __call__(self, part: Part, rows: list[int]) -> None:
        if self.failing:
            raise StorageError("no journal")
        self.parts.append((part, rows))

    @property
    def rows(self) -> list[list[int]]:
        """The rows of each part as they were told; the file is compared with them."""
        for part, rows in self.parts:
            assert pq.read_table(part.path).column("row").to_pylist() == sorted(rows)
        return [rows for _, rows in self.parts]


def sink_of(
    directory: Path,
    told: Told,
    *,
    passthrough: pa.Schema = KEPT,
    limits: PartLimits | None = None,
    run_blocking: RunBlocking = run_in_thread,
) -> Write:
    limits = limits or part_limits(age_s=3600.0)
    return Write(
        directory=directory,
        passthrough_schema=passthrough,
        clock=SystemClock(),
        on_durable=told,
        limits=limits,
        run_blocking=run_blocking,
    )


def bare(row: int, *, response: bytes | None = None, passthrough: tuple[object, ...] = ()) -> Outcome:
    return Outcome(
        row=row, id=None, passthrough=passthrough, status="succeeded", response=response, due_at=EPOCH
    )


def add(sink: Write, rows: Iterable[int]) -> None:
    for row in rows:
        sink.add(outcome(row))


@pytest.mark.parametrize("rows", [1, BATCH_ROWS - 1, BATCH_ROWS, 2 * BATCH_ROWS + 1])
def test_a_part_holds_every_outcome_however_many_batches_it_took(tmp_path: Path, rows: int) -> None:
    told = Told()
    order = random.Random(rows).sample(range(rows), rows)

    async def run() -> None:
        sink = sink_of(tmp_path, told)
        add(sink, order)
        assert sink.statistics().buffered_rows == rows
        await sink.commit()
        assert sink.statistics().buffered_rows == 0

    anyio.run(run)
    assert told.rows == [order]
    table = pq.read_table(told.parts[0][0].path)
    assert table.column("response").to_pylist() == [outcome(row).response for row in range(rows)]


@pytest.mark.parametrize("more", [1, BATCH_ROWS + 1])
def test_what_comes_while_a_part_is_written_is_for_the_next(tmp_path: Path, more: int) -> None:
    told = Told()
    first, second = range(0, 2 * BATCH_ROWS, 2), range(1, 2 * more, 2)

    async def run() -> None:
        waiting = [second]

        async def run_blocking(call: Callable[[], T], /) -> T:
            while waiting:
                add(sink, waiting.pop())
            return await run_in_thread(call)

        sink = sink_of(tmp_path, told, run_blocking=run_blocking)
        add(sink, first)
        await sink.commit()
        assert sink.statistics().buffered_rows == more
        await sink.commit()

    anyio.run(run)
    assert told.rows == [list(first), list(second)]


@pytest.mark.parametrize("size_bytes", [BATCH_BYTES, BATCH_BYTES // 2])
@pytest.mark.parametrize("where", ["response", "kept"])
def test_large_outcomes_become_columns_before_there_are_many(
    tmp_path: Path, size_bytes: int, where: str
) -> None:
    async def run() -> None:
        passthrough = pa.schema([("k", pa.string())])
        sink = sink_of(tmp_path, Told(), passthrough=passthrough)
        gc.collect()  # what earlier tests left would be freed under way
        before = pa.total_allocated_bytes()
        large: dict[str, object] = (
            {"response": bytes(size_bytes)} if where == "response" else {"passthrough": ("x" * size_bytes,)}
        )
        few = BATCH_BYTES // size_bytes
        for row in range(few):
            assert pa.total_allocated_bytes() == before
            sink.add(bare(row, **large))  # type: ignore[arg-type]
        columns = pa.total_allocated_bytes()
        if where == "response" and size_bytes >= LARGE_BYTES:  # it becomes a column where it is
            assert 0 < columns - before < 10_000
        else:
            assert columns - before >= BATCH_BYTES
        sink.add(bare(few))
        assert pa.total_allocated_bytes() == columns

    anyio.run(run)


@pytest.mark.parametrize(
    ("passthrough", "value"),
    [
        (pa.string(), "x" * 1_000),
        (pa.list_(pa.float64()), [0.5] * 125),
        (pa.list_(pa.string()), ["x" * 500] * 2),
        (pa.struct([("b", pa.binary())]), {"b": b"x" * 1_000}),
        (pa.map_(pa.string(), pa.string()), [("k" * 500, "v" * 500)]),
    ],
    ids=str,
)
def test_kept_values_count_to_the_size_of_a_part(
    tmp_path: Path, passthrough: pa.DataType, value: object
) -> None:
    told = Told()

    async def run() -> None:
        limits = part_limits(size_bytes=10_000, age_s=3600.0)
        sink = sink_of(tmp_path, told, passthrough=pa.schema([("k", passthrough)]), limits=limits)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sink.worker)
            for row in range(10):
                assert not told.parts
                sink.add(bare(row, passthrough=(value,)))
            while not told.parts:
                await anyio.lowlevel.checkpoint()
            sink.close()

    anyio.run(run)
    assert told.rows == [list(range(10))]


@pytest.mark.parametrize("batches", [0, 1])
def test_outcomes_that_make_no_column_are_never_told_to_be_durable(tmp_path: Path, batches: int) -> None:
    told = Told()

    async def run() -> None:
        sink = sink_of(tmp_path, told, passthrough=COUNTS)
        for row in range(batches * BATCH_ROWS):
            sink.add(bare(row, passthrough=(row,)))
        sink.add(bare(10_000, passthrough=("no number",)))
        with pytest.raises(pa.ArrowInvalid):
            await sink.commit()
        await sink.flush()  # as the pipeline does once a stage has failed

    anyio.run(run)
    assert told.parts == []
    assert list(tmp_path.iterdir()) == []


def test_a_batch_that_makes_no_columns_ends_the_sink(tmp_path: Path) -> None:
    told = Told()

    async def run() -> None:
        sink = sink_of(tmp_path, told, passthrough=COUNTS)
        for row in range(BATCH_ROWS - 1):
            sink.add(bare(row, passthrough=(row,)))
        with pytest.raises(pa.ArrowInvalid):
            sink.add(bare(10_000, passthrough=("no number",)))
        await sink.flush()

    anyio.run(run)
    assert told.parts == []


async def full_disk(call: Callable[[], T], /) -> T:
    raise StorageError("the disk is full")


@pytest.mark.parametrize(
    ("told", "run_blocking"),
    [(Told(), full_disk), (Told(failing=True), run_in_thread)],
    ids=["disk", "journal"],
)
def test_a_part_that_failed_is_not_told_and_not_tried_again(
    tmp_path: Path, told: Told, run_blocking: RunBlocking
) -> None:
    async def run() -> None:
        sink = sink_of(tmp_path, told, run_blocking=run_blocking)
        add(sink, range(3))
        with pytest.raises(StorageError):
            await sink.commit()
        assert sink.parts == []
        add(sink, [3])
        await sink.flush()
        assert sink.parts == []

    anyio.run(run)
    assert told.parts == []


def test_a_cancelled_worker_tells_of_the_part_that_it_has_begun(tmp_path: Path) -> None:
    told = Told()

    async def run() -> None:
        async with anyio.create_task_group() as tasks:

            async def run_blocking(call: Callable[[], T], /) -> T:
                tasks.cancel_scope.cancel()
                return await run_in_thread(call)

            sink = sink_of(
                tmp_path, told, limits=part_limits(rows=3, age_s=3600.0), run_blocking=run_blocking
            )
            tasks.start_soon(sink.worker)
            add(sink, range(3))
        assert len(sink.parts) == 1

    anyio.run(run)
    assert told.rows == [[0, 1, 2]]


def test_rows_that_are_told_are_those_of_the_file(tmp_path: Path) -> None:
    told = Told()

    async def run() -> None:
        sink = sink_of(tmp_path, told)
        add(sink, range(3))
        sink._rows.append(3)  # what a bug would do
        with pytest.raises(CorruptParts, match="3 of 4 rows"):
            await sink.commit()

    anyio.run(run)
    assert told.parts == []
    assert list(tmp_path.iterdir()) == []


def test_closing_makes_one_part_of_what_is_left(tmp_path: Path) -> None:
    told = Told()

    async def run() -> None:
        sink = sink_of(tmp_path, told, passthrough=NOTHING_KEPT)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sink.worker)
            for row in range(BATCH_ROWS + 1):
                sink.add(bare(row))
            sink.close()
            await sink.finished.wait()

    anyio.run(run)
    assert told.rows == [list(range(BATCH_ROWS + 1))]


def test_it_tells_what_it_holds_until_that_is_written(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    async def run() -> None:
        async def run_blocking(call: Callable[[], T], /) -> T:
            seen.append((sink.held_bytes, sink.largest_bytes))
            sink.add(bare(2, response=b"more"))
            seen.append((sink.held_bytes, sink.largest_bytes))
            return await run_in_thread(call)

        sink = sink_of(tmp_path, Told(), run_blocking=run_blocking)
        for row, size in enumerate((100, 30)):
            sink.add(bare(row, response=bytes(size)))
        assert (sink.held_bytes, sink.largest_bytes) == (130, 100)
        await sink.commit()
        seen.append((sink.held_bytes, sink.largest_bytes))

    anyio.run(run)
    assert seen == [(130, 100), (134, 100), (4, 4)]


def test_what_is_waited_for_is_written_at_once(tmp_path: Path) -> None:
    told = Told()

    async def run() -> None:
        sink = sink_of(tmp_path, told)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sink.worker)
            sink.hurry()
            await anyio.wait_all_tasks_blocked()
            assert told.rows == [], "there is nothing to write"
            add(sink, range(3))
            sink.hurry()
            with anyio.fail_after(30):
                while sink.held_bytes:
                    await sink.freed.wait()
            sink.close()

    anyio.run(run)
    assert told.rows == [[0, 1, 2]]
