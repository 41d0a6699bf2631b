"""Tells whether a file's instants fit into nanoseconds, which end in 1677 and 2262, and which are cut when read."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types as pat

from fanout.source.parquet.footers import PARQUET_ERRORS, Footer, opened

_PER_UNIT_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000}
_MOST_NS = 2**63 - 1
_LOOKED_AT = 1_024
"""Rows of a file that are looked at for instants that would be cut."""


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


def cut_columns(footer: Footer, paths: Sequence[str]) -> list[str]:
    """Return the columns among `paths` whose first instants are finer than the microseconds that INT96 is read as."""
    leaves = [
        leaf for leaf in footer.int96 if any(leaf == path or leaf.startswith(f"{path}.") for path in paths)
    ]
    if not leaves:
        return []
    try:
        with opened(footer.file) as coarse, opened(footer.file, int96_unit="ns") as fine:
            first, exact = (
                next(each.iter_batches(_LOOKED_AT, columns=leaves, use_threads=False))
                for each in (coarse, fine)
            )
    except (*PARQUET_ERRORS, StopIteration):
        return []
    return [name for name in first.schema.names if _is_cut(first.column(name), exact.column(name))]


def _is_cut(coarse: pa.Array, fine: pa.Array) -> bool:
    if pat.is_timestamp(coarse.type):
        # Both wrap around alike where the instant does not fit into nanoseconds: the difference is what was cut.
        read = pc.multiply(coarse.cast(pa.int64()), 1_000)
        return bool(pc.any(pc.not_equal(fine.cast(pa.int64()), read)).as_py())
    if pat.is_struct(coarse.type):
        return any(map(_is_cut, coarse.flatten(), fine.flatten()))
    if pat.is_map(coarse.type):
        return _is_cut(coarse.keys, fine.keys) or _is_cut(coarse.items, fine.items)
    return coarse.type.num_fields == 1 and _is_cut(coarse.flatten(), fine.flatten())
