"""Holds what to read and how, and the few numbers that bound a source's memory. The configuration has the defaults."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal

Format = Literal["jsonl", "parquet"]
Compression = Literal["none", "gzip", "zstd"]

CHUNK_ROWS = 1_000
"""Rows of a chunk at most: what one hop between threads (about 60 µs) is shared by."""
CHUNK_BYTES = 8 << 20
"""Payload and kept bytes of a chunk at most, unless a single row is larger. Rows of 100 KB: with chunks of 1 MiB their
intents were journalled ten at a time, and a row took 600 µs of CPU where it takes 460 now; 16 MiB gain nothing more."""


@dataclass(frozen=True, slots=True)
class InputSettings:
    """Where the rows are, and the bounds under which they are read.

    Attributes:
        paths: Files, directories (read recursively), globs, `s3://` uris, or `-` for stdin, read in this order.
        format: `auto` goes by the name's suffix, then by the first bytes.
        compression: Of JSON Lines. `auto` goes by suffix and first bytes, which must not contradict each other.
        limit: Rows to read at most, rejected ones included.
        line_cap_bytes: Longest row. A longer line is skipped unread and rejected, as is every row of a Parquet
            row group whose values are larger on average. Parsed, a line of the worst kind takes 25 times its length.
        batch_bytes: Decoded bytes of a Parquet batch, aimed at.
        block_bytes: Bytes of JSON Lines read (or decompressed) at a time. Of rows of 100 KB, two in five lie in two
            blocks of 256 KiB and are copied once more: 40 µs of CPU a row over all.
        any_json: Take lines whose top-level value is not an object; by default they are rejected rows.
        text_columns: Binary columns of Parquet whose bytes are UTF-8, as Hive and Impala write strings.
    """

    paths: tuple[str, ...]
    _: KW_ONLY
    format: Format | Literal["auto"]
    compression: Compression | Literal["auto"]
    limit: int | None = None
    line_cap_bytes: int
    batch_bytes: int
    block_bytes: int = 1 << 20
    any_json: bool = False
    text_columns: tuple[str, ...] = ()
