"""What a shard knows of the whole input survives the way through JSON."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from fanout.source.known import Known, known_of


def test_types_and_their_marks_come_back():
    schema = pa.schema(
        [
            pa.field("a", pa.string(), metadata={b"fanout:json": b"1"}),
            pa.field("b", pa.timestamp("us", "UTC")),
            pa.field("c", pa.uuid()),
            pa.field("d", pa.list_(pa.struct([("x", pa.decimal128(38, 9))]))),
        ]
    )
    known = Known("s3://b/k.parquet", ("a", "b?"), schema)
    found = known_of(json.loads(json.dumps(known.as_dict())))
    assert found == known
    assert found.passthrough_schema.equals(schema, check_metadata=True)


@pytest.mark.parametrize("passthrough", ["", "no base64", "AAAA"])
def test_what_is_no_schema_is_damage(passthrough):
    with pytest.raises((ValueError, OSError)):
        known_of({"path": "", "names": [], "passthrough": passthrough})
