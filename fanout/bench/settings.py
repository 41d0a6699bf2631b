"""Derives the plan of the experiment, and the configuration of the run that carries it out, from a configuration. Pure.

The run keeps no journal and repeats no failed row: an experiment cannot be resumed, since its schedule has passed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fanout.analysis.units import parse_size
from fanout.bench.plan import Plan
from fanout.config.model import Config
from fanout.domain.limits import INLINE_MAX_BYTES
from fanout.errors import UsageError

FILE, DOCUMENT = "bench.parquet", "bench.json"

NETWORK: dict[str, Any] = {
    "runtime": {"median_s": 0.04, "sigma": 0.4},
    "s3": {"median_s": 0.1, "sigma": 0.4},
    "sqs": {"median_s": 0.03, "sigma": 0.5},
}
"""Latencies of the local AWS unless the user sets them: round numbers, not measurements.

Seconds. S3: between "small object latencies [...] of roughly 100-200 milliseconds" (S3 user guide, "Best practices
design patterns: optimizing Amazon S3 performance") and medians often in the tens of milliseconds for requests below
512 KB (the AWS whitepaper of that name, "Timeouts and retries for latency-sensitive applications"). SQS: "in the tens
or low hundreds of milliseconds" (SQS FAQ, "What is the typical latency"). The runtime: AWS names none. Read on
2026-11-21, in copies. The simulated saving of inline is as large as S3's figure makes it.
"""


def plan_of(config: Config, *, seed: int) -> Plan:
    """Return the plan.

    Raises:
        UsageError: A size that is none, or that cannot go inline; a rate that the pacing would not allow.
    """
    bench = config.bench
    sizes = []
    for text in bench.sizes:
        size = parse_size(text)
        if size is None or not 1 <= size <= INLINE_MAX_BYTES:
            raise UsageError(
                f"bench.sizes: {text!r} is not a size between 1 and {INLINE_MAX_BYTES:,} bytes, such as 8KB; "
                "beyond, there is only the S3 way, and nothing to compare"
            )
        sizes.append(size)
    if config.pacing.rate is not None and bench.closed is None and bench.rate > config.pacing.rate:
        raise UsageError(
            f"bench.rate is {bench.rate:g} requests a second and pacing.rate allows {config.pacing.rate:g}: "
            "lower the one or raise the other"
        )
    return Plan(
        seed=seed,
        rate_per_s=bench.rate,
        arrivals=bench.arrivals,
        pairs=bench.pairs,
        warmup=bench.warmup,
        sizes=tuple(dict.fromkeys(sizes)),
    )


def run_config(config: Config, *, output: Path, seed: int) -> Config:
    """Return the configuration of the run: the user's, except where an experiment needs its own values."""
    update: dict[str, Any] = {
        "output": config.output.model_copy(update={"path": str(output)}),
        "run": config.run.model_copy(update={"journal": False}),
        "retry": config.retry.model_copy(update={"generations": 0}),
    }
    if config.bench.closed is not None:  # the window is the loop
        update["pacing"] = config.pacing.model_copy(update={"window": config.bench.closed})
    if config.local.enabled:
        simulator = {"seed": seed, "latency": NETWORK} | config.local.simulator
        update["local"] = config.local.model_copy(update={"simulator": simulator})
    return config.model_copy(update=update)
