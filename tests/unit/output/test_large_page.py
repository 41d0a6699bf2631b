"""Rows with large responses, through parts and merges, against what pyarrow and DuckDB read of the files."""

from __future__ import annotations

import importlib
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from support.parts import KEPT, RUN, file_size_limit, outcome, to_table

from fanout.domain.records import Outcome
from fanout.errors import StorageError
from fanout.output import large_page
from fanout.output.finish import finish
from fanout.output.large_page import LargeValues, set_aside, stored_page
from fanout.output.merge import merge, narrow
from fanout.output.parquet import open_file, read_back
from fanout.output.parts import Part, read_parts, write_part, write_sorted
from fanout.output.schema import VERSION_KEY, output_schema

LARGE = 1 << 20


@pytest.fixture(autouse=True)
def _large_is_a_megabyte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_page, "LARGE_BYTES", LARGE)


def large(row: int, size_bytes: int = LARGE) -> Outcome:
    """Return a row whose response is half noise, half zeros."""
    half = size_bytes // 2
    return replace(outcome(row), response=random.Random(row).randbytes(half) + bytes(size_bytes - half))


def rows(numbers: Sequence[int], *, every: int = 3) -> list[Outcome]:
    return [large(row) if row % every == 0 else outcome(row) for row in numbers]


def responses(path: Path) -> dict[int, bytes]:
    table = pq.ParquetFile(path, page_checksum_verification=True).read(columns=["row", "response"])
    return dict(zip(table["row"].to_pylist(), table["response"].to_pylist(), strict=True))


def written(directory: Path, outcomes: Sequence[Outcome], number: int = 0) -> Part:
    return write_part(directory, number, to_table(outcomes, KEPT))


def pages(path: Path) -> list[large_page.StoredPage]:
    with open_file(path) as file:
        found = (stored_page(file, path, group) for group in range(file.num_row_groups))
        return [page for page in found if page is not None]


def finished(parts: Sequence[Part], output: Path | str, count: int) -> None:
    finish(parts, output, run_id=RUN, passthrough_schema=KEPT, expected_rows=count)


def test_a_part_holds_large_responses_among_small_ones_in_row_order(tmp_path: Path) -> None:
    outcomes = rows(range(20))
    part = written(tmp_path, random.Random(1).sample(outcomes, 20))
    assert responses(part.path) == {each.row: each.response for each in outcomes}
    assert list(responses(part.path)) == list(range(20))
    assert len(pages(part.path)) == 7
    assert (part.rows, part.min_row, part.max_row) == (20, 0, 19)
    assert pq.read_table(part.path).drop("response").equals(to_table(outcomes, KEPT).drop("response"))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_output_has_every_response_of_every_part(tmp_path: Path, order: tuple[int, int]) -> None:
    outcomes = rows(range(24))
    for number, first in enumerate(order):
        written(tmp_path / "parts", outcomes[first::2], number)
    output = tmp_path / "out.parquet"
    finished(read_parts(tmp_path / "parts"), output, 24)
    expected = {each.row: each.response for each in outcomes}
    assert responses(output) == expected
    assert dict(duckdb.sql(f"select row, response from '{output}' order by row").fetchall()) == expected
    assert duckdb.sql(f"select row from '{output}' where octet_length(response) = {LARGE}").fetchall() == [
        (row,) for row in range(0, 24, 3)
    ]
    small = [each for each in outcomes if each.row % 3]
    kept = pq.read_table(output, filters=[("row", "in", [each.row for each in small])])
    assert kept["label"].to_pylist() == [each.passthrough[0] for each in small]


def test_a_page_is_merged_as_it_is(tmp_path: Path) -> None:
    part = written(tmp_path / "parts", [large(0), large(1)])
    finished([part], tmp_path / "out.parquet", 2)
    before, after = pages(part.path), pages(tmp_path / "out.parquet")
    assert [replace(page, path=part.path, page_at=0) for page in after] == [
        replace(page, page_at=0) for page in before
    ]


def test_parts_that_overlap_too_much_are_merged_in_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = rows(range(12))
    parts = [written(tmp_path / "parts", outcomes[first::4], first) for first in range(4)]
    monkeypatch.setitem(narrow.__kwdefaults__, "fan_in", 2)
    assert len(narrow(parts, tmp_path)) == 2
    finished(parts, tmp_path / "out.parquet", 12)
    assert responses(tmp_path / "out.parquet") == {each.row: each.response for each in outcomes}


def test_a_dataset_counts_large_responses_as_content_of_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.import_module("fanout.output.finish"), "_FILE_BYTES", 2 * LARGE)
    monkeypatch.setitem(merge.__kwdefaults__, "pool_bytes", LARGE)
    part = written(tmp_path / "parts", [large(row) for row in range(6)])
    finished([part], f"{tmp_path}/out/", 6)
    files = sorted((tmp_path / "out").glob("*.parquet"))
    assert [list(responses(file)) for file in files] == [[0, 1], [2, 3], [4, 5]]


