from __future__ import annotations

import importlib
import os
import shutil
import stat
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.parts import KEPT, NOTHING_KEPT, RUN, bulky, file_size_limit, outcome, to_table, write_parts

from fanout.errors import StorageError, UsageError
from fanout.output.destination import Target, place
from fanout.output.finish import OutputFile, finish
from fanout.output.merge import merge
from fanout.output.parquet import read_back
from fanout.output.parts import Part, write_part
from fanout.output.row_order import CorruptParts
from fanout.output.schema import output_schema

finishing = importlib.import_module("fanout.output.finish")  # the name is its function's in the package
SPLIT = ([3, 4, 9], [0, 8], [1, 2, 5, 6, 7])


@pytest.fixture
def parts(tmp_path: Path) -> list[Part]:
    return write_parts(tmp_path / "parts", SPLIT)


def finish_ten(parts: list[Part], output: str | Path, **options: object) -> OutputFile:
    return finish(
        parts, output, **({"run_id": RUN, "passthrough_schema": KEPT, "expected_rows": 10} | options)
    )


def beside(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.iterdir() if path.name != "parts")


def test_the_output_holds_every_row_in_order(tmp_path: Path, parts: list[Part]) -> None:
    output = tmp_path / "out.parquet"
    output_file = finish_ten(parts, output, metadata={"fanout:endpoint": "e"})
    table = pq.read_table(output)
    expected = to_table([outcome(row) for row in range(10)], KEPT)
    assert table.drop("score").equals(expected.drop("score"))
    assert table.column("score").equals(pa.chunked_array([range(10)], type=pa.int64()))
    assert table.schema.names == expected.schema.names
    assert table.schema.metadata == output_schema(KEPT).metadata | {
        b"fanout:run": RUN.encode(),
        b"fanout:endpoint": b"e",
    }
    assert output_file == OutputFile(10, output.stat().st_size, {"succeeded": 9, "failed": 1})
    assert beside(tmp_path) == ["out.parquet"]


