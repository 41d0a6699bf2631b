"""`rewrite` on files whose pages were put in by hand; `test_large_page` has the files that are really written."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.parts import footer_of

from fanout.output.footer import Inserted, rewrite, with_pages

VALUE = b"response" * 4
TABLE = pa.table(
    {
        "row": pa.array([0, 1, 2], pa.int64()),
        "response": pa.array([b"a", None, None], pa.large_binary()),
        "label": ["x", "y", "z"],
    }
)


def one_value() -> bytes:
    """Return the bytes of a file's only data page, which holds `VALUE`."""
    out = BytesIO()
    pq.write_table(
        pa.table({"response": pa.array([VALUE], pa.large_binary())}),
        out,
        compression="none",
        use_dictionary=False,
    )
    column = pq.read_metadata(out).row_group(0).column(0)
    return out.getvalue()[column.data_page_offset :][: column.total_compressed_size]


def inserted_after(groups: list[int], path: Path, *, gap: int = 5) -> list[Inserted]:
    """Write `TABLE`, a row a group, with the page and a gap before it behind each of `groups`, and return these."""
    page, found = one_value(), []
    with path.open("wb") as file:
        writer = pq.ParquetWriter(file, TABLE.schema, compression="none", use_dictionary=["label"])
        for group in range(TABLE.num_rows):
            writer.write_table(TABLE.slice(group, 1))
            if group in groups:
                begin = file.tell()
                file.write(bytes(gap) + page)
                start = begin - sum(each.length for each in found)
                found.append(
                    Inserted(
                        group, b"response", start=start, length=gap + len(page), page_at=begin + gap,
                        packed_bytes=len(page), plain_bytes=len(page),
                    )
                )  # fmt: skip
        writer.close()
        rewrite(file, path, found)
    return found


@pytest.mark.parametrize("groups", [[0], [1], [2], [0, 1, 2]])
def test_every_column_is_found_where_it_is_now_and_the_page_instead_of_the_null(
    tmp_path: Path, groups: list[int]
) -> None:
    inserted_after(groups, tmp_path / "file.parquet")
    found = pq.read_table(tmp_path / "file.parquet", use_threads=False)
    responses = [VALUE if row in groups else value for row, value in enumerate(TABLE["response"].to_pylist())]
    assert found.to_pydict() == {**TABLE.to_pydict(), "response": responses}


def test_the_groups_sizes_count_the_page_and_nothing_is_said_of_the_null(tmp_path: Path) -> None:
    inserted_after([], tmp_path / "before.parquet")
    [page] = inserted_after([1], tmp_path / "file.parquet")
    before = pq.read_metadata(tmp_path / "before.parquet").row_group(1)
    after = pq.read_metadata(tmp_path / "file.parquet").row_group(1)
    null = before.column(1).total_uncompressed_size
    assert after.total_byte_size == before.total_byte_size + page.plain_bytes - null
    column = after.column(1)
    assert (column.data_page_offset, column.total_compressed_size) == (page.page_at, page.packed_bytes)
    assert before.column(1).statistics.null_count == 1
    assert column.statistics is None
    assert after.column(2).statistics.min == "y"


def test_a_footer_without_pages_stays_as_it_is() -> None:
    footer = footer_of(TABLE, row_group_size=1)
    assert with_pages(footer, []) == footer