def test_a_table_with_large_responses_is_as_large_as_they_are() -> None:
    table, found = set_aside(to_table([outcome(0), large(1, 3 * LARGE), large(2)], KEPT))
    assert found.size_bytes(table) == table.nbytes + 4 * LARGE
    assert table.nbytes < 2_000
    assert found.size_bytes(table.slice(2)) == table.slice(2).nbytes + LARGE


def test_what_merge_leaves_in_its_part_counts_in_the_pool(tmp_path: Path) -> None:
    part = written(tmp_path, [large(row) for row in range(4)])
    tables = [table.num_rows for table in merge([part], large=LargeValues(), pool_bytes=2 * LARGE)]
    assert tables == [2, 2]


def test_responses_below_the_limit_and_nulls_are_pyarrows(tmp_path: Path) -> None:
    outcomes = [large(0, LARGE - 1_000), large(1), replace(outcome(2), response=None)]
    part = written(tmp_path, outcomes)
    assert [page.plain_bytes for page in pages(part.path)] == [LARGE + 10]
    assert responses(part.path) == {each.row: each.response for each in outcomes}


def test_a_page_that_pyarrow_wrote_is_copied_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of an earlier version of fanout."""
    monkeypatch.setattr(large_page, "LARGE_BYTES", 1 << 40)
    part = written(tmp_path / "parts", [large(0, 5 * LARGE), outcome(1)])
    monkeypatch.setattr(large_page, "LARGE_BYTES", LARGE)
    [page] = pages(part.path)
    finished([part], tmp_path / "out.parquet", 2)
    assert replace(pages(tmp_path / "out.parquet")[0], path=page.path, page_at=page.page_at) == page
    assert responses(tmp_path / "out.parquet")[0] == large(0, 5 * LARGE).response


def test_a_part_of_the_first_schema_is_read_with_its_large_responses(tmp_path: Path) -> None:
    added = ["possible_attempts", "input_location", "ended_at"]
    table, found = set_aside(to_table([large(0), outcome(1)], KEPT))
    old = table.drop(added)
    metadata = {**table.schema.metadata, VERSION_KEY: b"1"}
    schema = pa.schema([field for field in output_schema(KEPT) if field.name not in added], metadata=metadata)
    part = write_sorted(
        tmp_path / "part-00000.parquet", [old.cast(schema)], number=0, schema=schema, large=found
    )
    [merged] = merge([part], large=(again := LargeValues()))
    assert merged.schema.names == table.schema.names
    assert merged["response"].to_pylist() == [None, outcome(1).response]
    assert list(again) == [0]


@pytest.mark.parametrize(
    ("columns", "options"),
    [
        ({"response": [b"x" * LARGE]}, {"compression": "gzip"}),
        ({"response": [b"x" * LARGE]}, {"compression": "zstd", "use_dictionary": ["response"]}),
        ({"response": [b"x" * LARGE, b"y"]}, {"compression": "zstd"}),
        ({"response": [b"y"], "label": [b"x" * LARGE]}, {"compression": "zstd"}),
        ({"label": [b"x" * LARGE]}, {"compression": "zstd"}),
        ({"response": [b"x" * LARGE]}, {"compression": "zstd", "write_page_checksum": False}),
        ({"response": [b"x" * LARGE]}, {"compression": "zstd", "data_page_version": "2.0"}),
    ],
)
def test_what_is_not_one_checked_page_of_one_response_is_left_to_pyarrow(
    tmp_path: Path, columns: dict[str, list[bytes]], options: dict[str, object]
) -> None:
    table = pa.table({name: pa.array(values, pa.large_binary()) for name, values in columns.items()})
    defaults = {"use_dictionary": False, "write_page_checksum": True}
    pq.write_table(table, tmp_path / "file.parquet", **(defaults | options))
    assert pages(tmp_path / "file.parquet") == []


def test_a_page_is_found_whose_bytes_are_all_as_pyarrow_writes_them(tmp_path: Path) -> None:
    part = written(tmp_path, [large(0)])
    [page] = pages(part.path)
    value = large(0).response
    assert value is not None
    plain = b"\x02\0\0\0\x02\x01" + len(value).to_bytes(4, "little") + value
    content = part.path.read_bytes()[page.page_at + len(page.header) :][: page.packed_bytes]
    assert zstandard.ZstdDecompressor().decompress(content) == plain
    assert zstandard.frame_content_size(content) == len(plain)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_bit_that_flips_in_a_page_is_noticed_by_who_reads_it(tmp_path: Path, share: float) -> None:
    part = written(tmp_path / "parts", [outcome(0), large(1)])
    [page] = pages(part.path)
    flip(part.path, page.page_at + len(page.header) + int(share * page.packed_bytes))
    with pytest.raises(
        StorageError, match=r"part-00000\.parquet cannot be read back: a page (does not match its CRC|cannot)"
    ):
        list(read_back(part.path))
    with pytest.raises(
        StorageError, match=r"part-00000\.parquet cannot be read back: a page does not match its CRC"
    ):
        finished([part], tmp_path / "out.parquet", 2)
    assert not (tmp_path / "out.parquet").exists()


def test_a_damaged_header_of_a_page_is_noticed_or_changes_nothing(tmp_path: Path) -> None:
    part = written(tmp_path / "parts", [large(0)])
    [page] = pages(part.path)
    harmless = []
    for place in range(len(page.header)):
        flip(part.path, page.page_at + place)
        with suppress(StorageError):
            # Whoever reads back counts the rows: pyarrow gives none where it finds no page.
            if sum(map(len, read_back(part.path))):
                assert responses(part.path)[0] == large(0).response
                harmless.append(place)
        flip(part.path, page.page_at + place)
    assert len(harmless) < 4, "encodings of levels, which a reader of a flat column may ignore"
    assert [len(found) for found in read_back(part.path)] == [1]


def test_a_page_that_decompresses_to_another_size_is_damaged(tmp_path: Path) -> None:
    part = written(tmp_path, [large(0)])
    [page] = pages(part.path)
    page.verify()
    with pytest.raises(StorageError, match="a page has another size than its header says"):
        replace(page, plain_bytes=page.plain_bytes - 1).verify()


def test_a_page_that_ends_early_is_damaged(tmp_path: Path) -> None:
    part = written(tmp_path, [large(0)])
    [page] = pages(part.path)
    os.truncate(part.path, page.page_at + page.packed_bytes // 2)
    for reading in (page.verify, lambda: page.write(BytesIO())):
        with pytest.raises(StorageError, match="it ends before its data does"):
            reading()


@pytest.mark.parametrize("limit_bytes", [LARGE // 4, 2 * LARGE])
def test_a_full_disk_in_the_middle_of_a_page_leaves_no_part(tmp_path: Path, limit_bytes: int) -> None:
    table = to_table([large(row, 2 * LARGE) for row in range(4)], KEPT)
    with file_size_limit(limit_bytes), pytest.raises(StorageError, match=r"cannot write .*: File too large"):
        write_part(tmp_path, 0, table)
    assert list(tmp_path.iterdir()) == []


def test_a_value_that_does_not_compress_is_a_page_all_the_same(tmp_path: Path) -> None:
    noise = random.Random(3).randbytes(3 * LARGE + 1)
    part = written(tmp_path, [replace(outcome(0), response=noise)])
    assert responses(part.path) == {0: noise}


def test_a_value_is_taken_where_it_is_in_its_buffer() -> None:
    """Chunks that share a buffer, as slices of one array do."""
    table = to_table([large(0), large(1), large(2)], KEPT)
    together = table.column("response").combine_chunks()
    shared = pa.chunked_array([together.slice(row, 1) for row in range(3)])
    table = table.set_column(table.schema.get_field_index("response"), "response", shared)
    for row, value in set_aside(table.slice(1, 2))[1].items():
        out = BytesIO()
        page = value.write(out)
        packed = out.getvalue()[page.page_at :][-(page.packed_bytes - (page.plain_bytes - LARGE - 10)) :]
        assert zstandard.ZstdDecompressor().decompress(packed)[10:] == large(row).response


def flip(path: Path, place: int) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 0x10]))


MEASURED = """
import io, os, resource, sys
from pathlib import Path
import pyarrow as pa
from fanout.domain.records import Outcome
from fanout.output import finish, read_parts, write_part
from fanout.output.schema import derive, gather

