from __future__ import annotations

import json
import random
import struct

import orjson
import pyarrow as pa
import pytest

from fanout.output import json_types
from fanout.output.json_types import Kind, decode, final_type, kinds_of

BEYOND_53, BEYOND_64 = 2**53 + 1, 2**63


def chunked(*texts: str | None) -> pa.ChunkedArray:
    return pa.chunked_array([list(texts)], type=pa.string())


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (None, Kind.NULL),
        ("null", Kind.NULL),
        ("true", Kind.BOOL),
        ("false", Kind.BOOL),
        ("0", Kind.INT53),
        ("-12", Kind.INT53),
        (str(2**53), Kind.INT53),
        (str(-(2**53)), Kind.INT53),
        (str(BEYOND_53), Kind.INT64),
        (str(BEYOND_64 - 1), Kind.INT64),
        (str(-BEYOND_64), Kind.INT64),
        (str(BEYOND_64), Kind.OTHER),
        (str(-BEYOND_64 - 1), Kind.OTHER),
        ("9" * 5000, Kind.OTHER),  # beyond what int() takes at all
        ("1.0", Kind.FLOAT),
        ("1e5", Kind.FLOAT),
        ("-0.0", Kind.FLOAT),
        ("1e400", Kind.OTHER),
        ('""', Kind.STRING),
        ('"a\\u00e9"', Kind.STRING),
        ('"\\ud800"', Kind.OTHER),
        ('"null"', Kind.STRING),
        ("[]", Kind.OTHER),
        ('{"a":1}', Kind.OTHER),
        ("NaN", Kind.OTHER),
        (" 1", Kind.OTHER),
        ("01", Kind.OTHER),
        ("\u0661", Kind.OTHER),  # a digit, but not JSON's
        ("", Kind.OTHER),
    ],
)
def test_kind_of_a_text(text: str | None, kind: Kind) -> None:
    assert kinds_of(chunked(text)) == {kind}


@pytest.mark.parametrize(
    ("texts", "kind", "values"),
    [
        (("1", "null", None, str(2**63 - 1)), pa.int64(), [1, None, None, 2**63 - 1]),
        (("1", "2.5", str(2**53)), pa.float64(), [1.0, 2.5, float(2**53)]),
        (("true", None, "false"), pa.bool_(), [True, None, False]),
        (('"a"', '"\\n"', "null"), pa.string(), ["a", "\n", None]),
        (("null", None), pa.string(), [None, None]),
        ((), pa.string(), []),
    ],
)
def test_column_of_one_kind_has_its_type(
    texts: tuple[str, ...], kind: pa.DataType, values: list[object]
) -> None:
    column = chunked(*texts)
    assert final_type(kinds_of(column)) == kind
    decoded = decode(column, kind)
    assert (decoded.type, decoded.to_pylist()) == (kind, values)


@pytest.mark.parametrize("piece_bytes", [1, 20, 100])
@pytest.mark.parametrize(
    "texts", [('"a"', None, '"\\n"', "null") * 9, ("1", None, "null", "12345") * 9, ("[1]",) * 9]
)
def test_a_column_is_the_same_however_few_texts_are_read_at_once(monkeypatch, texts, piece_bytes) -> None:
    column = pa.chunked_array([texts[:5], [], texts[5:]], type=pa.string())
    kinds = kinds_of(column)
    whole = decode(column, final_type(kinds))
    monkeypatch.setattr(json_types, "_PIECE_BYTES", piece_bytes)
    assert kinds_of(column) == kinds
    decoded = decode(column, final_type(kinds))
    assert (decoded.type, decoded.to_pylist()) == (whole.type, whole.to_pylist())


@pytest.mark.parametrize(
    "texts",
    [
        (str(BEYOND_53), "0.5"),  # float64 would change the integer
        (str(BEYOND_64),),
        ("1", "true"),
        ("1", '"1"'),
        ("[1]",),
        ('"a"', '"\\ud800"'),
        ("1e400", "1"),
    ],
)
def test_mixed_column_stays_json_texts(texts: tuple[str, ...]) -> None:
    column = chunked(*texts, "null")
    assert final_type(kinds_of(column)) is None
    assert decode(column, None).to_pylist() == [*texts, None]


def test_pyarrow_reads_numbers_as_json_means_them() -> None:
    """The upstream fact that `decode` rests on: casts from string are exact and correctly rounded."""
    source = random.Random(4)
    doubles = [struct.unpack("<d", source.randbytes(8))[0] for _ in range(2000)]
    texts = [
        text for text in map(json.dumps, doubles) if text.lower() not in {"nan", "infinity", "-infinity"}
    ]
    texts += ["5e-324", "1.7976931348623157e308", "-0.0", "1E+2", "123456789012345678901234567890.5"]
    decoded = decode(chunked(*texts), pa.float64()).to_pylist()
    assert [struct.pack("<d", value) for value in decoded] == [struct.pack("<d", float(t)) for t in texts]
    integers = [str(source.randrange(-(2**63), 2**63)) for _ in range(1000)]
    assert decode(chunked(*integers), pa.int64()).to_pylist() == [int(text) for text in integers]


def test_what_orjson_writes_is_read_back_as_it_was() -> None:
    values = ["a", "\x00", "\u2028", "\U0001f600", 'quote " backslash \\']
    texts = [orjson.dumps(value).decode() for value in values]
    assert decode(chunked(*texts), pa.string()).to_pylist() == values
