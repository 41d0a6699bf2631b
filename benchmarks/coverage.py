"""Does `fanout bench --local` find the latency that the simulator was told to add, within its own intervals?

For each seed the default experiment, and at the same time, so that both meet the same machine, one on a network
that takes half as long: their difference (`baseline.changes`) is what was added. An interval covers that, or not.

    python benchmarks/coverage.py --seeds 20
"""

from __future__ import annotations

import argparse
import json
import math
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from fanout.analysis.baseline import changes
from fanout.bench.document import comparison_of
from fanout.bench.settings import NETWORK
from fanout.runtime.simulated import DEFAULTS

SHARE = 0.5
"""The baseline's network takes half as long, with the same relative spread. A constant one would not do: what a busy
machine adds to a latency is mostly little and now and then much, and the median of a sum is the sum of the medians only
where both are narrow. Two spread-out latencies are both moved by about the mean of it, which their difference loses."""

GROUND = {
    name: {"median_s": spread["median_s"] * SHARE, "sigma": spread["sigma"]}
    for name, spread in NETWORK.items()
}
PHASES = (
    ("upload", "s3"),
    ("invoke", "inline"),
    ("invoke", "s3"),
    ("service", "inline"),
    ("service", "s3"),
    ("notify", "inline"),
    ("notify", "s3"),
    ("fetch", "inline"),
    ("fetch", "s3"),
    ("upload", "difference"),
    ("invoke", "difference"),
    ("service", "difference"),
    ("notify", "difference"),
    ("fetch", "difference"),
    ("total", "difference"),
)


def truths() -> dict[tuple[str, str], float]:
    """What the simulator was told to add, in milliseconds; the total's difference by drawing a million pairs."""
    network = {name: spread["median_s"] * (1 - SHARE) * 1e3 for name, spread in NETWORK.items()}
    told = {
        "upload": network["s3"],
        "invoke": network["runtime"],
        "service": DEFAULTS["service_time"]["median_s"] * 1e3,
        "notify": network["sqs"],
        "fetch": network["s3"],
    }
    found = {(phase, way): told[phase] for phase, way in PHASES if way != "difference" and phase in told}
    found |= {(phase, "difference"): 0.0 for phase in told} | {("upload", "difference"): told["upload"]}
    found["total", "difference"] = total_difference(NETWORK) - total_difference(GROUND)
    return found


def total_difference(network: dict, draws: int = 1_000_000) -> float:
    """The median of S3 minus inline: an upload more, and two draws of everything else.

    The simulator serves a request when it arrives and delays the reply, so acceptance and service overlap.
    """
    rng = random.Random(1)

    def draw(spread: dict[str, float]) -> float:
        return spread["median_s"] * 1e3 * math.exp(spread["sigma"] * rng.gauss(0, 1))

    def rest() -> float:
        served = draw(DEFAULTS["service_time"]) + draw(network["sqs"])
        return max(draw(network["runtime"]), served) + draw(network["s3"])

    return median(draw(network["s3"]) + rest() - rest() for _ in range(draws))


def start(directory: Path, *, seed: int, network: dict, pairs: int) -> subprocess.Popen:
    """Begin the experiment in a child."""
    settings = directory.with_suffix(".toml")
    lines = ["[local.simulator]", f"seed = {seed}"]
    for name, spread in network.items():
        lines += [f"latency.{name}.{key} = {value}" for key, value in spread.items()]
    settings.write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "fanout.cli", "bench", "--local", "-c", settings, "-o", directory, "-q"]
    return subprocess.Popen([*map(str, command), "--seed", str(seed), "--pairs", str(pairs)])


def both(scratch: Path, *, seed: int, pairs: int) -> tuple[dict, dict]:
    """Return bench.json of the ground and of the default network, run side by side."""
    directories = scratch / f"ground-{seed}", scratch / f"seed-{seed}"
    networks = GROUND, NETWORK
    # The ground's calls come in an order of its own: seeds apart, so that arrivals are not in step.
    children = [
        start(directory, seed=seed + 1_000 * (network is GROUND), network=network, pairs=pairs)
        for directory, network in zip(directories, networks, strict=True)
    ]
    for child in children:
        child.wait()
    ground, found = (json.loads((directory / "bench.json").read_text()) for directory in directories)
    return ground, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=150, help="of each size, as in `fanout bench`")
    parser.add_argument("--json", type=Path, help="write every interval here")
    asked = parser.parse_args()
    truth = truths()
    covered = dict.fromkeys(PHASES, 0)
    seconds, intervals, invalid = [], [], 0
    with tempfile.TemporaryDirectory() as scratch:
        for seed in range(1, asked.seeds + 1):
            ground, found = both(Path(scratch), seed=seed, pairs=asked.pairs)
            if not (ground["valid"] and found["valid"]):
                invalid += 1  # the client was the limit: no numbers, so none to be wrong
                continue
            seconds.append(found["seconds"])
            since = changes(comparison_of(found), comparison_of(ground))
            added = {
                (each.phase, each.way): {"low": each.change.low, "high": each.change.high}
                for each in since
                if each.group == "all sizes"
            }
            for phase in PHASES:
                own = found["all"]["phases"][phase[0]][phase[1]]
                low, high = (own["low"], own["high"]) if "low" in own else (own["p50_low"], own["p50_high"])
                # Service time is read on the simulator's own clock: nothing of this machine is in it.
                change = {"low": low, "high": high} if phase[0] == "service" else added[phase]
                hit = change["low"] <= truth[phase] <= change["high"]
                covered[phase] += hit
                intervals.append({"seed": seed, "phase": phase, "truth": truth[phase], "hit": hit, **change})
            print(
                f"seed {seed}: {sum(i['hit'] for i in intervals[-len(PHASES) :])} of {len(PHASES)}",
                flush=True,
            )
    tried = asked.seeds - invalid
    print(
        f"{tried} experiments, {max(seconds, default=0):.0f} s the longest; {invalid} called themselves invalid"
    )
    print(f"{'phase':24} {'truth':>8}  {'covered':>8}")
    for phase in PHASES:
        print(f"{' '.join(phase):24} {truth[phase]:8.2f}  {covered[phase]:>5}/{tried}")
    print(f"all: {sum(covered.values())} of {len(PHASES) * tried} intervals cover the truth")
    if asked.json:
        asked.json.write_text(json.dumps(intervals, indent=1))
    return 0 if sum(covered.values()) >= 0.9 * len(PHASES) * max(tried, 1) else 1


if __name__ == "__main__":
    sys.exit(main())
