"""What the journal costs: the same run with it and without it, interleaved, over each client.

Every run is end to end, with few rows and with many; see `figures` for what is made of the two.

    python benchmarks/journal.py --rounds 5
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from aws import LocalAws, local_aws
from child import run
from contenders import FANOUT, RIVALS
from figures import costs, over_rounds, ratio
from inputs import write_rows
from machine import RESULTS, describe, rotated, save

ROWS = {"wire": (1_000, 21_000), "aiobotocore": (300, 3_300)}
WAYS = ("with", "without")
PAYLOAD_BYTES = 1_000


def main() -> int:
    asked = _arguments()
    machine = describe()
    samples: list[dict[str, Any]] = []
    settings = {name: getattr(asked, name) for name in ("rounds", "scale", "clients")}
    with tempfile.TemporaryDirectory(prefix="fanout-benchmark-") as directory:
        scratch = Path(directory)
        most = max(_rows(client, asked.scale)[-1] for client in asked.clients)
        source = write_rows(scratch / "in.jsonl", rows=most, payload_bytes=PAYLOAD_BYTES)
        for number in range(asked.rounds):
            with local_aws("instances=1", "concurrency_per_instance=100000") as aws:
                for client in asked.clients:
                    for way in rotated(WAYS, number):
                        for rows in _rows(client, asked.scale):
                            labels = {"round": number, "client": client, "contender": way, "rows": rows}
                            samples.append(labels | _run(aws, source, scratch, rows, client=client, way=way))
            save(asked.json, machine=machine, settings=settings, samples=samples)
            print(f"round {number + 1} of {asked.rounds} done", file=sys.stderr)
    for client in asked.clients:
        _report(samples, client)
    print(f"raw numbers: {asked.json}")
    return 0


def _rows(client: str, scale: float) -> tuple[int, ...]:
    few, many = (max(20, round(rows * scale)) for rows in ROWS[client])
    return (few,) if few == many else (few, many)


def _run(aws: LocalAws, source: Path, scratch: Path, rows: int, *, client: str, way: str) -> dict[str, Any]:
    """Run the command once, check its output, and return what it used."""
    output = scratch / "out.parquet"
    command = [*FANOUT, "run", source, "--limit", str(rows), "-q", "--overwrite", "-o", output]
    journal = {"FANOUT_TRANSPORT_CLIENT": client, "FANOUT_RUN_JOURNAL": "true" if way == "with" else "false"}
    usage = run([*command, "--endpoint", aws.endpoint], env=aws.env | journal)
    run([sys.executable, RIVALS / "check.py", source, str(rows), output], env=aws.env)
    return {"seconds": usage.seconds, "cpu_s": usage.cpu_s, "peak_bytes": usage.peak_bytes}


def _report(samples: list[dict[str, Any]], client: str) -> None:
    found = costs(sample for sample in samples if sample["client"] == client)
    print(f"\n{client} (median of rounds, least to greatest)")
    print(f"{'journal':>10} {'records/s':>24} {'CPU us/record':>24}")
    for way in WAYS:
        per_s, cpu = over_rounds(found[way], "per_s"), over_rounds(found[way], "cpu_us")
        print(f"{way:>10} {f'{per_s:,.0f}':>24} {f'{cpu:,.1f}':>24}")
    rate, cpu_ratio = (ratio(found["with"], found["without"], name) for name in ("per_s", "cpu_us"))
    if rate and cpu_ratio:
        print(f"{'ratio':>10} {f'{rate:.3f}':>24} {f'{cpu_ratio:.3f}':>24}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies all numbers of rows")
    parser.add_argument("--clients", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--json", type=Path, default=RESULTS / "journal.json")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
