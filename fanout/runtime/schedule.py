"""Resolves what a configuration leaves to a run's night: the date in its paths, and its watermark's place; pure."""

from __future__ import annotations

import hashlib
from datetime import date

from fanout.config.model import Config
from fanout.domain.placeholders import fixed_part, has_placeholder, on_date
from fanout.domain.zones import day_at
from fanout.errors import UsageError
from fanout.source.path_rules import GLOB

_SCHEME = "s3://"


def scheduled(config: Config, *, now: float) -> Config:
    """Return the configuration of one night, which holds no placeholder any more, and its date.

    To resolve it once more changes nothing.

    Args:
        config: With absolute paths: its input tells jobs apart.
        now: Seconds since the epoch, for a date that is not given.

    Raises:
        UsageError: A placeholder is not known; names the key.
    """
    given, output, run = config.input, config.output, config.run
    watermark = given.watermark
    if given.since is not None and watermark is None and given.paths:
        watermark = _beside(config)
    every = [*given.paths, watermark, output.path, run.dir]
    if not any(path and has_placeholder(path) for path in every):
        return config.model_copy(update={"input": given.model_copy(update={"watermark": watermark})})
    day = date.fromisoformat(run.date) if run.date else day_at(now, timezone=run.timezone)

    def dated(path: str | None, key: str) -> str | None:
        return None if path is None else _dated(path, key, day)

    paths = tuple(_dated(path, "input.paths", day) for path in given.paths)
    return config.model_copy(
        update={
            "input": given.model_copy(
                update={"paths": paths, "watermark": dated(watermark, "input.watermark")}
            ),
            "output": output.model_copy(update={"path": dated(output.path, "output.path")}),
            "run": run.model_copy(update={"dir": dated(run.dir, "run.dir"), "date": day.isoformat()}),
        }
    )


def same_night(config: Config, begun: Config, *, now: float) -> Config:
    """Return `config` as it is for a run that began with `begun`, on whatever day that was.

    Raises:
        UsageError: A placeholder is not known; names the key.
    """
    run = config.run.model_copy(update={"date": begun.run.date})
    return scheduled(config.model_copy(update={"run": run}), now=now)


def _dated(path: str, key: str, day: date) -> str:
    try:
        return on_date(path, day)
    except ValueError as error:
        raise UsageError(f"{key}: {error}") from error


def _beside(config: Config) -> str:
    """Return the watermark's place where none is named: in the folder that the input's path begins with.

    A name that begins with `_` is no input. Two jobs over one folder have two, told apart by endpoint and input.
    """
    fixed = fixed_part(config.input.paths[0])
    fixed = fixed[: next((at for at, char in enumerate(fixed) if char in GLOB), len(fixed))]
    if fixed.startswith(_SCHEME) and "/" not in fixed[len(_SCHEME) :]:
        fixed += "/"
    job = "\0".join((config.endpoint.name or "", *config.input.paths))
    mark = hashlib.sha256(job.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{fixed[: fixed.rfind('/') + 1]}_fanout_watermark-{mark}.json"
