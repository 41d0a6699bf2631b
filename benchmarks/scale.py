"""How fanout's cost grows: CPU per record and peak memory over the rows of a run, and over the window of open rows.

The cost of starting is that of a run of one row just before. A run of 10,000 takes a second, half of which is starting,
so that figure is the middle one of five such pairs: single ones were 94 to 208 us a row where 1,000,000 rows cost 112
to 123 each. Over windows, every run is paced to one common rate and the model takes so long that three quarters of the
window are open at it: what differs is how many rows are open, and nothing else. Unpaced, a window of 10,000 comes and
goes in bursts, which cost less a row than a steady stream through a window of 100 does: fewer wake-ups, fuller groups.

    python benchmarks/scale.py --rounds 3
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from aws import local_aws
from child import run
from contenders import CONTENDERS, FANOUT, RIVALS
from figures import Spread
from inputs import write_rows
from machine import RESULTS, describe, rotated, save

ROWS = (10_000, 100_000, 1_000_000)
WINDOWS = (100, 1_000, 10_000, 100_000)
WINDOW_ROWS = 250_000  # so that a window of 100,000 is open to its share for more than half of the run
PER_S = 4_000  # that every window is kept at: half of what two cores do with the server in them
OPEN = 0.75  # of a window: were it full, it would pace the run, and in bursts
PAYLOAD_BYTES = 256
SHORT_ROWS, SHORT_TIMES = 10_000, 5
SETTINGS = ("rounds", "rows", "windows", "window_rows", "per_s", "pairs_of_short")


def main() -> int:
    asked = _arguments()
    machine = describe()
    samples: list[dict[str, Any]] = []
    settings = {
        name: getattr(asked, name)
        for name in ("rounds", "rows", "windows", "window_rows", "per_s", "pairs_of_short")
    }
    cases = [("rows", rows) for rows in asked.rows] + [("window", window) for window in asked.windows]
    with tempfile.TemporaryDirectory(prefix="fanout-benchmark-") as directory:
        scratch = Path(directory)
        most = max([*asked.rows, asked.window_rows])
        source = write_rows(scratch / "in.jsonl", rows=most, payload_bytes=PAYLOAD_BYTES)
        for number in range(asked.rounds):
            for kind, value in _rotated(cases, number):
                found = _measure(
                    source,
                    scratch,
                    rows=value if kind == "rows" else asked.window_rows,
                    window=value if kind == "window" else None,
                    per_s=asked.per_s,
                    pairs_of_short=asked.pairs_of_short,
                )
                samples.append({"round": number, "kind": kind, "value": value} | found)
                print(f"round {number + 1}: {kind} {value:,}: {found['cpu_us']:.1f} us", file=sys.stderr)
                save(asked.json, machine=machine, settings=settings, samples=samples)
    for kind in ("rows", "window"):
        _report([sample for sample in samples if sample["kind"] == kind], kind)
    print(f"raw numbers: {asked.json}")
    return 0


def _rotated(cases: list[tuple[str, int]], by: int) -> list[tuple[str, int]]:
    return [cases[int(place)] for place in rotated(map(str, range(len(cases))), by)]


def _measure(
    source: Path, scratch: Path, *, rows: int, window: int | None, per_s: float, pairs_of_short: int
) -> dict[str, Any]:
    """Return what a run used and what a row of it cost: of several short runs, the one in the middle."""
    pairs = []
    for _ in range(pairs_of_short if rows <= SHORT_ROWS else 1):
        start = _run(source, scratch, rows=1, window=None, per_s=per_s)
        found = _run(source, scratch, rows=rows, window=window, per_s=per_s)
        per_row_s = (found["cpu_s"] - start["cpu_s"]) / max(rows - 1, 1)
        pairs.append(found | {"start_cpu_s": start["cpu_s"], "cpu_us": per_row_s * 1e6})
    return sorted(pairs, key=lambda pair: pair["cpu_us"])[len(pairs) // 2]


def _run(source: Path, scratch: Path, *, rows: int, window: int | None, per_s: float) -> dict[str, Any]:
    """Run the command once, on a server that has nothing else in its memory, and return what it used."""
    settings = ["instances=1", "concurrency_per_instance=1000000"]
    command = [*FANOUT, "run", source, "--limit", str(rows), "-q", "--overwrite"]
    if window is not None:
        settings.append(f"service_time.median_s={OPEN * window / per_s}")
        command += ["--window", str(window), "--rate", str(per_s)]
    output = scratch / "out.parquet"
    with local_aws(*settings) as aws:
        usage = run([*command, "--endpoint", aws.endpoint, "-o", output], env=aws.env)
        run([sys.executable, RIVALS / "check.py", source, str(rows), output], env=aws.env)
    return {"rows": rows, "seconds": usage.seconds, "cpu_s": usage.cpu_s, "peak_bytes": usage.peak_bytes}


def _report(samples: list[dict[str, Any]], kind: str) -> None:
    """Print cost by value, and beside it how many times the cost of the least value it is."""
    values = list(dict.fromkeys(sorted(sample["value"] for sample in samples)))
    if not values:
        return
    print(f"\n{CONTENDERS['fanout'].title}, by {kind} (median of rounds, least to greatest)")
    print(f"{kind:>12} {'CPU us/record':>24} {'x':>18} {'records/s':>10} {'peak MB':>8}")
    base = {sample["round"]: sample["cpu_us"] for sample in samples if sample["value"] == values[0]}
    for value in values:
        found = [sample for sample in samples if sample["value"] == value]
        cpu = Spread.of(sample["cpu_us"] for sample in found)
        grown = Spread.of(sample["cpu_us"] / base[sample["round"]] for sample in found)
        rate = Spread.of(sample["rows"] / sample["seconds"] for sample in found).median
        peak = Spread.of(sample["peak_bytes"] / 1e6 for sample in found).high
        print(f"{value:12,} {f'{cpu:,.1f}':>24} {f'{grown:.2f}':>18} {rate:10,.0f} {peak:8.0f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, nargs="*", default=ROWS)
    parser.add_argument("--windows", type=int, nargs="*", default=WINDOWS)
    parser.add_argument("--window-rows", type=int, default=WINDOW_ROWS, help="rows of a run over windows")
    parser.add_argument("--per-s", type=float, default=PER_S, help="rate of the runs over windows")
    parser.add_argument(
        "--pairs-of-short", type=int, default=SHORT_TIMES, help=f"pairs of up to {SHORT_ROWS:,} rows"
    )
    parser.add_argument("--json", type=Path, default=RESULTS / "scale.json")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
