"""Counts sizes in bytes and tells their quantiles, in memory that does not grow with how many there are."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from fanout.domain.percentiles import P999_MIN

_BITS = 10
"""Leading bits that sizes of one bucket share: a quantile is within 0.1 % of the truth, below 1,024 bytes exact."""


@dataclass(slots=True)
class Sizes:
    """Sizes, in buckets that grow with them; equal sizes alone in their bucket are told exactly.

    Attributes:
        count: How many.
        total: Their sum in bytes.
        largest: The largest in bytes; 0 without any.
    """

    count: int = 0
    total: int = 0
    largest: int = 0
    _buckets: dict[int, tuple[int, int]] = field(default_factory=dict)

    def add(self, size_bytes: int) -> None:
        """Count a size."""
        self.count += 1
        self.total += size_bytes
        self.largest = max(self.largest, size_bytes)
        shift = max(0, size_bytes.bit_length() - _BITS)
        bucket = size_bytes >> shift << shift
        many, together = self._buckets.get(bucket, (0, 0))
        self._buckets[bucket] = (many + 1, together + size_bytes)

    @property
    def p999(self) -> int | None:
        """The size that 99.9 % do not exceed; None of too few, of which it would be the largest."""
        return self.quantile(0.999) if self.count >= P999_MIN else None

    def quantile(self, q: float) -> int | None:
        """Return the size that a share `q` of all, 0..1, do not exceed; None without any."""
        if not self.count:
            return None
        if q >= 1.0:
            return self.largest
        left = max(1, math.ceil(q * self.count))
        for bucket in sorted(self._buckets):
            many, together = self._buckets[bucket]
            left -= many
            if left <= 0:
                return round(together / many)
        return self.largest