def test_it_is_a_pure_function_of_the_parts(tmp_path: Path, parts: list[Part]) -> None:
    finish_ten(parts, tmp_path / "a.parquet")
    finish_ten(parts[::-1], tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_the_file_is_compressed_checked_and_declared_sorted(tmp_path: Path, parts: list[Part]) -> None:
    output = tmp_path / "out.parquet"
    finish_ten(parts, output)
    group = pq.read_metadata(output).row_group(0)
    assert {group.column(place).compression for place in range(group.num_columns)} == {"ZSTD"}
    assert group.sorting_columns == (pq.SortingColumn(0),)
    content = bytearray(output.read_bytes())
    chunk = group.column(group.num_columns - 1)
    content[chunk.data_page_offset + chunk.total_compressed_size // 2] ^= 1
    output.write_bytes(content)
    with pytest.raises(StorageError, match="a page does not match its CRC checksum"):
        list(read_back(output))


def test_no_rows_make_a_valid_file(tmp_path: Path) -> None:
    output_file = finish_ten([], tmp_path / "out.parquet", expected_rows=0)
    table = pq.read_table(tmp_path / "out.parquet")
    assert (output_file.rows, output_file.by_status, table.num_rows) == (0, {}, 0)
    assert table.schema.names == output_schema(KEPT).names
    assert table.schema.types == output_schema(KEPT).types


@pytest.mark.parametrize(
    ("split", "flaw"),
    [
        (([0, 1, 2], [2, *range(3, 10)]), "row 2 twice"),
        (([0, 1], range(4, 10)), "rows 2 to 3 missing"),
        ((range(9),), "row 9 missing"),
        ((range(12),), "rows 10 to 11 beyond the input's end"),
        ((), "rows 0 to 9 missing"),
    ],
)
@pytest.mark.parametrize("name", ["out.parquet", "out/"])
def test_rows_missing_or_twice_are_named_and_nothing_is_left(
    tmp_path: Path, split: tuple[list[int], ...], flaw: str, name: str
) -> None:
    parts = write_parts(tmp_path / "parts", split)
    with pytest.raises(CorruptParts, match=flaw):
        finish_ten(parts, f"{tmp_path}/{name}")
    assert beside(tmp_path) == []


def test_parts_of_another_run_are_noticed(tmp_path: Path, parts: list[Part]) -> None:
    passthrough = pa.schema([("label", pa.string())])
    with pytest.raises(CorruptParts, match="other passthrough columns"):
        finish_ten(parts, tmp_path / "out.parquet", passthrough_schema=passthrough)
    plain = pa.schema([("label", pa.string()), ("more", pa.string())])
    alien = write_part(tmp_path / "parts", 9, to_table([outcome(0)], plain))
    with pytest.raises(CorruptParts, match="other passthrough columns"):
        finish_ten([alien], tmp_path / "out.parquet", passthrough_schema=passthrough, expected_rows=1)
    assert beside(tmp_path) == []


@pytest.mark.parametrize(
    ("scores", "kind", "values"),
    [
        ({0: "1", 9: "2"}, pa.int64(), (1, 2)),
        ({0: "1", 9: "2.5"}, pa.float64(), (1.0, 2.5)),
        ({0: '"1"', 9: "2"}, pa.string(), ('"1"', "2")),
        ({0: '"a"', 9: '"b"'}, pa.string(), ("a", "b")),
        ({0: "null", 9: "true"}, pa.bool_(), (None, True)),
        ({0: '{"a":1}', 9: "null"}, pa.string(), ('{"a":1}', None)),
    ],
)
def test_a_json_column_has_one_type_over_all_parts(
    tmp_path: Path, scores: dict[int, str], kind: pa.DataType, values: tuple[object, ...]
) -> None:
    def written(number: int, rows: range) -> Part:
        table = to_table([outcome(row, score=scores.get(row, "null")) for row in rows], KEPT)
        return write_part(tmp_path / "parts", number, table)

    parts = [written(0, range(5)), written(1, range(5, 10))]
    finish_ten(parts, tmp_path / "out.parquet")
    column = pq.read_table(tmp_path / "out.parquet").column("score")
    assert column.type == kind
    assert (column[0].as_py(), column[9].as_py()) == values


class TestDataset:
    def test_is_a_directory_of_files_in_row_order(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(finishing, "_FILE_BYTES", 1)
        monkeypatch.setattr(finishing, "merge", partial(merge, pool_rows=1000))
        parts = write_parts(tmp_path / "parts", [range(start, start + 600) for start in range(0, 2400, 600)])
        output_file = finish_ten(parts, f"{tmp_path}/out/", expected_rows=2400)
        files = sorted((tmp_path / "out").iterdir())
        assert [file.name for file in files] == [f"part-{number:05d}.parquet" for number in range(len(files))]
        assert [pq.read_metadata(file).num_rows for file in files] == [1112, 1200, 88]
        rows = [row for file in files for row in pq.read_table(file).column("row").to_pylist()]
        assert rows == list(range(2400))
        assert pq.read_table(tmp_path / "out").num_rows == 2400
        assert output_file.size_bytes == sum(file.stat().st_size for file in files)
        assert beside(tmp_path) == ["out"]

    def test_without_rows_is_one_empty_file(self, tmp_path: Path) -> None:
        finish_ten([], f"{tmp_path}/out/", expected_rows=0)
        assert pq.read_table(tmp_path / "out").schema.names == output_schema(KEPT).names

    def test_replaces_an_earlier_one_as_a_whole(self, tmp_path: Path, parts: list[Part]) -> None:
        old = tmp_path / "out"
        old.mkdir()
        for number in range(5):
            (old / f"part-{number:05d}.parquet").write_bytes(b"old")
        with pytest.raises(UsageError, match=r"part-00000\.parquet exists"):
            finish_ten(parts, f"{old}/")
        assert len(list(old.iterdir())) == 5
        finish_ten(parts, f"{old}/", overwrite=True)
        assert [path.name for path in old.iterdir()] == ["part-00000.parquet"]
        assert beside(tmp_path) == ["out"]

    def test_never_replaces_a_directory_with_other_files(self, tmp_path: Path, parts: list[Part]) -> None:
        home = tmp_path / "home"
        home.mkdir()
        (home / "thesis.tex").write_text("years of work")
        with pytest.raises(UsageError, match=r"holds more than an earlier output \(thesis\.tex\)"):
            finish_ten(parts, f"{home}/", overwrite=True)
        assert (home / "thesis.tex").read_text() == "years of work"

    def test_the_old_one_comes_back_if_the_new_one_cannot_be_placed(
        self, tmp_path: Path, parts: list[Part], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old = tmp_path / "out"
        old.mkdir()
        (old / "part-00000.parquet").write_bytes(b"old")

        def failing(directory: Path, name: Path) -> None:
            raise StorageError(f"{directory} to {name}")

        monkeypatch.setattr("fanout.output.destination.publish_directory", failing)
        with pytest.raises(StorageError):
            finish_ten(parts, f"{old}/", overwrite=True)
        assert (old / "part-00000.parquet").read_bytes() == b"old"
        assert beside(tmp_path) == ["out"]


class TestExisting:
    def test_file_is_refused_unless_it_may_be_replaced(self, tmp_path: Path, parts: list[Part]) -> None:
        output = tmp_path / "out.parquet"
        output.write_bytes(b"precious")
        with pytest.raises(UsageError, match=r"out\.parquet exists: choose another name"):
            finish_ten(parts, output)
        assert output.read_bytes() == b"precious"
        finish_ten(parts, output, overwrite=True)
        assert pq.read_metadata(output).num_rows == 10

    @pytest.mark.parametrize("name", ["out.parquet", "out/"])
    def test_output_of_the_same_run_is_done_again(self, tmp_path: Path, parts: list[Part], name: str) -> None:
        """A finish killed between the rename and the news of it."""
        output = f"{tmp_path}/{name}"
        finish_ten(parts, output)
        finish_ten(parts, output)
        with pytest.raises(UsageError, match="exists"):
            finish_ten(parts, output, run_id="zyxwvutsrq")
        assert pq.read_table(output).num_rows == 10

    @pytest.mark.parametrize("name", ["out.parquet", "out/"])
    def test_output_that_appears_meanwhile_is_not_replaced(
        self, tmp_path: Path, parts: list[Part], name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rival = tmp_path / "out.parquet" if name == "out.parquet" else tmp_path / "out" / "part-00000.parquet"

        def place_after_a_rival(directory: Path, target: Target) -> None:
            rival.parent.mkdir(exist_ok=True)
            rival.write_bytes(b"rival")
            place(directory, target)

        monkeypatch.setattr(finishing, "place", place_after_a_rival)
        with pytest.raises(UsageError, match="appeared while it was being written"):
            finish_ten(parts, f"{tmp_path}/{name}")
        assert rival.read_bytes() == b"rival"
        assert beside(tmp_path) == [name.rstrip("/")]

    def test_kinds_of_target_that_do_not_fit(self, tmp_path: Path, parts: list[Part]) -> None:
        (tmp_path / "directory").mkdir()
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(UsageError, match="end it in a slash"):
            finish_ten(parts, tmp_path / "directory", overwrite=True)
        with pytest.raises(UsageError, match="leave out the slash"):
            finish_ten(parts, f"{tmp_path}/file/", overwrite=True)
        with pytest.raises(UsageError, match="nowhere is not a directory"):
            finish_ten(parts, tmp_path / "nowhere" / "out.parquet")
        with pytest.raises(
            UsageError, match=r"answers\.csv: the output is Parquet: name it answers\.parquet"
        ):
            finish_ten(parts, tmp_path / "answers.csv")


def test_leftovers_of_a_killed_finish_are_cleared(tmp_path: Path, parts: list[Part]) -> None:
    stale = tmp_path / f"out.parquet.{RUN}.tmp"
    stale.mkdir()
    (stale / "merged-0-0.parquet").write_bytes(b"half")
    finish_ten(parts, tmp_path / "out.parquet")
    assert beside(tmp_path) == ["out.parquet"]


def test_a_full_disk_is_told_before_anything_is_written(
    tmp_path: Path, parts: list[Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fanout.files.shutil.disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 1000))
    with pytest.raises(StorageError, match=r"0\.0 MB free and 0\.0 MB are needed: free space there"):
        finish_ten(parts, tmp_path / "out.parquet")
    assert beside(tmp_path) == []


def test_a_failing_disk_leaves_the_old_output(
    tmp_path: Path, parts: list[Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out.parquet"
    output.write_bytes(b"old")

    def failing(handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("fanout.files.os.fsync", failing)
    with pytest.raises(StorageError, match="Input/output error"):
        finish_ten(parts, output, overwrite=True)
    assert output.read_bytes() == b"old"
    assert beside(tmp_path) == ["out.parquet"]


def test_what_the_disk_did_not_keep_is_noticed_before_the_rename(
    tmp_path: Path, parts: list[Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    def flipping(handle: int) -> None:
        if stat.S_ISREG(os.fstat(handle).st_mode):
            os.pwrite(handle, b"flip", 200)

    monkeypatch.setattr("fanout.files.os.fsync", flipping)
    with pytest.raises(StorageError, match="output cannot be read back"):
        finish_ten(parts, tmp_path / "out.parquet")
    assert beside(tmp_path) == []


def test_a_disk_that_fills_up_during_the_merge_leaves_nothing(tmp_path: Path) -> None:
    table = to_table([bulky(row, 100_000) for row in range(5)], NOTHING_KEPT)
    parts = [write_part(tmp_path / "parts", 0, table)]
    limit = file_size_limit(64 * 1024)
    with limit, pytest.raises(StorageError, match=r"cannot write .*: File too large; free space there"):
        finish_ten(parts, tmp_path / "out.parquet", passthrough_schema=NOTHING_KEPT, expected_rows=5)
    assert beside(tmp_path) == []


def test_a_part_damaged_since_is_named_and_nothing_is_left(tmp_path: Path, parts: list[Part]) -> None:
    content = bytearray(parts[1].path.read_bytes())
    content[100:1000] = bytes(900)
    parts[1].path.write_bytes(content)
    with pytest.raises(StorageError, match=r"part-00001\.parquet cannot be read back"):
        finish_ten(parts, tmp_path / "out.parquet")
    assert beside(tmp_path) == []
