"""Tells from a file's statistics whether all its instants fit into nanoseconds, which end in 1677 and 2262."""

from __future__ import annotations

import pyarrow as pa
from pyarrow import types as pat

from fanout.source.parquet.footers import PARQUET_ERRORS, Footer, opened

_PER_UNIT_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000}
_MOST_NS = 2**63 - 1


def in_nanoseconds(kind: pa.DataType, footer: Footer, path: tuple[str, ...]) -> pa.DataType:
    """Return the type of a column in nanoseconds, if it holds instants that all fit; else the type as it is.

    Statistics that are missing prove nothing.
    """
    if not pat.is_timestamp(kind) or kind.unit == "ns":
        return kind
    most = _MOST_NS // _PER_UNIT_NS[kind.unit]
    try:
        with opened(footer.file) as parquet:
            metadata = parquet.metadata
            leaves = [
                i for i in range(len(parquet.schema)) if parquet.schema.column(i).path == ".".join(path)
            ]
            chunks = [
                metadata.row_group(group).column(leaf)
                for group in range(metadata.num_row_groups)
                for leaf in leaves
            ]
            fits = bool(chunks) and all(_within(chunk.statistics, chunk.num_values, most) for chunk in chunks)
    except PARQUET_ERRORS:
        return kind
    return pa.timestamp("ns", kind.tz) if fits else kind


def _within(statistics: object, values: int, most: int) -> bool:
    if statistics is None:
        return False
    if getattr(statistics, "has_min_max", False):
        return bool(-most <= statistics.min_raw and statistics.max_raw <= most)  # type: ignore[attr-defined]
    return bool(statistics.has_null_count and statistics.null_count == values)  # type: ignore[attr-defined]
