"""What it costs to keep a run's state in S3: the same run with its journal in SQLite and at a run place, interleaved.

S3 answers after 30 ms in the median. Unpaced runs tell rows a second and CPU a row; paced ones what durability adds to
the wait of a row, and how many requests it makes.

    python benchmarks/place.py --rounds 3
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
from aws import LocalAws, local_aws
from child import run
from contenders import FANOUT, RIVALS
from figures import costs, over_rounds, ratio
from inputs import write_rows
from machine import RESULTS, describe, rotated, save

ROWS = (1_000, 21_000)
WAYS = ("sqlite", "s3")
PAYLOAD_BYTES = 1_000
PACED_PER_S, PACED_ROWS = 500, 5_000
S3 = ("latency.s3.median_s=0.03", "latency.s3.sigma=0.4")
PUT_DOLLARS = 0.005 / 1_000
"""Of a PUT, S3 Standard in us-east-1: https://aws.amazon.com/s3/pricing/"""


def main() -> int:
    asked = _arguments()
    machine = describe()
    samples: list[dict[str, Any]] = []
    settings = {name: getattr(asked, name) for name in ("rounds", "scale")} | {"put_dollars": PUT_DOLLARS}
    few, many = (max(20, round(rows * asked.scale)) for rows in ROWS)
    paced = max(20, round(PACED_ROWS * asked.scale))
    with tempfile.TemporaryDirectory(prefix="fanout-benchmark-") as directory:
        scratch = Path(directory)
        source = write_rows(scratch / "in.jsonl", rows=max(many, paced), payload_bytes=PAYLOAD_BYTES)
        for number in range(asked.rounds):
            with local_aws("instances=1", "concurrency_per_instance=100000", *S3) as aws:
                for way in rotated(WAYS, number):
                    for rows, rate in dict.fromkeys(((few, None), (many, None), (paced, PACED_PER_S))):
                        labels = {"round": number, "contender": way, "rows": rows, "rate": rate}
                        name = f"{number}-{way}-{rows}-{rate}"
                        found = _run(aws, source, scratch, rows, way=way, rate=rate, name=name)
                        samples.append(labels | found)
            save(asked.json, machine=machine, settings=settings, samples=samples)
            print(f"round {number + 1} of {asked.rounds} done", file=sys.stderr)
    _report(samples)
    print(f"raw numbers: {asked.json}")
    return 0


def _run(
    aws: LocalAws, source: Path, scratch: Path, rows: int, *, way: str, rate: int | None, name: str
) -> dict[str, Any]:
    """Run the command once, check its output, and return what it used."""
    output, place = scratch / "out.parquet", f"runs/{name}"
    command = [*FANOUT, "run", source, "--limit", str(rows), "-q", "--overwrite", "-o", output]
    command += ["--run-dir", f"s3://{aws.bucket}/{place}" if way == "s3" else scratch / name]
    command += [] if rate is None else ["--rate", str(rate)]
    usage = run([*command, "--endpoint", aws.endpoint], env=aws.env | {"TMPDIR": str(scratch)})
    run([sys.executable, RIVALS / "check.py", source, str(rows), output], env=aws.env)
    table = pq.read_table(output, columns=["wait_ms", "total_ms", "due_at", "sent_at"])
    quantiles = [0.5, 0.99]
    segments, size_bytes = aws.stored(f"{place}/journal/") if way == "s3" else (0, 0)
    sent = pc.min_max(table["sent_at"]).as_py()
    return {
        "seconds": usage.seconds,
        "cpu_s": usage.cpu_s,
        "peak_bytes": usage.peak_bytes,
        "wait_ms": pc.quantile(table["wait_ms"], quantiles).to_pylist(),
        "total_ms": pc.quantile(table["total_ms"], quantiles).to_pylist(),
        "sending_s": (sent["max"] - sent["min"]).total_seconds(),
        "segments": segments,
        "segment_bytes": size_bytes,
    }


def _report(samples: list[dict[str, Any]]) -> None:
    found = costs(sample for sample in samples if sample["rate"] is None)
    print(f"\n{'journal':>10} {'records/s':>24} {'CPU us/record':>24}")
    for way in WAYS:
        per_s, cpu = over_rounds(found[way], "per_s"), over_rounds(found[way], "cpu_us")
        print(f"{way:>10} {f'{per_s:,.0f}':>24} {f'{cpu:,.1f}':>24}")
    rate, cpu_ratio = (ratio(found["s3"], found["sqlite"], name) for name in ("per_s", "cpu_us"))
    if rate and cpu_ratio:
        print(f"{'ratio':>10} {f'{rate:.3f}':>24} {f'{cpu_ratio:.3f}':>24}")
    for way in WAYS:
        for each in (sample for sample in samples if sample["rate"] and sample["contender"] == way):
            (wait, wait_99), (total, total_99) = each["wait_ms"], each["total_ms"]
            per_s = each["segments"] / max(each["sending_s"], 1e-9)
            print(
                f"{way:>10} at {each['rate']}/s: wait {wait:.0f} ms (p99 {wait_99:.0f}), total {total:.0f} ms "
                f"(p99 {total_99:.0f}), {per_s:.1f} PUTs/s, ${per_s * 3_600 * PUT_DOLLARS:.3f}/h, "
                f"{each['segment_bytes'] / each['rows']:.0f} B a row"
            )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies all numbers of rows")
    parser.add_argument("--json", type=Path, default=RESULTS / "place.json")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
