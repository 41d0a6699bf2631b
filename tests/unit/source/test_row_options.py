"""Options per row: shared when they are equal, however many there are."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest
from support.settings import input_settings

from fanout.domain.records import Options
from fanout.errors import UsageError
from fanout.source.row_options import RowOptions
from fanout.source.selection import Selection
from fanout.source.source import open_source


def test_a_million_distinct_attributes_do_not_fill_memory():
    options = RowOptions(Selection(custom_attributes_column="a"), Options())
    for number in range(5_000):
        assert options.read({"a": str(number)}) == Options(custom_attributes=str(number))
    assert len(options._shared) <= 1_024


def test_nothing_to_read_is_the_default_itself():
    defaults = Options(accept="a/b")
    assert RowOptions(Selection(), defaults).read({"a": 1}) is defaults


@pytest.mark.parametrize("empty", ["", " ", None])
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_empty_texts_are_not_sent(read, jsonl, parquet, kind, empty):
    line = b'{"c":null}' if empty is None else b'{"c":"%s"}' % empty.encode()
    path = jsonl([line]) if kind == "jsonl" else parquet({"c": pa.array([empty], pa.string())})
    said = Selection(
        content_type_column="c",
        accept_column="c",
        custom_attributes_column="c",
        defaults=Options(content_type=empty, accept=empty, custom_attributes=empty),
    )
    (row,) = read(path, said).rows
    assert row.options == Options(content_type="application/json")
    (row,) = read(path, Selection(accept_column="c", defaults=Options(accept="a/b"))).rows
    assert row.options.accept == "a/b"


@pytest.mark.parametrize(
    ("column", "ttl"),
    [
        (pa.array([Decimal(600)], pa.decimal128(38, 0)), 600),
        (pa.array([Decimal("600.00")], pa.decimal256(60, 2)), 600),
        (pa.array([600.0]), 600),
        (pa.array([600], pa.uint64()), 600),
        (pa.array([600.0], pa.float32()).cast(pa.float16()), 600),
        (pa.array([Decimal("0.50")], pa.decimal128(5, 2)), "a fraction"),
        (pa.array([0.5]), "a fraction"),
    ],
    ids=str,
)
def test_whole_numbers_are_whole_under_any_type(read, parquet, column, ttl):
    path = parquet({"text": ["x"], "ttl": column})
    (row,) = read(path, Selection(payload_column="text", ttl_column="ttl")).rows
    if isinstance(ttl, int):
        assert row.options.ttl_s == ttl
    else:
        message = f"{path}: row 0: column 'ttl' is {ttl}, not a whole number of seconds"
        assert (row.code, row.message) == ("InvalidOption", message)


def test_a_decimal_that_is_a_ttl_and_sent_is_sent_as_it_was(read, parquet):
    path = parquet({"ttl": pa.array([Decimal("600.00")], pa.decimal128(9, 2))})
    (row,) = read(path, Selection(ttl_column="ttl", id_column="ttl")).rows
    assert (row.payload, row.id, row.options.ttl_s) == (b'{"ttl":"600.00"}', "600.00", 600)


@pytest.mark.parametrize(
    ("defaults", "problem"),
    [
        (Options(custom_attributes="caf\u00e9"), "custom attributes 'caf\u00e9' has characters other than"),
        (Options(content_type="text/plain\n"), "content type .* has characters other than"),
        (Options(accept="a" * 1025), "accept has 1,025 characters"),
        (Options(ttl_s=59), "ttl of 59 s is outside"),
        (Options(invocation_timeout_s=3601), "invocation timeout of 3601 s is outside"),
    ],
)
def test_an_option_of_the_whole_run_is_checked_before_the_first_row(jsonl, parquet, defaults, problem):
    for path in (jsonl([b'{"a":1}'] * 40), parquet({"a": [1] * 40})):
        with pytest.raises(UsageError, match=problem):
            open_source(input_settings((str(path),)), Selection(defaults=defaults))
