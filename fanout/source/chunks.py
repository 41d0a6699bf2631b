"""Gathers rows into chunks, bounded in rows and bytes, so that one hop between threads carries many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fanout.domain.records import Record, Rejected, value_bytes
from fanout.source.settings import CHUNK_BYTES, CHUNK_ROWS

Chunk = list[Record | Rejected]


def in_chunks(items: Iterable[Record | Rejected | None]) -> Iterator[Chunk]:
    """Yield `items` in chunks; a row that is larger than a chunk is one of its own, None ends a chunk early.

    What is pending is yielded before an error of `items` goes on, so that the rows before the damage count.
    """
    chunk: Chunk = []
    size_bytes = 0
    try:
        for item in items:
            if item is not None:
                weight = weight_bytes(item)
                if chunk and size_bytes + weight > CHUNK_BYTES:
                    yield chunk
                    chunk, size_bytes = [], 0
                chunk.append(item)
                size_bytes += weight
                if len(chunk) < CHUNK_ROWS:
                    continue
            if chunk:
                yield chunk
                chunk, size_bytes = [], 0
    except Exception:
        if chunk:
            yield chunk
        raise
    if chunk:
        yield chunk


def weight_bytes(item: Record | Rejected) -> int:
    """Return about how many bytes of its own a row holds."""
    weight = len(item.payload) if isinstance(item, Record) else len(item.message)
    return weight + sum(map(value_bytes, item.passthrough))
