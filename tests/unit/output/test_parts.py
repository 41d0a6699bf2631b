from __future__ import annotations

import json
import os
import random
import stat
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.parts import KEPT, NOTHING_KEPT, bulky, file_size_limit, outcome, to_table, write_parts

from fanout.domain.records import Outcome
from fanout.errors import StorageError
from fanout.files import ensure_space
from fanout.output.json_types import Kind
from fanout.output.parquet import read_back
from fanout.output.parts import read_parts, write_part
from fanout.output.row_order import CorruptParts

COUNTED = pa.proxy_memory_pool(pa.default_memory_pool())
"""Here, as it must outlive what is allocated in it."""


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def small() -> pa.Table:
    return to_table([outcome(row) for row in (2, 4, 9)], KEPT)


def test_a_part_says_what_it_holds(tmp_path: Path) -> None:
    part = write_part(tmp_path / "parts", 7, small())
    assert part.path == tmp_path / "parts" / "part-00007.parquet"
    assert (part.number, part.rows, part.min_row, part.max_row) == (7, 3, 2, 9)
    assert part.size_bytes == part.path.stat().st_size
    assert part.kinds == {"score": {Kind.INT53}}
    assert pq.read_table(part.path).equals(small())


def test_rows_are_sorted_within(tmp_path: Path) -> None:
    shuffled = small().take(pa.array([2, 0, 1]))
    part = write_part(tmp_path, 0, shuffled)
    assert pq.read_table(part.path).column("row").to_pylist() == [2, 4, 9]


def test_only_the_owner_may_look(tmp_path: Path) -> None:
    part = write_part(tmp_path / "parts", 0, small())
    assert part.path.stat().st_mode & 0o777 == 0o600
    assert part.path.parent.stat().st_mode & 0o777 == 0o700


def test_read_parts_gives_what_write_part_gave(tmp_path: Path) -> None:
    written = write_parts(tmp_path, [[5, 6], [0, 9], [1, 2, 3]])
    (tmp_path / "part-00003.parquet.tmp").write_bytes(b"half a part")
    (tmp_path / "notes.txt").write_text("not a part")
    assert read_parts(tmp_path) == written


def test_a_damaged_footer_is_named(tmp_path: Path) -> None:
    part = write_parts(tmp_path, [[0]])[0]
    part.path.write_bytes(part.path.read_bytes()[:-20])
    with pytest.raises(StorageError, match=r"part-00000\.parquet cannot be read back: .*fanout resume"):
        read_parts(tmp_path)


def test_a_row_twice_in_one_part_is_refused(tmp_path: Path) -> None:
    twice = to_table([outcome(3), outcome(3)], KEPT)
    with pytest.raises(CorruptParts, match="twice in part 0"):
        write_part(tmp_path, 0, twice)
    assert names(tmp_path) == []


def test_a_number_used_twice_never_replaces_a_part(tmp_path: Path) -> None:
    part = write_part(tmp_path, 0, small())
    before = part.path.read_bytes()
    with pytest.raises(CorruptParts, match=r"part-00000\.parquet is there already"):
        write_part(tmp_path, 0, to_table([outcome(1)], KEPT))
    assert part.path.read_bytes() == before
    assert names(tmp_path) == ["part-00000.parquet"]


def test_a_draft_of_a_killed_run_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "part-00000.parquet.tmp").write_bytes(b"x" * 100_000)
    write_part(tmp_path, 0, small())
    assert names(tmp_path) == ["part-00000.parquet"]


def test_a_full_disk_leaves_no_part(tmp_path: Path) -> None:
    table = to_table([bulky(row, 100_000) for row in range(5)], NOTHING_KEPT)
    with file_size_limit(64 * 1024), pytest.raises(StorageError) as caught:
        write_part(tmp_path, 0, table)
    assert str(caught.value) == (
        f"cannot write {tmp_path}/part-00000.parquet.tmp: File too large; free space there, then `fanout resume`"
    )
    assert names(tmp_path) == []


