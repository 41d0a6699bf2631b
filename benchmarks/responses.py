"""How much memory runs with large responses take at their peak, with either client.

A run that may hold 256 MiB (`pacing.held_bytes`) may take that and 1.3 times the largest response.

    python benchmarks/responses.py

Prints a table in Markdown, and leaves with 1 if a peak is above its bound.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from aws import local_aws
from child import run
from contenders import FANOUT
from inputs import write_rows

HELD_BYTES = 256 * 1024 * 1024  # pacing.held_bytes
LARGEST_TIMES = 1.3
CASES = ((24, 60_000_000), (1, 1_000_000_000))
CLIENTS = ("wire", "aiobotocore")


@dataclass(frozen=True, slots=True)
class Peak:
    """What one run took."""

    rows: int
    size_bytes: int
    client: str
    peak_bytes: int
    seconds: float

    @property
    def bound_bytes(self) -> int:
        """What it may have taken."""
        return HELD_BYTES + int(LARGEST_TIMES * self.size_bytes)

    def line(self) -> str:
        """Return it as a line of the table."""
        peak, bound = (f"{size / 1e6:,.0f} MB" for size in (self.peak_bytes, self.bound_bytes))
        size = f"{self.size_bytes / 1e6:,g} MB"
        return f"| {self.rows} of {size} | {self.client} | {peak} | {bound} | {self.seconds:.1f} |"


def main() -> int:
    """Measure every case with every client."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scale", type=float, default=1.0, help="of the sizes")
    scale = parser.parse_args().scale
    found = [
        measure(rows, int(size_bytes * scale), client) for rows, size_bytes in CASES for client in CLIENTS
    ]
    print("| responses | client | peak | bound | seconds |")
    print("|---|---|---:|---:|---:|")
    for peak in found:
        print(peak.line())
    return int(any(peak.peak_bytes > peak.bound_bytes for peak in found))


def measure(rows: int, size_bytes: int, client: str) -> Peak:
    """Run `rows` rows whose responses have `size_bytes` more than usual."""
    with (
        tempfile.TemporaryDirectory(prefix="fanout-benchmark-") as directory,
        local_aws(f"response_padding_bytes={size_bytes}") as aws,
    ):
        scratch = Path(directory)
        source = write_rows(scratch / "in.jsonl", rows=rows, payload_bytes=1_000)
        command = [*FANOUT, "run", source, "--endpoint", aws.endpoint, "-o", scratch / "out.parquet", "-q"]
        usage = run(
            command,
            env=aws.env | {"FANOUT_TRANSPORT_CLIENT": client, "FANOUT_PACING_HELD_BYTES": str(HELD_BYTES)},
        )
    return Peak(rows, size_bytes, client, usage.peak_bytes, usage.seconds)


if __name__ == "__main__":
    sys.exit(main())
