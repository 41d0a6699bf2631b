"""What input and output in S3 cost: the same run with its input as a local file and as an object, interleaved; memory.

The input cannot be compressed much, so that what is read is what is sent. One more run writes an output as large as the
input to S3, is killed before its upload is completed and once more after, and resumed; what stands there is compared
with the input, row by row.

    python benchmarks/remote.py --rounds 3              # 1 GB
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aws import LocalAws, local_aws
from child import Usage, run
from contenders import FANOUT
from figures import Spread
from machine import RESULTS, describe, rotated, save

SIZE_BYTES = 1_000_000_000
TEXT_BYTES = 25_000  # `remote_data.py` has the same
OUTPUT_TIMES = 4 / 3
"""So many more rows has the run with the large output, as base64 takes three quarters of its length in Parquet."""
DATA = Path(__file__).with_name("remote_data.py")
WAYS = ("file", "s3")
FORMATS = ("jsonl", "parquet")
MOST_CPU, MOST_MB, OUTPUT_MB = 1.1, 30.0, 300.0
"""Bounds: times the CPU of the local file, megabytes more than it, and megabytes at the peak of a large output."""
KILLED = -9


def main() -> int:
    asked = _arguments()
    machine = describe()
    rows = max(20, round(SIZE_BYTES * asked.scale / TEXT_BYTES))
    samples: list[dict[str, Any]] = []
    settings = {"rounds": asked.rounds, "scale": asked.scale, "rows": rows, "text_bytes": TEXT_BYTES}
    with tempfile.TemporaryDirectory(prefix="fanout-benchmark-") as directory:
        scratch = Path(directory)
        sources = {name: scratch / f"in.{name}" for name in FORMATS}
        _data("write", scratch, rows)
        for number in range(asked.rounds):
            for name in FORMATS:
                # One AWS for both ways, and none for long: it keeps the answers.
                with local_aws("instances=1", "concurrency_per_instance=100000") as aws:
                    aws.store(f"input/in.{name}", sources[name])
                    for way in rotated(WAYS, number):
                        source = sources[name] if way == "file" else f"s3://{aws.bucket}/input/in.{name}"
                        usage = _run(aws, source, scratch / "out.parquet")
                        labels = {
                            "kind": "input",
                            "round": number,
                            "format": name,
                            "contender": way,
                            "rows": rows,
                        }
                        samples.append(labels | _figures(usage))
            save(asked.json, machine=machine, settings=settings, samples=samples)
            print(f"round {number + 1} of {asked.rounds} done", file=sys.stderr)
        more = round(rows * OUTPUT_TIMES)
        _data("write", scratch, more)
        with local_aws("instances=1", "concurrency_per_instance=100000") as aws:
            for step, usage in _large_output(aws, sources, scratch):
                samples.append({"kind": "output", "contender": step, "rows": more} | _figures(usage))
            (stored, size_bytes) = aws.stored("output/")
            samples.append({"kind": "object", "objects": stored, "size_bytes": size_bytes, "rows": more})
    save(asked.json, machine=machine, settings=settings, samples=samples)
    missed = _report(samples)
    print(f"raw numbers: {asked.json}")
    return int(missed and asked.scale >= 1.0)


def _data(verb: str, *arguments: Path | int) -> None:
    run([sys.executable, DATA, verb, *map(str, arguments)], env=os.environ)


def _run(aws: LocalAws, source: Path | str, output: Path | str, *more: str, **variables: Any) -> Usage:
    codes = variables.pop("codes", (0,))
    command = [*FANOUT, "run", source, "--endpoint", aws.endpoint, "-q", "--overwrite", "-o", output, *more]
    return run(command, env=aws.env | variables, codes=codes)


def _large_output(aws: LocalAws, sources: dict[str, Path], scratch: Path) -> Iterator[tuple[str, Usage]]:
    """Write an output with all of the input in it, of a run that is killed twice; yield what each process used."""
    output, directory = f"s3://{aws.bucket}/output/out.parquet", scratch / "large"
    point, env = "FANOUT_FAILPOINT", aws.env
    more = ("--keep", "text", "--payload-fields", "row", "--run-dir", str(directory))
    yield (
        "until its upload is to be completed",
        _run(aws, sources["jsonl"], output, *more, codes=(KILLED,), **{point: "output.uploaded"}),
    )
    resume = [*FANOUT, "resume", directory, "-q"]
    yield "until that is completed", run(resume, env=env | {point: "output.published"}, codes=(KILLED,))
    yield "to its end", run(resume, env=env)
    stored = scratch / "stored.parquet"
    aws.fetch("output/out.parquet", stored)
    _data("compare", sources["parquet"], stored)


def _figures(usage: Usage) -> dict[str, Any]:
    return {"seconds": usage.seconds, "cpu_s": usage.cpu_s, "peak_bytes": usage.peak_bytes}


def beside(samples: list[dict[str, Any]], name: str) -> tuple[Spread, Spread]:
    """Return how many times the CPU of the local file, and how many megabytes more, the object takes, by round."""
    found = {
        (sample["round"], sample["contender"]): sample
        for sample in samples
        if sample["kind"] == "input" and sample["format"] == name
    }
    rounds = sorted({number for number, _ in found})
    return (
        Spread.of(found[number, "s3"]["cpu_s"] / found[number, "file"]["cpu_s"] for number in rounds),
        Spread.of(
            (found[number, "s3"]["peak_bytes"] - found[number, "file"]["peak_bytes"]) / 1e6
            for number in rounds
        ),
    )


def _report(samples: list[dict[str, Any]]) -> bool:
    """Print what was measured; return whether a bound was missed."""
    missed = False
    for name in FORMATS:
        cpu, memory = beside(samples, name)
        missed |= cpu.median > MOST_CPU or memory.median > MOST_MB
        print(f"{name:>8} in S3 beside a file: {cpu:.3f} times the CPU, {memory:+.1f} MB")
    for sample in samples:
        if sample["kind"] == "output":
            peak = sample["peak_bytes"] / 1e6
            missed |= peak >= OUTPUT_MB
            print(f"  output, {sample['contender']}: peak {peak:.0f} MB, {sample['cpu_s']:.1f} s of CPU")
        if sample["kind"] == "object":
            missed |= sample["objects"] != 1
            print(f"  output: {sample['objects']} object of {sample['size_bytes'] / 1e6:,.0f} MB")
    return missed


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the number of rows")
    parser.add_argument("--json", type=Path, default=RESULTS / "remote.json")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
