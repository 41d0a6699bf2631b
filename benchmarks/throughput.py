"""fanout beside what people use today and beside the limit: records a second, CPU per record, memory, ratios.

In every round each contender runs with few rows and with many, on one simulator in its own process, interleaved; see
`figures` for what is made of the two. `submit`: requests accepted. `end to end`: submitted, notified, fetched, deleted
from the queue, written as Parquet, and every answer compared with its payload. Raw numbers go to a JSON file.

    python benchmarks/throughput.py --rounds 5
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from aws import local_aws
from contenders import CONTENDERS, SERVERS, Contender, Mode, Task, sample
from environments import Unavailable
from figures import costs, over_rounds, ratio
from inputs import write_rows
from machine import RESULTS, describe, rotated, save

PAYLOADS = (1_000, 100_000)
MODES: tuple[Mode, ...] = ("submit", "end to end")
LARGE_BYTES = 20_000  # from here on, fewer rows: they take longer, and the input would fill the disk
CANONICAL_BYTES = 600  # of a canonical request; two blocks more or less do not show


def main() -> int:
    asked = _arguments()
    machine, skipped = describe(), dict[str, str]()
    samples: list[dict[str, Any]] = []
    settings = {
        "rounds": asked.rounds,
        "scale": asked.scale,
        "payloads": asked.payloads,
        "titles": {name: CONTENDERS[name].title for name in asked.contenders},
    }
    with tempfile.TemporaryDirectory(prefix="fanout-benchmark-") as directory:
        scratch = Path(directory)
        for payload in asked.payloads:
            most = max(max(_rows(CONTENDERS[name], payload, asked.scale)) for name in asked.contenders)
            write_rows(scratch / f"{payload}.jsonl", rows=most, payload_bytes=payload)
        for number in range(asked.rounds):
            for payload in asked.payloads:
                samples.append(_hashing(payload) | {"round": number})
                for mode in asked.modes:
                    samples += _turn(asked, number, payload, mode, scratch, skipped)
            save(asked.json, machine=machine, settings=settings, skipped=skipped, samples=samples)
            print(f"round {number + 1} of {asked.rounds} done", file=sys.stderr)
    for name, reason in skipped.items():
        print(f"{CONTENDERS[name].title}: left out: {reason}")
    for payload in asked.payloads:
        for mode in asked.modes:
            _report(samples, payload, mode)
    print(f"raw numbers: {asked.json}")
    return 0


def _turn(
    asked: argparse.Namespace, number: int, payload: int, mode: str, scratch: Path, skipped: dict[str, str]
) -> list[dict[str, Any]]:
    """Let every contender run, on one fresh server, and return the samples."""
    samples: list[dict[str, Any]] = []
    with local_aws(*SERVERS[mode]) as aws:
        for name in rotated(asked.contenders, number):
            contender = CONTENDERS[name]
            if mode not in contender.modes or name in skipped:
                continue
            for rows in sorted(set(_rows(contender, payload, asked.scale))):
                task = Task(aws, mode, scratch / f"{payload}.jsonl", rows, scratch / f"{name}-{rows}")
                labels = {"contender": name, "round": number, "payload_bytes": payload}
                try:
                    found = sample(contender, task, labels=labels)
                except Unavailable as reason:
                    skipped[name] = str(reason)
                    break
                samples.append(found)
    return samples


def _rows(contender: Contender, payload: int, scale: float) -> tuple[int, int]:
    few, many = contender.rows["small" if payload < LARGE_BYTES else "large"]
    if few == many:
        return max(1, round(few * scale)), max(1, round(few * scale))
    small = max(5, round(few * scale))
    return small, max(3 * small, round(many * scale))


def _hashing(payload_bytes: int) -> dict[str, Any]:
    """Return what SigV4 cannot do without, in seconds a request: three hashes, of which one covers the body."""
    body, canonical, key = bytes(payload_bytes), bytes(CANONICAL_BYTES), bytes(32)
    times = []
    for _ in range(200):
        began = time.perf_counter()
        hashlib.sha256(body).hexdigest()
        hmac.digest(key, hashlib.sha256(canonical).digest(), "sha256")
        times.append(time.perf_counter() - began)
    return {"contender": "hashing", "payload_bytes": payload_bytes, "cpu_s": sorted(times)[len(times) // 2]}


def _report(samples: list[dict[str, Any]], payload: int, mode: str) -> None:
    found = costs(each for each in samples if each.get("mode") == mode and each["payload_bytes"] == payload)
    print(f"\n{mode}, {payload:,} bytes (median of rounds, least to greatest)")
    print(
        f"{'':28} {'records/s':>24} {'CPU us/record':>24} {'start-up s':>10} {'peak MB':>8} {'server':>7}  "
        f"{'rate x':>18} {'CPU x':>22}"
    )
    ours = found.get("fanout", {})
    for name, rounds in found.items():
        per_s, cpu = over_rounds(rounds, "per_s"), over_rounds(rounds, "cpu_us")
        start, peak = over_rounds(rounds, "start_s").median, over_rounds(rounds, "peak_bytes").median / 1e6
        server = over_rounds(rounds, "server_share").median
        quicker, dearer = ratio(ours, rounds, "per_s"), ratio(rounds, ours, "cpu_us")
        print(
            f"{CONTENDERS[name].title:28} "
            f"{f'{per_s:,.0f}':>24} "
            f"{f'{cpu:,.1f}':>24} "
            f"{start:10.2f} {peak:8.0f} {server:7.0%}  "
            f"{f'{quicker:.2f}' if quicker else '-':>18} "
            f"{f'{dearer:.2f}' if dearer else '-':>22}"
        )
    if mode == "submit":
        hashing = [
            each["cpu_s"] * 1e6
            for each in samples
            if each["contender"] == "hashing" and each["payload_bytes"] == payload
        ]
        print(f"hashes that a signature needs: {min(hashing):.1f}-{max(hashing):.1f} us a request")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies all numbers of rows")
    parser.add_argument("--payloads", type=int, nargs="+", default=PAYLOADS, metavar="BYTES")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--contenders", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--json", type=Path, default=RESULTS / "throughput.json")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
