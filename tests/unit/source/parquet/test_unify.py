"""One column under two types: the type that loses nothing, in either order, or none."""

from __future__ import annotations

import pyarrow as pa
import pytest

from fanout.source.parquet.unify import retimed, unified

INT, WIDE = pa.int32(), pa.int64()
SAME = [
    (pa.string(), pa.large_string(), pa.large_string()),
    (pa.binary(), pa.large_binary(), pa.large_binary()),
    (pa.binary(16), pa.binary(12), pa.binary()),
    (pa.null(), pa.string(), pa.string()),
    (pa.int8(), WIDE, WIDE),
    (pa.uint8(), pa.uint32(), pa.uint32()),
    (pa.uint8(), pa.int8(), pa.int16()),
    (pa.uint32(), pa.int8(), WIDE),
    (pa.float32(), pa.float64(), pa.float64()),
    (pa.int16(), pa.float32(), pa.float32()),
    (INT, pa.float32(), pa.float64()),
    (INT, pa.float64(), pa.float64()),
    (pa.decimal128(10, 2), pa.decimal128(12, 4), pa.decimal128(12, 4)),
    (pa.decimal128(38, 0), pa.decimal128(38, 38), pa.decimal256(76, 38)),
    (pa.timestamp("s"), pa.timestamp("us"), pa.timestamp("us")),
    (pa.timestamp("ms", "UTC"), pa.timestamp("us", "Asia/Tokyo"), pa.timestamp("us", "UTC")),
    (pa.timestamp("ns", "Asia/Tokyo"), pa.timestamp("ns", "UTC"), pa.timestamp("ns", "UTC")),
    (pa.duration("s"), pa.duration("ms"), pa.duration("ms")),
    (pa.time32("ms"), pa.time64("ns"), pa.time64("ns")),
    (pa.date32(), pa.date64(), pa.date64()),
    (pa.list_(WIDE), pa.large_list(WIDE), pa.large_list(WIDE)),
    (pa.list_(pa.field("item", WIDE, nullable=False)), pa.list_(INT), pa.list_(pa.field("element", WIDE))),
    (pa.list_(WIDE, 2), pa.list_(WIDE, 3), pa.list_(WIDE)),
    (pa.list_(WIDE, 2), pa.list_(INT, 2), pa.list_(WIDE, 2)),
    (pa.struct([("a", INT)]), pa.struct([pa.field("a", WIDE, nullable=False)]), pa.struct([("a", WIDE)])),
    (pa.map_(pa.string(), INT), pa.map_(pa.large_string(), WIDE), pa.map_(pa.large_string(), WIDE)),
]
LOSING = [
    (WIDE, pa.float64()),
    (pa.uint64(), pa.int8()),
    (pa.string(), pa.binary()),
    (pa.string(), WIDE),
    (pa.bool_(), pa.int8()),
    (pa.decimal256(76, 0), pa.decimal256(76, 1)),
    (pa.decimal128(5, 0), INT),
    (pa.timestamp("us"), pa.timestamp("ns")),
    (pa.timestamp("us"), pa.timestamp("us", "UTC")),
    (pa.duration("us"), pa.duration("ns")),
    (pa.uuid(), pa.binary(16)),
    (pa.uuid(), pa.string()),
    (pa.timestamp("us"), pa.date32()),
    (pa.list_(WIDE), pa.list_(pa.string())),
    (pa.list_(WIDE), WIDE),
    (pa.struct([("a", WIDE)]), pa.struct([("a", pa.string())])),
    (pa.struct([("a", INT)]), pa.struct([("a", INT), ("a", WIDE)])),
    (pa.map_(pa.string(), WIDE), pa.map_(pa.string(), pa.string())),
]


@pytest.mark.parametrize(("one", "other", "both"), SAME, ids=str)
def test_types_that_one_type_holds(one, other, both):
    for kind in (unified(one, other), unified(other, one)):
        assert kind == both or kind.equals(both)
        assert unified(kind, one) == unified(kind, other) == kind


@pytest.mark.parametrize(("one", "other"), LOSING, ids=str)
def test_types_that_no_type_holds_without_loss(one, other):
    assert unified(one, other) is None
    assert unified(other, one) is None


def test_a_struct_has_the_fields_of_both_in_the_order_of_the_first():
    one, other = pa.struct([("b", INT), ("a", INT)]), pa.struct([("a", WIDE), ("c", pa.string())])
    assert unified(one, other) == pa.struct([("b", INT), ("a", WIDE), ("c", pa.string())])


def test_only_units_have_to_be_cast():
    milli, micro = pa.timestamp("ms"), pa.timestamp("us")
    one = pa.struct([("t", milli), ("n", INT), ("l", pa.list_(milli)), ("m", pa.map_(INT, pa.date32()))])
    other = pa.struct(
        [("m", pa.map_(WIDE, pa.date64())), ("l", pa.large_list(micro)), ("n", WIDE), ("t", micro)]
    )
    wanted = unified(one, other)
    assert retimed(one, wanted) == pa.struct(
        [("t", micro), ("n", INT), ("l", pa.list_(micro)), ("m", pa.map_(INT, pa.date64()))]
    )
    assert retimed(other, wanted) == other