directory, size, mode = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
nothing = pa.schema([])

def table():
    out = io.BytesIO()
    for _ in range(0, size, 1 << 20):
        out.write(os.urandom(1 << 19) + bytes(1 << 19))
    large = Outcome(row=0, id=None, passthrough=(), status="succeeded", response=out.getvalue())
    small = [Outcome(row=row, id=None, passthrough=(), status="succeeded", response=b"r") for row in range(2_000)]
    return derive(gather([*small[:0:-1], large], nothing), nothing)

def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) * 1024

first = Outcome(row=0, id=None, passthrough=(), status="failed")
write_part(directory / mode, 0, derive(gather([first], nothing), nothing))  # what the process takes anyway
if mode == "part":
    before = peak()
    write_part(directory / "parts", 0, table())
else:
    parts = read_parts(directory / "parts")
    finish([], directory / "none", run_id="abcdefghij", passthrough_schema=nothing, expected_rows=0)
    before = peak()
    finish(parts, directory / "out", run_id="abcdefghij", passthrough_schema=nothing, expected_rows=2_000)
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is Linux's")
def test_a_large_response_is_in_memory_once_in_its_part_and_not_at_all_in_the_merge(tmp_path: Path) -> None:
    """64 MB here; by hand, 1 GB took 988 MB and 40 MB beside what the process takes anyway."""
    size_bytes = 64 << 20
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    peaks = {}
    for mode in ("part", "merge"):
        command = [sys.executable, "-c", MEASURED, str(tmp_path), str(size_bytes), mode]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        peaks[mode] = int(done.stdout)
    assert size_bytes < peaks["part"] < 1.3 * size_bytes
    assert peaks["merge"] < 0.3 * size_bytes
    assert pq.read_metadata(tmp_path / "out").num_rows == 2_000
