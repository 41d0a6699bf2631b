"""Splits the configuration of a run into one for each of the shards that are at work at once; pure.

The sum of the shares never exceeds what is configured. Whole requests a second are dealt out one by one and a fraction
goes to one process, since a rate of 1.5 lets two requests through in some second: in any second, the shares together
let through what the whole would have, whatever their schedules' phases are. What is kept in memory is shared by those
alone that share one. A payload beyond `held_bytes`, which is let through alone, each of them lets through.
"""

from __future__ import annotations

import math

from fanout.config.model import Config, MetricsSection
from fanout.errors import UsageError

_EACH_NEEDS_ONE = (
    ("pacing", "rate"),
    ("pacing", "window"),
    ("transport", "concurrency"),
    ("transport", "uploads"),
    ("collect", "fetches"),
)


def split_config(config: Config, *, at_once: int | None = None, one_host: int | None = None) -> list[Config]:
    """Return the configurations of so many shards that are at work at once, each that of a run of its own.

    The deadline and the metrics stay with the process that started them; `max_failures` is asked by both.

    Args:
        config: Of the run.
        at_once: How many; by default the run's processes.
        one_host: How many of them are on one host, and so share its memory; by default all.

    Raises:
        UsageError: There is less of something than shards, or something cannot be shared; with the next step.
    """
    processes = config.run.processes if at_once is None else at_once
    if config.run.shard_count == 1:
        return [config]
    beside = processes if one_host is None else one_host
    _check(config, processes, beside=beside)
    pacing, transport, collect, output = config.pacing, config.transport, config.collect, config.output
    rates = deal_rate(pacing.rate, processes)
    bursts = deal_rate(pacing.burst, processes)
    windows = deal(pacing.window, processes)
    held = deal(pacing.held_bytes, beside)
    concurrency = deal(transport.concurrency, processes)
    uploads = deal(transport.uploads, processes)
    fetches = [None] * processes if collect.fetches is None else deal(collect.fetches, processes)
    # Less than one of these would do nothing, and no promise depends on their sum.
    pollers = deal(collect.pollers, processes, least=1)
    part_rows, part_bytes = (
        deal(output.part_rows, beside, least=1),
        deal(output.part_bytes, beside, least=1),
    )
    return [
        config.model_copy(
            update={
                "pacing": pacing.model_copy(
                    update={
                        "rate": rates[index],
                        "bytes_per_s": pacing.bytes_per_s / processes if pacing.bytes_per_s else None,
                        "burst": bursts[index],
                        "window": windows[index],
                        "held_bytes": held[index % beside],
                    }
                ),
                "transport": transport.model_copy(
                    update={"concurrency": concurrency[index], "uploads": uploads[index]}
                ),
                "collect": collect.model_copy(update={"fetches": fetches[index], "pollers": pollers[index]}),
                "output": output.model_copy(
                    update={
                        "part_rows": part_rows[index % beside],
                        "part_bytes": part_bytes[index % beside],
                    }
                ),
                "run": config.run.model_copy(
                    update={
                        "dir": None,
                        "processes": 1,
                        "shards": None,
                        "at_once": None,
                        "engine": "processes",
                        "ray_address": None,
                        "deadline_s": None,
                        # The jitter of processes that fail together must not bring them back together.
                        "seed": None if config.run.seed is None else config.run.seed + index,
                    }
                ),
                "metrics": MetricsSection(),
            }
        )
        for index in range(processes)
    ]


def deal(whole: int, processes: int, *, least: int = 0) -> list[int]:
    """Return `whole` as so many shares that differ by one at most, the larger ones first; each is `least` at least."""
    each, left = divmod(whole, processes)
    return [max(each + (index < left), least) for index in range(processes)]


def deal_rate(whole: float | None, processes: int) -> list[float | None]:
    """Return a rate or a burst as shares of whole units, the fraction with the last: see the top of the file."""
    if whole is None:
        return [None] * processes
    units = math.floor(whole)
    shares: list[float | None] = [float(share) for share in deal(units, processes)]
    shares[-1] = (shares[-1] or 0.0) + (whole - units)
    return shares


def _check(config: Config, processes: int, *, beside: int) -> None:
    if "-" in config.input.paths:
        raise UsageError(
            "standard input can be read once and from its start alone, and each of several shards or processes reads "
            "a part: write it to a file first, or leave out --processes and --shards"
        )
    if config.collect.queue_url is not None:
        raise UsageError(
            "collect.queue_url names one queue, and each of several shards or processes needs its own: leave it out, "
            "find results by listing (--no-notifications), or leave out --processes and --shards"
        )
    for section, key in _EACH_NEEDS_ONE:
        value = getattr(getattr(config, section), key)
        if value is not None and value < processes:
            raise UsageError(
                f"{section}.{key} = {value:g} is less than one for each of {processes} {_name(config)}: "
                f"raise it, or start at most {max(math.floor(value), 1)}"
            )
    if config.pacing.held_bytes < beside:
        raise UsageError(
            f"pacing.held_bytes = {config.pacing.held_bytes} cannot be shared by {beside} {_name(config)}"
        )


def _name(config: Config) -> str:
    return "processes" if config.run.shards is None else "shards at once (--at-once)"
