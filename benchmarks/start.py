"""What a run of two rows costs, nearly all of it starting and ending, beside an aiobotocore script that does the same.

Both read the input, invoke, are told by a queue, fetch, delete the messages and write Parquet, on one local AWS whose
own costs are not counted; they take turns, and every output is compared with its payloads. The script has its queue
made for it, and none of its rows journalled. Where numpy is installed, pyarrow imports it for the script.

    python benchmarks/start.py --rounds 9
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from aws import LocalAws, local_aws
from child import Usage, run
from contenders import FANOUT, RIVALS, SERVERS
from figures import Spread
from inputs import write_rows
from machine import RESULTS, describe, rotated, save

ROWS = 2
PAYLOAD_BYTES = 1_000


def main() -> int:
    asked = _arguments()
    machine = describe()
    samples: list[dict[str, Any]] = []
    settings = {"rounds": asked.rounds, "rows": ROWS, "numpy": find_spec("numpy") is not None}
    with tempfile.TemporaryDirectory(prefix="fanout-benchmark-") as directory:
        scratch = Path(directory)
        source = write_rows(scratch / "in.jsonl", rows=ROWS, payload_bytes=PAYLOAD_BYTES)
        with local_aws(*SERVERS["end to end"]) as aws:
            for number in range(asked.rounds):
                for name in rotated(CONTENDERS, number):
                    output = scratch / f"{name}-{number}.parquet"
                    usage = CONTENDERS[name](aws, source, output)
                    run([sys.executable, RIVALS / "check.py", source, str(ROWS), output], env=aws.env)
                    samples.append(
                        {
                            "round": number,
                            "contender": name,
                            "rows": ROWS,
                            "seconds": usage.seconds,
                            "cpu_s": usage.cpu_s,
                            "peak_bytes": usage.peak_bytes,
                        }
                    )
                save(asked.json, machine=machine, settings=settings, samples=samples)
    _report(samples)
    print(f"raw numbers: {asked.json}")
    return 0


def fanout(aws: LocalAws, source: Path, output: Path, *more: str) -> Usage:
    return run([*FANOUT, "run", source, "--endpoint", aws.endpoint, "-o", output, *more], env=aws.env)


def quiet(aws: LocalAws, source: Path, output: Path) -> Usage:
    return fanout(aws, source, output, "-q")


def aiobotocore(aws: LocalAws, source: Path, output: Path) -> Usage:
    script = [sys.executable, RIVALS / "aiobotocore_workers.py", source, "--endpoint", aws.endpoint]
    with aws.queue(f"benchmark-{output.stem.replace(' ', '')}") as url:
        return run([*script, "--limit", str(ROWS), "--queue", url, "--output", output], env=aws.env)


CONTENDERS: dict[str, Callable[[LocalAws, Path, Path], Usage]] = {
    "fanout": fanout,
    "fanout -q": quiet,
    "aiobotocore": aiobotocore,
}


def beside(samples: list[dict[str, Any]], name: str) -> Spread:
    """Return how many times the script's CPU `name`'s is, round by round."""
    cpu_s = {(sample["contender"], sample["round"]): sample["cpu_s"] for sample in samples}
    rounds = sorted({sample["round"] for sample in samples})
    return Spread.of(cpu_s[name, number] / cpu_s["aiobotocore", number] for number in rounds)


def _report(samples: list[dict[str, Any]]) -> None:
    print(f"a run of {ROWS} rows (median of rounds, least to greatest)")
    print(f"{'':12} {'CPU s':>20} {'seconds':>20} {'peak MB':>8} {'CPU x of aiobotocore':>22}")
    for name in CONTENDERS:
        found = [sample for sample in samples if sample["contender"] == name]
        cpu, seconds = (Spread.of(sample[key] for sample in found) for key in ("cpu_s", "seconds"))
        peak = Spread.of(sample["peak_bytes"] for sample in found).median / 1e6
        times = f"{beside(samples, name):.2f}"
        print(f"{name:12} {f'{cpu:.2f}':>20} {f'{seconds:.2f}':>20} {peak:8.0f} {times:>22}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, default=RESULTS / "start.json")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
