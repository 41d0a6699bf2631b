"""How exactly `--rate` is kept: the rate's error as the server saw it, and how late requests left after being due.

Lateness is `wait_ms` of the output: from when the pacing had a request due until it was sent. A schedule that slips as
a whole shows in the rate and in `behind`, the last arrival's distance from a perfect schedule begun at the first. What
the requests were late together, and the longest of them under way, are the most that a kept schedule may be off by.
Before each run the machine is measured alone: a process that does nothing but sleep for a millisecond, again and again.

    python benchmarks/pacing.py --rounds 5
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
from aws import LocalAws, local_aws
from child import run
from contenders import FANOUT
from figures import Spread
from inputs import write_rows
from machine import RESULTS, describe, rotated, save

from fanout.pacing import CATCH_UP_S

RATES = (100, 1_000, 5_000)
PAYLOAD_BYTES = 1_000
ALONE_S = 5.0  # for which the machine is measured before each run
NAP_S = 0.001


def main() -> int:
    asked = _arguments()
    machine = describe()
    samples: list[dict[str, Any]] = []
    settings = {"rounds": asked.rounds, "rates": asked.rates, "seconds": asked.seconds}
    with tempfile.TemporaryDirectory(prefix="fanout-benchmark-") as directory:
        scratch = Path(directory)
        most = round(max(asked.rates) * asked.seconds)
        source = write_rows(scratch / "in.jsonl", rows=most, payload_bytes=PAYLOAD_BYTES)
        for number in range(asked.rounds):
            for rate in map(int, rotated(map(str, asked.rates), number)):
                alone = _alone(ALONE_S)
                with local_aws("instances=1", "concurrency_per_instance=100000") as aws:
                    found = _paced(aws, source, scratch / "out.parquet", rate, asked.seconds)
                samples.append({"round": number, "rate": rate} | alone | found)
            save(asked.json, machine=machine, settings=settings, samples=samples)
    _report(samples)
    print(f"raw numbers: {asked.json}")
    return 0


def _paced(aws: LocalAws, source: Path, output: Path, rate: int, seconds: float) -> dict[str, Any]:
    """Run at `rate` and return what came of it."""
    rows = round(rate * seconds)
    command = [*FANOUT, "run", source, "--endpoint", aws.endpoint, "-o", output, "--rate", str(rate)]
    run([*command, "--limit", str(rows), "-q", "--overwrite"], env=aws.env)
    arrivals = aws.arrivals(0)
    if len(arrivals) != rows:
        sys.exit(f"{len(arrivals)} requests arrived, not {rows}")
    table = pq.read_table(output, columns=["wait_ms", "invoke_ms"])
    late = pc.quantile(table["wait_ms"], q=[0.5, 0.99, 1.0]).to_pylist()
    took_s = arrivals[-1] - arrivals[0]
    return {
        "rows": rows,
        "error": (rows - 1) / took_s / rate - 1.0,
        "busiest_second": busiest_second(arrivals),
        "behind_ms": (took_s - (rows - 1) / rate) * 1e3,
        "late_p50_ms": late[0],
        "late_p99_ms": late[1],
        "late_max_ms": late[2],
        "late_sum_ms": pc.sum(table["wait_ms"]).as_py(),
        "invoke_max_ms": pc.max(table["invoke_ms"]).as_py(),
    }


def _alone(seconds: float) -> dict[str, float]:
    """Return how late the machine wakes a process that only sleeps, and what a schedule would lose by that.

    As for `--rate`, a schedule is put back by a wake-up that is later than `CATCH_UP_S`, and by no other.
    """
    late: list[float] = []
    ends = time.perf_counter() + seconds
    while (began := time.perf_counter()) < ends:
        time.sleep(NAP_S)
        late.append(time.perf_counter() - began - NAP_S)
    p50, p99 = (pc.quantile(late, q=[0.5, 0.99]).to_numpy() * 1e3).tolist()
    lost = sum(each for each in late if each > CATCH_UP_S) / seconds
    return {"alone_p50_ms": p50, "alone_p99_ms": p99, "alone_error": -lost}


def busiest_second(arrivals: list[float]) -> int:
    """Return the most arrivals within any one second, wherever it begins."""
    most = first = 0
    for last, arrival in enumerate(arrivals):
        while arrival - arrivals[first] >= 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


def _report(samples: list[dict[str, Any]]) -> None:
    print("\nkept rates (median of rounds, least to greatest)")
    print(
        f"{'rate/s':>8} {'error %':>24} {'busiest s':>10} {'behind ms':>10} {'late p50 ms':>20} {'late p99 ms':>20}"
        f" {'machine alone: error %':>24} {'p99 ms':>20}"
    )
    for rate in sorted({sample["rate"] for sample in samples}):
        found = [sample for sample in samples if sample["rate"] == rate]
        error = Spread.of(sample["error"] * 100 for sample in found)
        busiest = max(sample["busiest_second"] for sample in found)
        behind = Spread.of(sample["behind_ms"] for sample in found).median
        p50, p99 = (Spread.of(sample[name] for sample in found) for name in ("late_p50_ms", "late_p99_ms"))
        lost = Spread.of(sample["alone_error"] * 100 for sample in found)
        alone = Spread.of(sample["alone_p99_ms"] for sample in found)
        print(
            f"{rate:8,} {_signed(error):>24} {busiest:10,} {behind:10.1f} {f'{p50:.2f}':>20} {f'{p99:.2f}':>20}"
            f" {_signed(lost):>24} {f'{alone:.2f}':>20}"
        )


def _signed(percent: Spread) -> str:
    return f"{percent.median:+.2f} ({percent.low:+.2f} to {percent.high:+.2f})"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rates", type=int, nargs="+", default=RATES, metavar="PER_S")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each rate is kept")
    parser.add_argument("--json", type=Path, default=RESULTS / "pacing.json")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
