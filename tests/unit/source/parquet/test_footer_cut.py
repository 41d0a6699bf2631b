"""Footers of some row groups, cut out of those that pyarrow has written: what it reads of them is what stands there."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.source.parquet.footer_cut import as_file, footer_places, joined, without_statistics


def footer_of(table, **options):
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    text = sink.getvalue()
    return text[-8 - int.from_bytes(text[-8:-4], "little") : -8]


def cut(footer, first, last):
    places = footer_places(footer)
    pieces = tuple(footer[start:end] for start, end in places.ranges(first, last))
    return pq.read_metadata(pa.BufferReader(as_file(joined(pieces, groups=last - first))))


PLAIN = pa.table({"n": range(300), "x": [str(n) for n in range(300)]})
NESTED = pa.table(
    {
        "s": pa.array([{"a": [1, 2], "b": {"c": True}}] * 300),
        "m": pa.array([[("k", 1.5)]] * 300, pa.map_(pa.string(), pa.float64())),
        "u": pa.array([b"0" * 16] * 300, pa.binary(16)),
        "t": pa.array([0] * 300, pa.timestamp("us", "Europe/Berlin")),
        "d": pa.array(["a", None, "b"] * 100).dictionary_encode(),
        "z": pa.nulls(300),
    },
    metadata={b"pandas": b"{}" * 500},
)


@pytest.mark.parametrize("rows", [300, 100, 20, 2])
@pytest.mark.parametrize(
    ("table", "options"),
    [
        (PLAIN, {}),
        (PLAIN, {"version": "1.0", "compression": "gzip", "write_statistics": False, "store_schema": False}),
        (NESTED, {}),
        (NESTED, {"write_page_index": True, "write_page_checksum": True, "data_page_version": "2.0"}),
        (PLAIN, {"sorting_columns": [pq.SortingColumn(0)]}),
    ],
)
def test_each_part_of_the_row_groups_is_read_as_it_stands_in_the_whole(table, options, rows):
    footer = footer_of(table, row_group_size=rows, **options)
    whole = pq.read_metadata(pa.BufferReader(as_file(footer)))
    groups = 300 // rows
    for first, last in {(0, groups), (0, 1), (groups - 1, groups), (groups // 3, groups // 2 + 1)}:
        part = cut(footer, first, last)
        assert part.schema.to_arrow_schema().equals(whole.schema.to_arrow_schema(), check_metadata=True)
        assert part.num_row_groups == last - first
        for index in range(first, last):
            expected, found = whole.row_group(index), part.row_group(index - first)
            assert found.to_dict() == expected.to_dict()


@pytest.mark.parametrize("table", [PLAIN, NESTED])
def test_a_footer_without_statistics_says_everything_else(table):
    footer = footer_of(table, row_group_size=20, write_page_index=True, sorting_columns=[pq.SortingColumn(0)])
    less = without_statistics(footer)
    assert len(less) < len(footer)
    before, after = (pq.read_metadata(pa.BufferReader(as_file(each))) for each in (footer, less))
    assert after.schema.to_arrow_schema().equals(before.schema.to_arrow_schema(), check_metadata=True)
    for index in range(before.num_row_groups):
        expected, found = (each.row_group(index).to_dict() for each in (before, after))
        for column in expected["columns"]:
            column.update(is_stats_set=False, statistics=None)
        assert found == expected
    assert without_statistics(less) == less


def test_rows_are_read_by_a_footer_without_statistics():
    sink = io.BytesIO()
    pq.write_table(NESTED, sink, row_group_size=20)
    less = without_statistics(footer_of(NESTED, row_group_size=20))
    metadata = pq.read_metadata(pa.BufferReader(as_file(less)))
    assert pq.ParquetFile(sink, metadata=metadata).read().equals(NESTED)


@given(st.binary(max_size=80))
def test_what_is_no_footer_stays_as_it_is_or_is_written_as_it_was_read(text):
    less = without_statistics(text)
    assert less == text or without_statistics(less) == less


def test_a_list_of_15_groups_and_more_tells_their_number_by_another_rule():
    footer = footer_of(PLAIN, row_group_size=1)
    for count in (14, 15, 16, 127, 128, 300):
        assert cut(footer, 0, count).num_row_groups == count


def test_a_file_without_row_groups():
    footer = footer_of(PLAIN.slice(0, 0))
    assert (
        len(footer_places(footer).starts)
        == 1 + pq.read_metadata(pa.BufferReader(as_file(footer))).num_row_groups
    )


FOOTER = footer_of(NESTED, row_group_size=150)


@given(st.integers(0, len(FOOTER) - 1))
def test_a_footer_that_ends_too_early_has_no_places(size):
    assert footer_places(FOOTER[:size]) is None


@given(st.integers(0, len(FOOTER) - 1), st.integers(0, 255))
def test_of_a_damaged_footer_nothing_is_said_that_does_not_lie_within_it(at, byte):
    places = footer_places(FOOTER[:at] + bytes([byte]) + FOOTER[at + 1 :])
    if places is not None:
        assert 0 < places.count_at < places.starts[0] <= places.starts[-1] <= places.size_bytes == len(FOOTER)
        assert list(places.starts) == sorted(places.starts)


@given(st.binary(max_size=200))
def test_what_is_no_footer_has_no_places(text):
    places = footer_places(text)
    assert places is None or places.starts[-1] <= len(text)


def test_a_number_of_values_that_cannot_be_there_is_not_counted_up():
    assert footer_places(b"\x19\xf1" + b"\xff" * 8 + b"\x01" + b"\x00" * 8) is None
    assert footer_places(b"\x1c" * 100_000) is None
