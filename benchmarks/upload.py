"""fanout's uploader beside s5cmd and obstore: the same files, the same server; MB/s, CPU per MB, memory.

Each uploads a directory with few files and one with many; what differs between the two is what megabytes cost, what
is left over is what starting costs. All bytes are counted in the bucket afterwards.

    python benchmarks/upload.py --rounds 5
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aws import LocalAws, local_aws
from child import run
from contenders import RIVALS
from environments import Unavailable, environment
from figures import costs, over_rounds, ratio
from machine import RESULTS, describe, rotated, save

SIZES = (200_000, 1_000_000, 16 * 1024 * 1024)  # the last goes in parts
TOTAL_BYTES = (64_000_000, 512_000_000)  # of the directory with few files and of that with many
REQUIREMENTS = ("s5cmd", "obstore")


def fanout(aws: LocalAws, directory: Path) -> list[str | Path]:
    return [sys.executable, RIVALS / "fanout_uploads.py", directory, aws.bucket, "fanout"]


def s5cmd(aws: LocalAws, directory: Path) -> list[str | Path]:
    tool = environment("uploads", *REQUIREMENTS) / "s5cmd"
    target = f"s3://{aws.bucket}/s5cmd/"
    return [tool, "--log", "error", "--endpoint-url", aws.url, "cp", f"{directory}/*", target]


def obstore(aws: LocalAws, directory: Path) -> list[str | Path]:
    python = environment("uploads", *REQUIREMENTS) / "python"
    return [python, RIVALS / "obstore_uploads.py", directory, aws.bucket, "obstore"]


UPLOADERS: dict[str, Callable[[LocalAws, Path], list[str | Path]]] = {
    "fanout": fanout,
    "s5cmd": s5cmd,
    "obstore": obstore,
}


def main() -> int:
    asked = _arguments()
    machine, skipped = describe(), dict[str, str]()
    samples: list[dict[str, Any]] = []
    settings = {"rounds": asked.rounds, "scale": asked.scale, "sizes": asked.sizes}
    with tempfile.TemporaryDirectory(prefix="fanout-benchmark-") as scratch:
        for size in asked.sizes:
            directories = [_files(Path(scratch), size, int(total * asked.scale)) for total in TOTAL_BYTES]
            for number in range(asked.rounds):
                with local_aws() as aws:
                    for name in rotated(asked.uploaders, number):
                        samples += _upload(aws, name, directories, size, number, skipped)
                save(asked.json, machine=machine, settings=settings, skipped=skipped, samples=samples)
            shutil.rmtree(scratch, ignore_errors=False)
            Path(scratch).mkdir()
    for name, reason in skipped.items():
        print(f"{name}: left out: {reason}")
    for size in asked.sizes:
        _report([each for each in samples if each["payload_bytes"] == size], size)
    print(f"raw numbers: {asked.json}")
    return 0


def _files(scratch: Path, size: int, total: int) -> tuple[Path, int]:
    """Return a new directory with files of `size` bytes, `total` bytes of them or two, and how many there are."""
    count = max(2, total // size)
    directory = scratch / f"{size}-{count}-{total}"
    directory.mkdir()
    block = random.Random(size).randbytes(size)
    for number in range(count):
        name = f"{number:06d}"
        (directory / name).write_bytes(name.encode() + block[len(name) :])
    return directory, count


def _upload(
    aws: LocalAws,
    name: str,
    directories: list[tuple[Path, int]],
    size: int,
    number: int,
    skipped: dict[str, str],
) -> list[dict[str, Any]]:
    samples = []
    for directory, count in directories:
        if name in skipped:
            break
        try:
            command = UPLOADERS[name](aws, directory)
        except Unavailable as reason:
            skipped[name] = str(reason)
            break
        server_s = aws.cpu_s()
        usage = run(command, env=aws.env)
        server_s = aws.cpu_s() - server_s
        stored = aws.stored(f"{name}/")
        if stored != (count, count * size):
            sys.exit(f"{name}: {stored[0]} objects of {stored[1]} bytes, not {count} of {count * size}")
        samples.append(
            {
                "contender": name,
                "round": number,
                "payload_bytes": size,
                "rows": count,
                "seconds": usage.seconds,
                "cpu_s": usage.cpu_s,
                "peak_bytes": usage.peak_bytes,
                "server_cpu_s": server_s,
            }
        )
    return samples


def _report(samples: list[dict[str, Any]], size: int) -> None:
    found = costs(samples)
    megabytes = size / 1e6
    print(f"\n{size:,} bytes a file (median of rounds, least to greatest)")
    print(
        f"{'':10} {'MB/s':>20} {'CPU ms/MB':>22} {'start-up s':>10} {'peak MB':>8} {'server':>7} "
        f"{'MB/s x':>8} {'CPU x':>8}"
    )
    ours = found.get("fanout", {})
    for name, rounds in found.items():
        rate = over_rounds(rounds, "per_s").scaled(megabytes)
        cost = over_rounds(rounds, "cpu_us").scaled(1e-3 / megabytes)
        quicker, dearer = ratio(ours, rounds, "per_s"), ratio(rounds, ours, "cpu_us")
        print(
            f"{name:10} {f'{rate:,.0f}':>20} "
            f"{f'{cost:.2f}':>22} "
            f"{over_rounds(rounds, 'start_s').median:10.2f} {over_rounds(rounds, 'peak_bytes').median / 1e6:8.0f} "
            f"{over_rounds(rounds, 'server_share').median:7.0%} "
            f"{f'{quicker.median:.2f}' if quicker else '-':>8} {f'{dearer.median:.2f}' if dearer else '-':>8}"
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the bytes")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="BYTES")
    parser.add_argument("--uploaders", nargs="+", choices=list(UPLOADERS), default=list(UPLOADERS))
    parser.add_argument("--json", type=Path, default=RESULTS / "upload.json")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
