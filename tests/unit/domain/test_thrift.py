from __future__ import annotations

import pyarrow as pa
import pytest
from support.parts import footer_of

from fanout.domain.thrift import DamagedError, Kind, List, Reader, encoded, encoded_items

TABLES = {
    "plain": pa.table({"row": [1, 2, 3], "name": ["a", None, "ü" * 40]}),
    "nested": pa.table(
        {"l": [[1.5], []], "s": [{"a": True}, None], "m": [[("k", b"v")], None]},
        schema=pa.schema(
            [
                ("l", pa.list_(pa.float64())),
                ("s", pa.struct([("a", pa.bool_())])),
                ("m", pa.map_(pa.string(), pa.binary())),
            ]
        ),
    ),
    "wide": pa.table({f"column_{number}": [number] for number in range(300)}),
    "empty": pa.table({"row": pa.array([], pa.int64())}),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(
    "options", [{}, {"row_group_size": 1, "write_page_index": True, "compression": "zstd"}]
)
def test_a_footer_of_pyarrow_is_read_and_written_with_the_same_bytes(
    name: str, options: dict[str, object]
) -> None:
    footer = footer_of(TABLES[name], **options)
    reader = Reader(footer)
    struct = reader.struct()
    assert reader.position == len(footer)
    assert encoded(struct) == footer
    assert struct[3] == (Kind.I64, TABLES[name].num_rows)  # FileMetaData.num_rows


STRUCT = {
    1: (Kind.TRUE, Kind.TRUE),
    2: (Kind.FALSE, Kind.FALSE),
    3: (Kind.BYTE, 200),
    4: (Kind.I16, -2),
    5: (Kind.I32, -(2**31)),
    21: (Kind.I64, 2**63 - 1),  # so far from the last one that its number is written out
    22: (Kind.DOUBLE, b"12345678"),
    23: (Kind.BINARY, b"x" * 300),
    24: (Kind.LIST, List(Kind.TRUE, [1, 2])),
    25: (Kind.SET, List(Kind.I32, list(range(-20, 20)))),
    26: (Kind.STRUCT, {7: (Kind.I32, 0)}),
}


def test_every_kind_of_value_comes_back() -> None:
    data = encoded(STRUCT)
    assert Reader(data).struct() == STRUCT
    assert data[:3] == b"\x11\x12\x13"  # each number one above the last: in the same byte as its kind


def test_the_bytes_are_those_of_the_specification() -> None:
    # thrift-compact-protocol.md: zigzag varints, 0 1 -1 as 0 2 1; 15 items and more have their number written out.
    assert encoded({1: (Kind.I32, -1), 2: (Kind.I64, 150)}) == b"\x15\x01\x16\xac\x02\x00"
    assert encoded_items(Kind.I32, 14) == b"\xe5"
    assert encoded_items(Kind.STRUCT, 15) == b"\xfc\x0f"


def test_a_struct_that_is_cut_anywhere_is_damaged() -> None:
    whole = encoded(STRUCT)
    assert len(whole) > 300
    for size in range(len(whole)):
        with pytest.raises(DamagedError):
            pytest.fail(f"{Reader(whole[:size]).struct()} was read of {size} bytes")


@pytest.mark.parametrize(
    "data",
    [
        b"\x1d\x00",  # a kind that there is not
        b"\x1b\x00",  # a map
        b"\x15" + b"\xff" * 11,  # a number without end
        b"\x1c" * 10_000,  # structs within structs
        b"\x19\xf9" + b"\xff\xff\xff\xff\x7f" + b"\x19" * 10_000,  # lists of lists
        b"\x18\xff\xff\xff\xff\x7f",  # a text longer than all that there is
    ],
)
def test_what_is_no_thrift_is_damaged(data: bytes) -> None:
    with pytest.raises(DamagedError):
        Reader(data).struct()
