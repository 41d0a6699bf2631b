from __future__ import annotations

import gc
import os
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.parts import NOTHING_KEPT, bulky, to_table, write_parts

from fanout.errors import StorageError
from fanout.output import merge as merging
from fanout.output.merge import FAN_IN, merge, narrow, overlap
from fanout.output.merge_cursor import Cursor
from fanout.output.parts import Part, write_part


def part(first: int, last: int) -> Part:
    return Part(Path(f"{first}-{last}"), 0, 2, first, last, 0)


def rows_of(parts: list[Part], **pool: int) -> list[list[int]]:
    return [table.column("row").to_pylist() for table in merge(parts, **pool)]


def write_stragglers(directory: Path, *, count: int, width: int, size_bytes: int) -> list[Part]:
    """Write parts that each hold one of the first `count` rows and then `width - 1` rows of their own."""
    parts = []
    for number in range(count):
        own = range(count + number * (width - 1), count + (number + 1) * (width - 1))
        outcomes = [bulky(row, size_bytes) for row in (number, *own)]
        parts.append(write_part(directory, number, to_table(outcomes, NOTHING_KEPT)))
    return parts


@pytest.mark.parametrize(
    ("spans", "depth"),
    [
        ([], 0),
        ([(0, 9), (10, 19), (20, 29)], 1),
        ([(0, 10), (10, 20)], 2),
        ([(0, 100), (5, 200), (6, 7), (8, 9)], 3),
        ([(row, 1000 + row) for row in range(300)], 300),
    ],
)
def test_overlap_is_the_number_of_parts_open_at_once(spans: list[tuple[int, int]], depth: int) -> None:
    assert overlap([part(*span) for span in spans]) == depth


def test_rows_come_out_in_order_whatever_part_they_are_in(tmp_path: Path) -> None:
    parts = write_parts(tmp_path, [[3, 4, 9], [0, 8], [1, 2, 5, 6, 7]])
    assert rows_of(parts) == [list(range(10))]


def test_tables_are_as_small_as_asked(tmp_path: Path) -> None:
    parts = write_parts(tmp_path, [range(0, 3000, 2), range(1, 3000, 2)])
    tables = rows_of(parts, pool_rows=1024)
    assert [row for rows in tables for row in rows] == list(range(3000))
    assert max(map(len, tables)) <= 1024 + 512  # what was asked for, and a batch

    parts = write_stragglers(tmp_path / "large", count=3, width=20, size_bytes=100_000)
    sizes = [table.nbytes for table in merge(parts, pool_bytes=1_000_000)]
    assert len(sizes) > 4
    assert max(sizes) < 1_000_000 + (256 << 10)


def test_parts_are_opened_when_their_first_row_is_due_and_closed_at_their_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = write_parts(tmp_path, [range(start, start + 10) for start in range(0, 400, 10)])
    opened, most = 0, 0

    class Watched(Cursor):
        def load(self) -> pa.RecordBatch:
            nonlocal opened, most
            opened += self._file is None
            most = max(most, opened)
            batch = super().load()
            opened -= self.next_row is None
            return batch

    monkeypatch.setattr(merging, "Cursor", Watched)
    assert list(chain(*rows_of(parts))) == list(range(400))
    assert (opened, most) == (0, 1)


def test_a_part_that_is_through_leaves_no_reader_behind(tmp_path: Path) -> None:
    parts = write_parts(tmp_path, [range(start, start + 10) for start in range(0, 400, 10)])
    gc.collect()
    before = readers()
    left = [readers() - before for _ in merge(parts, pool_rows=1)]
    assert len(left) > 30
    assert max(left) <= 1


def readers() -> int:
    """Count the Parquet readers that are alive: each holds a footer, a third of a megabyte of our parts."""
    return sum(isinstance(found, pq.ParquetFile) for found in gc.get_objects())


def test_many_overlapping_parts_are_merged_in_steps(tmp_path: Path) -> None:
    parts = write_parts(tmp_path / "parts", [range(start, 60, 12) for start in range(12)])
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    narrowed = narrow(parts, workspace, fan_in=3)
    assert overlap(narrowed) <= 3
    # 12 parts become 4, and 4 become 2: the one that had no company stays, the three it came with are gone.
    assert [(some.min_row, some.rows) for some in narrowed] == [(0, 45), (9, 15)]
    assert sorted(path.name for path in workspace.iterdir()) == ["merged-0-3.parquet", "merged-1-0.parquet"]
    assert len(list((tmp_path / "parts").iterdir())) == 12
    assert list(chain(*rows_of(narrowed))) == list(range(60))


def test_few_parts_are_left_alone(tmp_path: Path) -> None:
    parts = write_parts(tmp_path, [[0, 3], [1, 2]])
    assert narrow(parts, tmp_path / "never made") == parts


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    parts = write_parts(tmp_path, [[0], [1]])
    content = bytearray(parts[1].path.read_bytes())
    content[100:1000] = bytes(900)
    parts[1].path.write_bytes(content)
    with pytest.raises(StorageError, match=r"part-00001\.parquet cannot be read back"):
        rows_of(parts)


BOUND_BYTES = 50_000_000
"""What pyarrow's pool may hold. Were all 160 parts open at once it would hold 53 MB, and gathered whole 338 MB."""

MEASURED_FINISH = """
import sys
from pathlib import Path
import pyarrow as pa
from fanout.output import finish, read_parts

directory, rows = Path(sys.argv[1]), int(sys.argv[2])
parts = read_parts(directory / "parts")
finish(parts, directory / "out.parquet", run_id="abcdefghij", passthrough_schema=pa.schema([]), expected_rows=rows)
print(pa.default_memory_pool().max_memory())
"""


@pytest.mark.parametrize(
    ("count", "width", "size_bytes"),
    [
        # A straggler in every part: all of them overlap.
        pytest.param(160, 7, 100_000, marks=pytest.mark.campaign),
        (FAN_IN, 2, 4_000_000),  # a pyarrow reader holds its pages; so many of four megabytes would not fit
    ],
)
def test_memory_is_bounded_however_many_parts_hold_a_straggler(
    tmp_path: Path, count: int, width: int, size_bytes: int
) -> None:
    parts = write_stragglers(tmp_path / "parts", count=count, width=width, size_bytes=size_bytes)
    assert overlap(parts) == count
    assert count * width * size_bytes > 2 * BOUND_BYTES
    # A process of its own: the pool's peak counts everything since the start.
    command = [sys.executable, "-c", MEASURED_FINISH, str(tmp_path), str(count * width)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert 8e6 < int(done.stdout) < BOUND_BYTES
    assert pq.read_metadata(tmp_path / "out.parquet").num_rows == count * width


def test_a_large_row_is_in_memory_four_times_at_most(tmp_path: Path) -> None:
    """As it was read, as pyarrow encodes it, as a page, and compressed: nothing keeps the first row, nor the last."""
    size_bytes, rows = 16_000_000, 4
    for row in range(rows):
        write_part(tmp_path / "parts", row, to_table([bulky(row, size_bytes)], NOTHING_KEPT))
    command = [sys.executable, "-c", MEASURED_FINISH, str(tmp_path), str(rows)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert 2 * size_bytes < int(done.stdout) < 4.2 * size_bytes
