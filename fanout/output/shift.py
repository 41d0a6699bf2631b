"""Gives the rows of a shard, which numbers them from 0, their numbers in the whole input."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from fanout.domain.message_rows import renumbered


@dataclass(frozen=True, slots=True)
class Shift:
    """How the rows of a shard are renumbered.

    Attributes:
        rows_before: Rows of the shards before it.
        paths: The files that it read: a rejected row's message begins with one of them.
    """

    rows_before: int
    paths: Collection[str]

    def message(self, text: str) -> str:
        """Return the message of a rejected row with its number in the whole input."""
        return renumbered(text, paths=self.paths, rows_before=self.rows_before)

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the rows of a part of the shard, renumbered."""
        if not self.rows_before:
            return batch
        batch = _put(batch, "row", pc.add(batch.column("row"), pa.scalar(self.rows_before, pa.int64())))
        rejected = pc.fill_null(pc.equal(batch.column("status"), "rejected"), False)  # noqa: FBT003 - pyarrow's
        if not pc.any(rejected, min_count=0).as_py():
            return batch
        texts = [
            self.message(text) if text is not None and is_rejected else text
            for text, is_rejected in zip(
                batch.column("error_message").to_pylist(), rejected.to_pylist(), strict=True
            )
        ]
        return _put(batch, "error_message", pa.array(texts, pa.string()))


def _put(batch: pa.RecordBatch, name: str, column: pa.Array) -> pa.RecordBatch:
    index = batch.schema.get_field_index(name)
    columns = [column if place == index else each for place, each in enumerate(batch.columns)]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)
