"""Looks at the input and at its first rows: whether they are found, readable, valid, and how they would travel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from fanout.commands.doctor.finding import Finding, failure, found, ok, warning
from fanout.domain.records import Inline, Record, Rejected
from fanout.domain.routing import Router, Routing
from fanout.source.source import Source
from fanout.text import count

HEAD_ROWS = 100
"""The rows that are looked at; all of them are `fanout plan`'s to read."""


@dataclass(frozen=True, slots=True)
class Head:
    """The first rows of an input.

    Attributes:
        rows: Them, in order, `HEAD_ROWS` at most.
        whole: Whether these are all.
    """

    rows: Sequence[Record | Rejected]
    whole: bool


async def read_head(source: Source) -> Head:
    """Return the first rows.

    Raises:
        InputError: They cannot be read.
        RunError: S3 does not permit it, or does not answer.
    """
    rows: list[Record | Rejected] = []
    async with aclosing(source.chunks()) as chunks:
        async for chunk in chunks:
            rows += chunk
            if len(rows) > HEAD_ROWS:
                return Head(rows[:HEAD_ROWS], whole=False)
    return Head(rows, whole=True)


def judge_input(source: Source) -> list[Finding]:
    """Return what is there to read."""
    size = source.statistics().bytes_total
    format_ = {"jsonl": "JSON Lines", "parquet": "Parquet"}[source.inputs[0].format]
    parts = [f"{count(len(source.inputs), 'file')} of {format_}"]
    if size is not None:
        parts.append(f"{size:,} bytes")
    total = source.total_rows()
    if total is not None:
        parts.append(count(total, "row"))
    return found("input", ", ".join(parts), warnings=source.warnings)


def judge_rows(head: Head, routing: Routing | None) -> list[Finding]:
    """Return what becomes of the first rows: which are bad, and how the others travel.

    Args:
        head: The first rows.
        routing: How rows travel; None where that is not known.
    """
    rows = head.rows
    if not rows:
        return [warning("rows", "there is none: a run would write an output without rows")]
    ways: Counter[str] = Counter()
    bad: list[Rejected] = []
    router = None if routing is None else Router(routing)
    for row in rows:
        routed = router.route(row) if router is not None and isinstance(row, Record) else row
        if isinstance(routed, Rejected):
            bad.append(routed)
        elif not isinstance(routed, Record):
            ways["inline" if isinstance(routed, Inline) else "via S3"] += 1
    which = f"the first {count(len(rows), 'row')}" if not head.whole else "the only row"
    if head.whole and len(rows) > 1:
        which = f"all {len(rows):,} rows"
    if not bad:
        travel = ", ".join(f"{number:,} {way}" for way, number in sorted(ways.items()))
        good = f"{which} {'is' if len(rows) == 1 else 'are'} valid"
        return [ok("rows", f"{good}: {travel}" if travel else good)]
    some = which if len(bad) == len(rows) else f"{len(bad):,} of {which}"
    text = (
        f"{some} would be rejected, the first for {bad[0].code}: {bad[0].message}. Look at the data and at what the "
        "payload is made of (--payload-column, --payload-fields)"
    )
    return [failure("rows", text) if len(bad) == len(rows) else warning("rows", text)]


def first_payloads(head: Head, number: int) -> list[Record]:
    """Return the first `number` rows that are valid."""
    return [row for row in head.rows if isinstance(row, Record)][:number]
