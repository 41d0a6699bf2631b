"""However rows fell into parts, the output is the same: the sorted whole, each JSON column of one type."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.parts import KEPT, RUN, outcome, to_table, write_parts

from fanout.domain.records import Outcome
from fanout.output.finish import finish
from fanout.output.json_types import decode, final_type, kinds_of
from fanout.output.merge import merge, narrow, overlap
from fanout.output.parts import Part, write_part

FEW = settings(max_examples=examples(20), deadline=None)  # each example writes and fsyncs files


def split(rows: Sequence[int], owners: Sequence[int]) -> list[list[int]]:
    """Return the rows by owner; each owner's become a part."""
    parts: dict[int, list[int]] = {}
    for row, owner in zip(rows, owners, strict=True):
        parts.setdefault(owner, []).append(row)
    return list(parts.values())


@st.composite
def partitions(draw: st.DrawFn) -> list[list[int]]:
    """Rows 0 to n - 1 in any order, in any parts."""
    count = draw(st.integers(1, 120))
    rows = draw(st.permutations(range(count)))
    owners = draw(st.lists(st.integers(0, 11), min_size=count, max_size=count))
    return split(rows, owners)


@FEW
@given(
    parts=partitions(),
    batch_rows=st.integers(1, 7),
    pool_rows=st.integers(1, 200),
    pool_bytes=st.integers(1, 50_000),
    fan_in=st.integers(2, 5),
)
def test_any_partition_merges_to_the_sorted_whole(
    parts: list[list[int]], batch_rows: int, pool_rows: int, pool_bytes: int, fan_in: int
) -> None:
    count = sum(map(len, parts))
    with tempfile.TemporaryDirectory() as name, patch("fanout.output.parquet._BATCH_ROWS", batch_rows):
        directory = Path(name)
        written = write_parts(directory / "parts", parts)
        narrowed = narrow(written, directory, fan_in=fan_in)
        assert overlap(narrowed) <= fan_in
        tables = list(merge(narrowed, pool_bytes=pool_bytes, pool_rows=pool_rows))
    expected = to_table([outcome(row) for row in range(count)], KEPT)
    assert pa.concat_tables(tables).equals(expected)


@FEW
@given(parts=partitions())
def test_output_does_not_depend_on_the_parts(parts: list[list[int]]) -> None:
    count = sum(map(len, parts))
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        written = write_parts(directory / "parts", parts)
        finish(written, directory / "a", run_id=RUN, passthrough_schema=KEPT, expected_rows=count)
        whole = write_parts(directory / "whole", [range(count)])
        finish(whole, directory / "b", run_id=RUN, passthrough_schema=KEPT, expected_rows=count)
        assert pq.read_table(directory / "a").equals(pq.read_table(directory / "b"), check_metadata=True)


def values() -> st.SearchStrategy[object]:
    """JSON values of one kind, or of any: a mixture of everything would only ever be a text."""
    integers = st.integers(-(2**64), 2**64) | st.sampled_from([2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63)])
    floats = st.floats(allow_nan=False, allow_infinity=False)
    nested = st.recursive(
        st.none() | integers | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
    return st.sampled_from([st.none(), st.booleans(), integers, floats, st.text(), nested]).flatmap(
        lambda one: one
    )


@st.composite
def columns(draw: st.DrawFn) -> list[str | None]:
    small = st.integers(-(2**53), 2**53)
    floats = st.floats(allow_nan=False, allow_infinity=False)
    one = draw(
        st.sampled_from(
            [st.booleans(), small, st.integers(-(2**63), 2**63 - 1), small | floats, st.text(), values()]
        )
    )
    column = draw(st.lists(st.none() | one, max_size=30))
    return [None if value is None else json.dumps(value) for value in column]


def chunked(texts: Sequence[str | None]) -> pa.ChunkedArray:
    return pa.chunked_array([texts], type=pa.string())


@given(texts=columns())
def test_a_decoded_column_holds_what_the_texts_said(texts: list[str | None]) -> None:
    kind = final_type(kinds_of(chunked(texts)))
    decoded = decode(chunked(texts), kind).to_pylist()
    if kind is None:
        assert decoded == [None if text == "null" else text for text in texts]
    else:
        assert decoded == [None if text is None else json.loads(text) for text in texts]


@given(texts=columns(), owners=st.lists(st.integers(0, 4), min_size=30, max_size=30))
def test_the_kinds_of_parts_add_up_to_those_of_the_whole(texts: list[str | None], owners: list[int]) -> None:
    parts = split(range(len(texts)), owners[: len(texts)])
    union = frozenset().union(*(kinds_of(chunked([texts[row] for row in part])) for part in parts))
    assert union == kinds_of(chunked(texts))


@FEW
@given(texts=columns().filter(len), owners=st.lists(st.integers(0, 4), min_size=30, max_size=30))
def test_the_type_of_a_json_column_does_not_depend_on_the_parts(
    texts: list[str | None], owners: list[int]
) -> None:
    def stored(directory: Path, number: int, rows: Sequence[int]) -> Part:
        outcomes = [
            Outcome(row=row, id=None, passthrough=(None, texts[row]), status="succeeded") for row in rows
        ]
        return write_part(directory, number, to_table(outcomes, KEPT))

    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        rows = range(len(texts))
        parts = [
            stored(directory / "parts", number, part)
            for number, part in enumerate(split(rows, owners[: len(texts)]))
        ]
        finish(parts, directory / "out", run_id=RUN, passthrough_schema=KEPT, expected_rows=len(texts))
        column = pq.read_table(directory / "out").column("score")
    kind = final_type(kinds_of(chunked(texts)))
    assert column.type == (kind or pa.string())
    assert column.equals(decode(chunked(texts), kind))
