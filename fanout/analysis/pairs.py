"""Finds the pairs of an experiment's output file, and returns a phase's latencies of both transports side by side.

They are Arrow arrays in pair order, one phase at a time, so that a million pairs need no more memory than one column.
Warm-up and pairs that did not both succeed are left out, and counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

PAIR, WARMUP = "bench_pair", "bench_warmup"
"""Passthrough columns of the output: which rows belong together, and which do not count."""

PHASES = ("wait", "upload", "invoke", "service", "notify", "fetch", "total", "raw")
"""`total` counts from when the request was due; `raw` is the same without the wait, as a tool would measure it that
starts its stopwatch when it sends."""

DISTINCT_MAX = 12
BINS = (1_000, 8_000, 32_000, 64_000, 128_000)
"""Upper ends of size classes, in bytes, where payloads come in more than `DISTINCT_MAX` sizes."""


@dataclass(frozen=True, slots=True)
class Group:
    """Pairs whose payloads have from `from_bytes` to `to_bytes` bytes; `members` are places in pair order."""

    from_bytes: int
    to_bytes: int
    members: pa.Array


@dataclass(slots=True)
class Samples:
    """The pairs of one experiment.

    Attributes:
        pairs: Pairs of which both succeeded.
        incomplete: Pairs that count and of which one or both did not.
    """

    path: Path
    pairs: int
    incomplete: int
    groups: tuple[Group, ...]
    _inline: pa.Array = field(repr=False)
    _s3: pa.Array = field(repr=False)

    def phase(self, name: str) -> tuple[pa.Array, pa.Array]:
        """Return the milliseconds of a phase, inline and S3, in pair order; a phase that a transport lacks is null."""
        if name == "raw":
            table = pq.read_table(self.path, columns=["total_ms", "wait_ms"])
            column = pc.subtract(table["total_ms"], table["wait_ms"])
        else:
            column = pq.read_table(self.path, columns=[f"{name}_ms"])[f"{name}_ms"]
        flat = column.combine_chunks()
        return flat.take(self._inline), flat.take(self._s3)


def read_samples(path: Path) -> Samples:
    """Return the pairs of `path`."""
    table = pq.read_table(path, columns=[PAIR, WARMUP, "transport", "status", "payload_bytes"])
    place = pa.array(range(len(table)), pa.int64())
    counts = pc.invert(pc.fill_null(table[WARMUP], fill_value=True))
    good = pc.and_(counts, pc.equal(table["status"], "succeeded"))
    found = []
    for way in ("inline", "s3"):
        mask = pc.and_(good, pc.equal(pc.fill_null(table["transport"], ""), way)).combine_chunks()
        pairs = table[PAIR].combine_chunks().filter(mask)
        order = pc.sort_indices(pairs)
        found.append((pairs.take(order), place.filter(mask).take(order)))
    (pairs_inline, rows_inline), (pairs_s3, rows_s3) = found
    inline = rows_inline.filter(pc.is_in(pairs_inline, value_set=pairs_s3))
    s3 = rows_s3.filter(pc.is_in(pairs_s3, value_set=pairs_inline))
    begun = len(pc.unique(table[PAIR].combine_chunks().filter(counts.combine_chunks())))
    sizes = table["payload_bytes"].combine_chunks().take(inline)
    return Samples(path, len(inline), begun - len(inline), _groups(sizes), inline, s3)


def _groups(sizes: pa.Array) -> tuple[Group, ...]:
    """Return the pairs by size: each size for itself where there are few, else size classes."""
    distinct = sorted(pc.unique(sizes).to_pylist())
    if len(distinct) <= DISTINCT_MAX:
        edges = [(size, size) for size in distinct]
    else:
        edges = [(low + 1 if low else 0, high) for low, high in zip((0, *BINS), BINS, strict=False)]
    groups = []
    for low, high in edges:
        mask = pc.and_(pc.greater_equal(sizes, low), pc.less_equal(sizes, high))
        members = pc.indices_nonzero(mask)
        if len(members):
            groups.append(Group(low, high, members))
    return tuple(groups)
