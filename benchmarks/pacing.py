"""How exactly `--rate` is kept: the rate's error as the server saw it, and how late requests left after being due.

Both for whole runs and for requests alone, since a rate that two cores can send may be more than they can collect.
Lateness is from when the pacing had a request due until it was sent, as the journal says. What a schedule loses to
stalls longer than `CATCH_UP_S` is in `put_back`; `behind` is the last arrival's distance from a perfect schedule begun
at the first. Beside each run stands the machine: after it two processes keep the same rate that have nothing to wait
for and compute for the share of a core that the client and the server had used (`beats.py`).

    python benchmarks/pacing.py --rounds 5
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from aws import LocalAws, local_aws
from child import Usage, run
from contenders import FANOUT, SERVERS, Mode, submit
from figures import Spread
from inputs import write_rows
from machine import RESULTS, describe, rotated, save

from fanout.engine.pacing import CATCH_UP_S

RATES = (100, 1_000, 5_000)
MODES: tuple[Mode, ...] = ("submit", "end to end")
PAYLOAD_BYTES = 1_000
BEATS = Path(__file__).with_name("beats.py")
BUSIEST = 0.9  # share of a core: a schedule that asks for all of it cannot be kept by anybody


def main() -> int:
    asked = _arguments()
    machine = describe()
    samples: list[dict[str, Any]] = []
    settings = {name: getattr(asked, name) for name in ("rounds", "modes", "rates", "seconds")}
    cases = [*product(asked.modes, asked.rates)]
    with tempfile.TemporaryDirectory(prefix="fanout-benchmark-") as directory:
        most = round(max(asked.rates) * asked.seconds)
        source = write_rows(Path(directory, "in.jsonl"), rows=most, payload_bytes=PAYLOAD_BYTES)
        for number in range(asked.rounds):
            for place in rotated(map(str, range(len(cases))), number):
                mode, rate = cases[int(place)]
                with local_aws(*SERVERS[mode]) as aws:
                    found = _paced(aws, source, mode, rate, asked.seconds)
                samples.append({"round": number, "mode": mode, "rate": rate} | found | _machine(found, rate))
            save(asked.json, machine=machine, settings=settings, samples=samples)
    _report(samples)
    print(f"raw numbers: {asked.json}")
    return 0


def _paced(aws: LocalAws, source: Path, mode: Mode, rate: int, seconds: float) -> dict[str, Any]:
    """Run at `rate` and return what came of it; a run of one row tells what starting and ending cost."""
    rows = round(rate * seconds)
    with tempfile.TemporaryDirectory(prefix="fanout-benchmark-") as scratch:

        def used(name: str, count: int, *more: str) -> Usage:
            own = ["-o", f"{scratch}/{name}.parquet", "--run-dir", f"{scratch}/{name}", "--limit", str(count)]
            command = [*FANOUT, "run", source, "--endpoint", aws.endpoint, "-q", *own, *more]
            if mode == "end to end":
                return run(command, env=aws.env)
            return submit(command, aws, rows=count, window=count)

        start, server_s = used("start", 1), aws.cpu_s()
        usage, server_s = used("paced", rows, "--rate", str(rate)), aws.cpu_s() - server_s
        due, sent, accepted = _instants(Path(scratch, "paced"))
    arrivals = aws.arrivals(1)
    if len(arrivals) != rows or len(due) != rows:
        sys.exit(f"{len(arrivals)} requests arrived and {len(due)} were journalled, not {rows}")
    late = pc.quantile(pc.subtract(sent, due), q=[0.5, 0.99, 1.0]).to_pylist()
    took_s = arrivals[-1] - arrivals[0]
    return {
        "rows": rows,
        "error": (rows - 1) / took_s / rate - 1.0,
        "busiest_second": busiest_second(arrivals),
        "behind_ms": (took_s - (rows - 1) / rate) * 1e3,
        "put_back_ms": sum(max(b - a - 1 / rate, 0.0) for a, b in pairwise(due.to_pylist())) * 1e3,
        "late_p50_ms": late[0] * 1e3,
        "late_p99_ms": late[1] * 1e3,
        "late_max_ms": late[2] * 1e3,
        "invoke_max_ms": pc.max(pc.subtract(accepted, sent)).as_py() * 1e3,
        "client_share": (usage.cpu_s - start.cpu_s) / took_s,
        "server_share": server_s / took_s,
    }


def _instants(run_dir: Path) -> list[pa.Array]:
    """Return when each row was due, sent and accepted, in seconds, in the order in which they were due."""
    with closing(sqlite3.connect(run_dir / "journal.sqlite")) as journal:
        rows = journal.execute(
            "SELECT due_at, sent_at, accepted_at FROM rows WHERE accepted_at NOT NULL ORDER BY due_at"
        )
        return [pa.array(instants, pa.float64()) for instants in zip(*rows, strict=True)]


def _machine(found: dict[str, Any], rate: int) -> dict[str, float]:
    """Return how the machine kept the same schedule for two processes that only compute as much."""
    client, server = (
        subprocess.Popen(
            [
                *(sys.executable, BEATS, "--rate", str(rate), "--beats", str(found["rows"])),
                # Two starts may differ by more CPU than a short run at a low rate takes.
                *("--busy", str(min(max(found[share], 0.0), BUSIEST)), "--catch-up", str(CATCH_UP_S)),
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
        f"{'':12} {'rate/s':>8} {'error %':>24} {'busiest s':>10} {'behind ms':>10} {'late p50 ms':>20}"
        f" {'late p99 ms':>20} {'machine: error %':>24} {'p99 ms':>20}"
    )
    for mode, rate in sorted({(sample["mode"], sample["rate"]) for sample in samples}):
        found = [sample for sample in samples if (sample["mode"], sample["rate"]) == (mode, rate)]
        error = Spread.of(sample["error"] * 100 for sample in found)
        busiest = max(sample["busiest_second"] for sample in found)
        behind = Spread.of(sample["behind_ms"] for sample in found).median
        p50, p99 = (Spread.of(sample[name] for sample in found) for name in ("late_p50_ms", "late_p99_ms"))
        lost = Spread.of(sample["machine_error"] * 100 for sample in found)
        machine = Spread.of(sample["machine_p99_ms"] for sample in found)
        print(
            f"{mode:12} {rate:8,} {_signed(error):>24} {busiest:10,} {behind:10.1f} {f'{p50:.2f}':>20}"
            f" {f'{p99:.2f}':>20} {_signed(lost):>24} {f'{machine:.2f}':>20}"
        )


def _signed(percent: Spread) -> str:
    return f"{percent.median:+.2f} ({percent.low:+.2f} to {percent.high:+.2f})"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rates", type=int, nargs="+", default=RATES, metavar="PER_S")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each rate is kept")
    parser.add_argument("--json", type=Path, default=RESULTS / "pacing.json")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
