"""What a merge of many shards takes, beside the merge of one process's parts: rows a second, CPU and peak memory.

The parts are those that runs write, 5,000 rows each. Each merge is a process of its own, in rounds that take turns.

    python benchmarks/merge.py --rows 10000000 --shards 64 --rounds 3
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from child import run
from machine import RESULTS, describe, rotated, save

PART_ROWS = 5_000
WAYS = ("one", "shards")
_MERGE_ONE = """
import sys
from pathlib import Path
import prepared
prepared.merge_one(Path(sys.argv[1]))
"""


def main() -> int:
    asked = _arguments()
    machine = describe()
    samples: list[dict[str, Any]] = []
    settings = {"rows": asked.rows, "shards": asked.shards, "rounds": asked.rounds, "part_rows": PART_ROWS}
    with tempfile.TemporaryDirectory(prefix="fanout-benchmark-", dir=asked.scratch) as directory:
        scratch = Path(directory)
        # In a process of its own: a child begins with the memory of the one that starts it.
        preparation = [sys.executable, str(Path(__file__).with_name("prepared.py"))]
        subprocess.run([*preparation, scratch, str(asked.rows), str(asked.shards)], check=True)
        for number in range(asked.rounds):
            ways = rotated(WAYS, number)
            samples += [{"round": number, "way": way} | _merge(scratch, way, rows=asked.rows) for way in ways]
            save(asked.json, machine=machine, settings=settings, samples=samples)
            print(f"round {number + 1} of {asked.rounds} done", file=sys.stderr)
    _report(samples, rows=asked.rows)
    print(f"raw numbers: {asked.json}")
    return 0


def _merge(scratch: Path, way: str, *, rows: int) -> dict[str, Any]:
    """Merge a copy of the run, whose files are links: a merge removes the parts."""
    copy = scratch / "copy"
    shutil.copytree(scratch / way, copy, copy_function=os.link)
    env = dict(os.environ)
    if way == "shards":
        command = [
            sys.executable,
            "-m",
            "fanout.cli",
            "merge",
            str(copy),
            "-q",
            "-o",
            str(scratch / "out.parquet"),
        ]
    else:
        env["PYTHONPATH"] = os.pathsep.join(
            [str(Path(__file__).parent), *filter(None, [env.get("PYTHONPATH")])]
        )
        command = [sys.executable, "-c", _MERGE_ONE, str(copy)]
    used = run(command, env=env, codes=(0, 3))
    (output,) = [path for path in (scratch / "out.parquet", copy / "out.parquet") if path.exists()]
    size = output.stat().st_size
    output.unlink()
    shutil.rmtree(copy)
    return {
        "rows_per_s": rows / used.seconds,
        "seconds": used.seconds,
        "cpu_us_per_row": used.cpu_s / rows * 1e6,
        "peak_mb": used.peak_bytes / 1e6,
        "output_bytes": size,
    }


def _report(samples: list[dict[str, Any]], *, rows: int) -> None:
    print(f"{rows:,} rows | rows/s | CPU us a row | peak MB\n---|---:|---:|---:")
    for way in WAYS:
        mine = [sample for sample in samples if sample["way"] == way]
        figures = [
            median(sample[name] for sample in mine) for name in ("rows_per_s", "cpu_us_per_row", "peak_mb")
        ]
        print(f"{way} | {figures[0]:,.0f} | {figures[1]:.2f} | {figures[2]:.0f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--shards", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scratch", type=Path, default=None)
    parser.add_argument("--json", type=Path, default=RESULTS / "merge.json")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
