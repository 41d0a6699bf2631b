"""Makes the data of `remote.py`, and compares what came of it; a process of its own, as pyarrow would make that large.

python benchmarks/remote_data.py write DIRECTORY ROWS
python benchmarks/remote_data.py compare SOURCE STORED
"""

from __future__ import annotations

import base64
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

TEXT_BYTES = 25_000
ROW_GROUP_ROWS = 1_000
SCHEMA = pa.schema([("row", pa.int64()), ("text", pa.string())])


def write(directory: Path, rows: int) -> None:
    """Write the same rows as JSON Lines and as Parquet; Parquet keeps base64 in three quarters of its length."""
    rng = random.Random(1)
    with (
        (directory / "in.jsonl").open("w", encoding="ascii") as lines,
        pq.ParquetWriter(directory / "in.parquet", SCHEMA, compression="zstd") as writer,
    ):
        for first in range(0, rows, ROW_GROUP_ROWS):
            numbers = range(first, min(first + ROW_GROUP_ROWS, rows))
            texts = [base64.b64encode(rng.randbytes(TEXT_BYTES * 3 // 4)).decode() for _ in numbers]
            lines.writelines(
                f'{{"row":{row},"text":"{text}"}}\n' for row, text in zip(numbers, texts, strict=True)
            )
            writer.write_table(pa.table([list(numbers), texts], schema=SCHEMA))


def compare(source: Path, stored: Path) -> None:
    """Return if the stored output has every row of the input once, in order, with its text.

    Raises:
        SystemExit: It has not.
    """
    wanted = pq.ParquetFile(source).iter_batches(ROW_GROUP_ROWS, columns=["row", "text"])
    found = pq.ParquetFile(stored).iter_batches(ROW_GROUP_ROWS, columns=["row", "status", "text"])
    for want, have in zip(_regrouped(wanted), _regrouped(found), strict=True):
        same = want["row"].equals(have["row"]) and want["text"].equals(have["text"].cast(pa.string()))
        if not same or set(have["status"].to_pylist()) != {"succeeded"}:
            sys.exit(f"{stored}: it has not the rows of {source}, all of them succeeded")


def _regrouped(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield the same rows, `ROW_GROUP_ROWS` at a time, in one chunk."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        while sum(map(len, held)) >= ROW_GROUP_ROWS:
            table = pa.Table.from_batches(held).combine_chunks()
            yield table.slice(0, ROW_GROUP_ROWS).combine_chunks()
            held = table.slice(ROW_GROUP_ROWS).to_batches()
    if held:
        yield pa.Table.from_batches(held).combine_chunks()


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        compare(Path(sys.argv[2]), Path(sys.argv[3]))
