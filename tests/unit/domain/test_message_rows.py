"""The row in a message: of the shard first, of the whole input once that is known."""

from __future__ import annotations

import pytest

from fanout.domain.message_rows import at_byte, at_row, renumbered


@pytest.mark.parametrize(
    ("message", "then"),
    [
        (f"{at_row('a.parquet', 3)}: no field 'x'", "a.parquet: row 103: no field 'x'"),
        (
            f"{at_byte('a.jsonl', 77, row=3)}: not JSON: row 3: here",
            "a.jsonl: byte 77, row 103: not JSON: row 3: here",
        ),
        (
            f"{at_row('a.parquet: row 5: .parquet', 0)}: null",
            "a.parquet: row 5: .parquet: row 100: null",
        ),
        ("a.jsonl:17: not JSON", "a.jsonl:17: not JSON"),
        ("another.parquet: row 3: no", "another.parquet: row 3: no"),
        ("the model said: row 3: no", "the model said: row 3: no"),
    ],
)
def test_the_rows_of_earlier_shards_are_added(message, then):
    paths = ["a.parquet", "a.jsonl", "a.parquet: row 5: .parquet"]
    assert renumbered(message, paths=paths, rows_before=100) == then
