"""How exactly `--rate` is kept: the rate's error as the server saw it, and how late requests left after being due.

Lateness is `wait_ms` of the output: from when the pacing had a request due until it was sent. What a schedule loses to
stalls longer than `CATCH_UP_S` is in `put_back`; `behind` is the last arrival's distance from a perfect schedule begun
at the first. Beside each run stands the machine: after it two processes keep the same rate that have nothing to wait
for and compute for the share of a core that the client and the server had used (`beats.py`).

    python benchmarks/pacing.py --rounds 5
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from itertools import pairwise
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
BEATS = Path(__file__).with_name("beats.py")
BUSIEST = 0.9  # share of a core: a schedule that asks for all of it cannot be kept by anybody


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
                with local_aws("instances=1", "concurrency_per_instance=100000") as aws:
                    found = _paced(aws, source, scratch / "out.parquet", rate, asked.seconds)
                samples.append({"round": number, "rate": rate} | found | _machine(found, rate))
            save(asked.json, machine=machine, settings=settings, samples=samples)
    _report(samples)
    print(f"raw numbers: {asked.json}")
    return 0


def _paced(aws: LocalAws, source: Path, output: Path, rate: int, seconds: float) -> dict[str, Any]:
    """Run at `rate` and return what came of it; a run of one row tells what starting and ending cost."""
    rows = round(rate * seconds)
    command = [*FANOUT, "run", source, "--endpoint", aws.endpoint, "-o", output, "-q", "--overwrite"]
    start = run([*command, "--limit", "1"], env=aws.env)
    server_s = aws.cpu_s()
    usage = run([*command, "--rate", str(rate), "--limit", str(rows)], env=aws.env)
    server_s = aws.cpu_s() - server_s
    arrivals = aws.arrivals(1)
    if len(arrivals) != rows:
        sys.exit(f"{len(arrivals)} requests arrived, not {rows}")
    table = pq.read_table(output, columns=["due_at", "wait_ms", "invoke_ms"])
    late = pc.quantile(table["wait_ms"], q=[0.5, 0.99, 1.0]).to_pylist()
    due = sorted(instant.timestamp() for instant in table["due_at"].to_pylist())
    took_s = arrivals[-1] - arrivals[0]
    return {
        "rows": rows,
        "error": (rows - 1) / took_s / rate - 1.0,
        "busiest_second": busiest_second(arrivals),
        "behind_ms": (took_s - (rows - 1) / rate) * 1e3,
        "put_back_ms": sum(max(later - earlier - 1 / rate, 0.0) for earlier, later in pairwise(due)) * 1e3,
        "late_p50_ms": late[0],
        "late_p99_ms": late[1],
        "late_max_ms": late[2],
        "invoke_max_ms": pc.max(table["invoke_ms"]).as_py(),
        "client_share": (usage.cpu_s - start.cpu_s) / took_s,
        "server_share": server_s / took_s,
    }


def _machine(found: dict[str, Any], rate: int) -> dict[str, float]:
    """Return how the machine kept the same schedule for two processes that only compute as much."""
    client, server = (
        subprocess.Popen(
            [
                *(sys.executable, BEATS, "--rate", str(rate), "--beats", str(found["rows"])),
                *("--busy", str(min(found[share], BUSIEST)), "--catch-up", str(CATCH_UP_S)),
            ],
            stdout=subprocess.PIPE,
        )
        for share in ("client_share", "server_share")
    )
    said, _ = (process.communicate()[0] for process in (client, server))
    return {f"machine_{name}": value for name, value in json.loads(said).items()}


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
        f" {'machine: error %':>24} {'p99 ms':>20}"
    )
    for rate in sorted({sample["rate"] for sample in samples}):
        found = [sample for sample in samples if sample["rate"] == rate]
        error = Spread.of(sample["error"] * 100 for sample in found)
        busiest = max(sample["busiest_second"] for sample in found)
        behind = Spread.of(sample["behind_ms"] for sample in found).median
        p50, p99 = (Spread.of(sample[name] for sample in found) for name in ("late_p50_ms", "late_p99_ms"))
        lost = Spread.of(sample["machine_error"] * 100 for sample in found)
        machine = Spread.of(sample["machine_p99_ms"] for sample in found)
        print(
            f"{rate:8,} {_signed(error):>24} {busiest:10,} {behind:10.1f} {f'{p50:.2f}':>20} {f'{p99:.2f}':>20}"
            f" {_signed(lost):>24} {f'{machine:.2f}':>20}"
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