def test_what_the_disk_did_not_keep_is_noticed_before_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that loses the end of a file and says nothing."""

    def lossy(handle: int) -> None:
        os.ftruncate(handle, os.fstat(handle).st_size - 10)

    monkeypatch.setattr("fanout.files.os.fsync", lossy)
    with pytest.raises(StorageError, match="cannot be read back"):
        write_part(tmp_path, 0, small())
    assert names(tmp_path) == []


def test_a_bit_that_flips_on_the_way_is_noticed_before_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flipping(handle: int) -> None:
        os.pwrite(handle, b"flip", 20_000)

    monkeypatch.setattr("fanout.files.os.fsync", flipping)
    table = to_table([bulky(0, 50_000)], NOTHING_KEPT)
    with pytest.raises(StorageError, match="a page does not match its CRC checksum"):
        write_part(tmp_path, 0, table)
    assert names(tmp_path) == []


def test_a_failed_fsync_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def failing(handle: int) -> None:
        nonlocal calls
        calls += 1
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("fanout.files.os.fsync", failing)
    with pytest.raises(StorageError, match=r"Input/output error; look at the disk .*, then `fanout resume`"):
        write_part(tmp_path, 0, small())
    assert calls == 1
    assert names(tmp_path) == []


def test_every_step_to_durability_is_taken_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    sync, link = os.fsync, os.link

    def spying_sync(handle: int) -> None:
        steps.append("fsync directory" if stat.S_ISDIR(os.fstat(handle).st_mode) else "fsync file")
        sync(handle)

    def spying_link(*args: Path, **options: bool) -> None:
        steps.append("name")
        link(*args, **options)

    def spying_read(path: Path) -> Iterator[pa.Array]:
        steps.append("verify")
        return read_back(path)

    monkeypatch.setattr("fanout.files.os.fsync", spying_sync)
    monkeypatch.setattr("fanout.files.os.link", spying_link)
    monkeypatch.setattr("fanout.output.parts.read_back", spying_read)
    write_part(tmp_path, 0, small())
    assert steps == ["fsync file", "verify", "name", "fsync directory"]


def test_every_page_carries_a_checksum(tmp_path: Path) -> None:
    """Bits flipped anywhere in the pages of a part are found, never read as data."""
    part = write_part(tmp_path, 0, to_table([bulky(row, 3000) for row in range(10)], NOTHING_KEPT))
    clean = part.path.read_bytes()
    for place in range(100, len(clean) - 20_000, len(clean) // 40):
        damaged = bytearray(clean)
        damaged[place] ^= 0x10
        part.path.write_bytes(damaged)
        with pytest.raises(StorageError):
            list(read_back(part.path))


def test_pages_and_row_groups_of_large_rows_are_small(tmp_path: Path) -> None:
    part = write_part(tmp_path, 0, to_table([bulky(row, 300_000) for row in range(40)], NOTHING_KEPT))
    footer = pq.read_metadata(part.path)
    sizes = [footer.row_group(group).total_byte_size for group in range(footer.num_row_groups)]
    assert len(sizes) == 4  # by halves: 12 MB, 6 MB, 3 MB
    assert max(sizes) < 4 << 20


def test_a_part_is_written_in_little_more_memory_than_its_rows_take(tmp_path: Path) -> None:
    """Kept texts and responses of 25 KB, in another order than their rows: neither is copied as a whole."""
    rows = [*range(200)]
    random.Random(1).shuffle(rows)
    text = json.dumps("x" * 25_000)
    outcomes = [replace(bulky(row, 25_000), passthrough=("", f'"{row}{text[1:]}')) for row in rows]
    pool, before = COUNTED, pa.default_memory_pool()
    pa.set_memory_pool(pool)
    try:
        tables = [to_table(outcomes[start : start + 20], KEPT) for start in range(0, len(rows), 20)]
        del outcomes
        held = pool.bytes_allocated()
        tracemalloc.start()
        part = write_part(tmp_path, 0, pa.concat_tables(tables))
        python = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        arrow = pool.max_memory() - held
    finally:
        pa.set_memory_pool(before)
    found = pq.read_table(part.path, columns=["row", "score"]).to_pydict()
    assert found["row"] == sorted(rows)
    assert [json.loads(score) for score in found["score"]] == [f"{row}{'x' * 25_000}" for row in range(200)]
    assert held > 200 * 50_000
    assert arrow < held / 2, "a row group's worth"
    assert python < held / 2


def test_one_row_larger_than_a_row_group_is_a_row_group(tmp_path: Path) -> None:
    part = write_part(tmp_path, 0, to_table([bulky(0, 6_000_000), bulky(1, 10)], NOTHING_KEPT))
    assert pq.read_metadata(part.path).num_row_groups == 2
    assert pq.read_table(part.path, columns=["response"]).column(0)[0].as_py() == bulky(0, 6_000_000).response


def test_kinds_are_kept_a_column(tmp_path: Path) -> None:
    texts = ("1", "null", '"a"', "1.5", "[1]", "true", str(2**60))
    outcomes: list[Outcome] = [outcome(row, score=text) for row, text in enumerate(texts)]
    part = write_part(tmp_path, 0, to_table(outcomes, KEPT))
    assert part.kinds == {"score": set(Kind)}
    assert read_parts(tmp_path)[0].kinds == part.kinds


def test_space_is_asked_for(tmp_path: Path) -> None:
    ensure_space(tmp_path, 1)
    with pytest.raises(
        StorageError, match=r"MB free and 1,000,000,000,000\.0 MB are needed: free space there"
    ):
        ensure_space(tmp_path, 10**18)
    with pytest.raises(StorageError, match="No such file or directory"):
        ensure_space(tmp_path / "missing", 1)
