"""Arrow's type names, and which JSON values are taken as which."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from fanout.domain.field_types import WrongTypeError, parse_type, reader_of
from fanout.output.response_columns import arrow_type


def read(name, value):
    return reader_of(parse_type(name))(value, "")


NAMED = {
    "string": pa.string(),
    "utf8": pa.string(),
    "large_string": pa.large_string(),
    "bool": pa.bool_(),
    "int8": pa.int8(),
    "uint64": pa.uint64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "float32": pa.float32(),
    "date32[day]": pa.date32(),
    "timestamp[ms]": pa.timestamp("ms"),
    "timestamp[us, tz=Europe/Berlin]": pa.timestamp("us", tz="Europe/Berlin"),
    "list<item: float not null>": pa.list_(pa.field("item", pa.float32(), nullable=False)),
    "list<int64>": pa.list_(pa.int64()),
    "struct<a b: int64 not null, c: list<struct<d: string, e: timestamp[s, tz=UTC]>>>": pa.struct(
        [
            pa.field("a b", pa.int64(), nullable=False),
            pa.field("c", pa.list_(pa.struct([("d", pa.string()), ("e", pa.timestamp("s", tz="UTC"))]))),
        ]
    ),
}


@pytest.mark.parametrize("name", NAMED)
def test_arrow_s_names_mean_arrow_s_types(name):
    kind = parse_type(name)
    assert arrow_type(kind) == NAMED[name]
    assert parse_type(str(kind)) == kind
    assert arrow_type(parse_type(str(NAMED[name]))) == NAMED[name], "as Arrow itself writes it"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("strng", "'strng' is not a type of a field; did you mean 'string'?"),
        ("list<flot64>", "'flot64' is not a type of a field; did you mean 'float64'?"),
        ("timestamp[ns]", "'timestamp[ns]' is not a type of a field: timestamps are in s, ms or us"),
        ("timestamp[us, tz=Mars/Base]", "'Mars/Base' is not a time zone known here"),
        ("struct<int64>", "'int64' is not a member of a struct: write `name: type`"),
        ("struct<a: int8, a: int8>", "the struct has 'a' twice"),
        ("decimal128(3, 2)", "'decimal128(3, 2)' is not a type of a field; known are 'string', "),
        ("list<int8", "'list<int8' is not a type of a field"),
    ],
)
def test_other_names_are_refused(name, said):
    with pytest.raises(ValueError, match=r".") as caught:
        parse_type(name)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        ("int64", 2**63 - 1, 2**63 - 1),
        ("int64", -(2**63), -(2**63)),
        ("uint64", 2**64 - 1, 2**64 - 1),
        ("int64", 3.0, 3),
        ("int64", 2.0**53, 2**53),
        ("float64", 3, 3.0),
        ("float64", 2**60 + 1, float(2**60 + 1)),
        ("float32", 3.4028234663852886e38, 3.4028234663852886e38),
        ("bool", False, False),
        ("string", "", ""),
        ("date32", "2026-11-30", dt.date(2026, 11, 30)),
        ("timestamp[s]", "2026-11-30T09:00:00.000", dt.datetime(2026, 11, 30, 9)),  # noqa: DTZ001
        ("timestamp[us, tz=UTC]", "2026-11-30T10:00:00.123456+01:00",
         dt.datetime(2026, 11, 30, 9, 0, 0, 123456, tzinfo=dt.UTC)),
        ("list<float64>", [1, 2.5, None], [1.0, 2.5, None]),
        ("list<string>", [], []),
        ("struct<a: int8, b: bool>", {"b": True, "more": 1}, {"a": None, "b": True}),
    ],
)  # fmt: skip
def test_a_value_is_taken_exactly(name, value, taken):
    found = read(name, value)
    assert (found, type(found)) == (taken, type(taken))
    column = pa.array([found, None], type=arrow_type(parse_type(name)))
    assert column[0].as_py() == taken
    column.validate(full=True)


@pytest.mark.parametrize(
    ("name", "value", "place", "said"),
    [
        ("int64", 2**63, "", "9223372036854775808 is not int64, from -9223372036854775808 to 9223372036854775807"),
        ("int64", 1.8446744073709552e19, "", "1.8446744073709552e+19 is not int64, a whole number"),
        ("int64", 1.5, "", "1.5 is not int64, a whole number"),
        ("int64", 2.0**53 + 2, "", "9007199254740994.0 is not int64, a whole number"),
        ("int64", True, "", "true is not int64, a whole number"),
        ("int64", "1", "", '"1" is not int64, a whole number'),
        ("uint8", -1, "", "-1 is not uint8, from 0 to 255"),
        ("float64", "1.5", "", '"1.5" is not float64, a number'),
        ("float32", 1e39, "", "1e+39 is not float32, at most 3.40282e+38"),
        ("bool", 0, "", "0 is not bool, true or false"),
        ("string", ["a"], "", '["a"] is not string'),
        ("date32", "2026-11-31", "", '"2026-11-31" is not date32, as 2026-11-30'),
        ("date32", "20261130", "", '"20261130" is not date32, as 2026-11-30'),
        ("timestamp[us, tz=UTC]", "2026-11-30T09:00:00", "",
         '"2026-11-30T09:00:00" is not timestamp[us, tz=UTC], as 2026-11-30T09:00:00Z'),
        ("timestamp[ms]", "2026-11-30T09:00:00.0001", "",
         '"2026-11-30T09:00:00.0001" is not timestamp[ms], as 2026-11-30T09:00:00'),
        ("timestamp[s]", 1_700_000_000, "", "1700000000 is not timestamp[s], as 2026-11-30T09:00:00"),
        ("list<int8>", {"0": 1}, "", '{"0":1} is not a list'),
        ("list<float32>", [1.0, 1e39], "[1]", "1e+39 is not float32, at most 3.40282e+38"),
        ("list<float64 not null>", [1.0, None], "[1]", "null is not float64, a number"),
        ("list<struct<a: list<int8>>>", [{"a": [1]}, {"a": [1, 2, "x"]}], "[1].a[2]",
         '"x" is not int8, a whole number'),
        ("struct<a: int8 not null>", {"b": 1}, ".a", "null is not int8, a whole number"),
        ("struct<a: int8>", [], "", "[] is not an object"),
        ("int8", "x" * 1000, "", f'"{"x" * 47} ... {"x" * 6}" is not int8, a whole number'),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_refused_with_its_place(name, value, place, said):
    with pytest.raises(WrongTypeError) as caught:
        read(name, value)
    assert (caught.value.place, str(caught.value)) == (place, said)
