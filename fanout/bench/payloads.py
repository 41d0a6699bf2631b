"""Makes the payloads to send: of its own in the planned sizes, or from the rows of a dataset.

Each is a template, a `Record` without its row; `arrivals` makes two of each. Rows that cannot be sent both inline
and via S3 are counted.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import Protocol

import pyarrow as pa

from fanout.bench.plan import Plan, blocks
from fanout.domain.limits import INLINE_MAX_BYTES
from fanout.domain.records import Options, Record, Rejected
from fanout.ports import Rows


class Payloads(Protocol):
    """Pairs to send inline and via S3; `skipped` are rows that cannot be sent both ways, by reason."""

    @property
    def passthrough_schema(self) -> pa.Schema:
        """Types of the passthrough columns."""
        ...

    @property
    def skipped(self) -> Mapping[str, int]:
        """Rows that were left out, by reason."""
        ...

    @property
    def total_pairs(self) -> int | None:
        """How many pairs there will be, warm-up included; None if only reading can tell."""
        ...

    def templates(self) -> AsyncGenerator[tuple[Record, bool], None]:
        """Yield each pair's record, and whether it is warm-up."""
        ...


class Made:
    """JSON texts of exactly the planned sizes.

    A model that needs more than any JSON gets a dataset of the user's; the local AWS takes anything.
    """

    passthrough_schema: pa.Schema = pa.schema([])
    skipped: Mapping[str, int] = MappingProxyType({})

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.total_pairs: int | None = plan.warmup + plan.pairs * len(plan.sizes)
        self._payloads = {size: payload_of(size) for size in plan.sizes}

    async def templates(self) -> AsyncGenerator[tuple[Record, bool], None]:
        """Yield the planned pairs, block by block."""
        plan = self._plan
        options = Options(content_type="application/json")
        warm = blocks(plan, pairs=plan.warmup)
        cold = blocks(plan, pairs=plan.pairs * len(plan.sizes))
        for size in warm:
            yield Record(0, None, self._payloads[size], options), True
        for size in cold:
            yield Record(0, None, self._payloads[size], options), False


@dataclass
class Dataset:
    """The rows of the user's input that can be sent both inline and via S3, in its order.

    Attributes:
        rows: The input.
        warmup: Pairs to send before, of the first rows over and over.
        skipped: Rows left out, by reason: not valid, larger than a request takes, an object in S3.
    """

    rows: Rows
    warmup: int
    skipped: dict[str, int] = field(default_factory=dict)

    @property
    def passthrough_schema(self) -> pa.Schema:
        """Types of the passthrough columns that the user chose."""
        return self.rows.passthrough_schema

    @property
    def total_pairs(self) -> int | None:
        """None: which rows can go both ways shows when they are read."""
        return None

    async def templates(self) -> AsyncGenerator[tuple[Record, bool], None]:
        """Yield the rows, after as many of the first chunk as the warm-up takes."""
        warm = self.warmup
        async with aclosing(self.rows.chunks()) as chunks:
            async for chunk in chunks:
                usable = [record for item in chunk if (record := self._usable(item)) is not None]
                while warm and usable:
                    for record in islice(usable, warm):
                        yield record, True
                    warm -= min(warm, len(usable))
                for record in usable:
                    yield record, False

    def _usable(self, record: Record | Rejected) -> Record | None:
        if isinstance(record, Rejected):
            reason = "invalid"
        elif record.location is not None:
            reason = "in S3 already"
        elif len(record.payload) > INLINE_MAX_BYTES:
            reason = "too large to go inline"
        else:
            return record
        self.skipped[reason] = self.skipped.get(reason, 0) + 1
        return None


def payload_of(size_bytes: int) -> bytes:
    """Return a JSON text of exactly `size_bytes` bytes: an object where one fits, else digits."""
    head, tail = b'{"fanout_bench":"', b'"}'
    room = size_bytes - len(head) - len(tail)
    return head + b"x" * room + tail if room >= 0 else b"1" * size_bytes
