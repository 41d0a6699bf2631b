"""Computes for a while at each beat of a schedule and tells how late it began: what the machine takes from anybody.

    python benchmarks/beats.py --rate 1000 --beats 10000 --busy 0.4 --catch-up 0.005

Stands in for a paced process that has nothing to wait for but the machine. Prints one JSON line. As with `--rate`, a
beat that begins later than `--catch-up` seconds puts the schedule back, and no other does. Standard library only.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from statistics import quantiles


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, required=True, help="beats a second")
    parser.add_argument("--beats", type=int, required=True, help="how many: two at least")
    parser.add_argument("--busy", type=float, required=True, help="share of a core that computing takes")
    parser.add_argument("--catch-up", type=float, required=True, help="seconds")
    asked = parser.parse_args()
    print(json.dumps(beats(asked.rate, asked.beats, busy=asked.busy, catch_up_s=asked.catch_up)))
    return 0


def beats(rate: float, count: int, *, busy: float, catch_up_s: float) -> dict[str, float]:
    """Keep `count` beats; return how late they began, in milliseconds, and the error of the rate."""
    late: list[float] = []
    compute_s = busy / rate
    began = due = time.perf_counter()
    for _ in range(count):
        now = time.perf_counter()
        if now < due:
            time.sleep(due - now)
            now = time.perf_counter()
        due = max(due, now - catch_up_s)
        late.append(now - due)
        while time.perf_counter() < now + compute_s:
            pass
        last, due = now, due + 1.0 / rate
    percentiles = quantiles(late, n=100, method="inclusive")
    error = (count - 1) / (last - began) / rate - 1.0
    return {"p50_ms": percentiles[49] * 1e3, "p99_ms": percentiles[98] * 1e3, "error": error}


if __name__ == "__main__":
    sys.exit(main())
