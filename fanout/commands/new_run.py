"""Starts a run: claims its output, makes its directory, and takes it to its end."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from fanout.commands.paths import check_complete, check_host, check_paths, check_places, place_of_runs
from fanout.concurrency.clock import SystemClock
from fanout.config.model import Config
from fanout.domain.ids import new_run
from fanout.domain.row_ranges import Ranges
from fanout.engine.snapshot import Observer
from fanout.errors import NothingNew, next_time
from fanout.files import copy_file
from fanout.output.destination import check_name, claim
from fanout.output.object_place import is_remote
from fanout.rundir.paths import RunDirectory
from fanout.rundir.summary import Summary, nothing_new
from fanout.runtime.finish import finish_run
from fanout.runtime.runner import Runner
from fanout.runtime.spec import AGAIN, RunSpec
from fanout.shards.executor import executor_of
from fanout.shards.plan import split_config

_log = logging.getLogger(__name__)


async def start_run(
    config: Config,
    *,
    observer: Observer | None = None,
    rows: Ranges | None = None,
    retry_of: str | None = None,
    fingerprint: str | None = None,
    inputs: Path | None = None,
) -> Summary:
    """Take a new run to its end and return its summary; one that finds nothing new has no rows and no output.

    Args:
        config: Its configuration, paths absolute.
        observer: Watches.
        rows: The rows to send, None for all.
        retry_of: The run whose rows these are.
        fingerprint: Of the input that `rows` were counted in.
        inputs: Where an earlier run kept which files it had read, for a run that is to read the same.

    Raises:
        UsageError: The configuration, the input or the output cannot be meant.
        RunError: The run could not be finished; its message names the next step.
    """
    # Before anything is made: what so many processes cannot share is a mistake in the configuration.
    split_config(config)
    output = config.output.path or ""
    check_complete(config)
    check_paths(config.input.paths, output)
    check_places(config)
    check_host(config, os.environ)
    run_id = new_run()
    if not is_remote(output):  # in S3, that is seen once the session is open
        with next_time(AGAIN):
            claim(output, run_id=run_id, overwrite=config.output.overwrite)
    spec = RunSpec(
        run_id=run_id,
        config=config,
        directory=run_directory(config, run_id),
        rows=rows,
        retry_of=retry_of,
        fingerprint=fingerprint,
    )
    check_name(spec.directory.path)
    with next_time(AGAIN):
        spec.directory.create()
        if inputs is not None and inputs.exists():
            copy_file(inputs, spec.directory.inputs)
    started_at = SystemClock().now()
    try:
        return await Runner(spec, observer=observer, executor=executor_of(spec)).run(finish_run)
    except NothingNew as error:
        _log.info("%s", error)
        return nothing_new(
            run_id=run_id,
            endpoint=config.endpoint.name or "",
            output=output,
            run_dir=spec.directory.path,
            started_at=started_at,
            simulated=config.local.enabled,
            why=str(error),
        )


def run_directory(config: Config, run_id: str) -> RunDirectory:
    """Return the run's directory: the one that is named, or one of its own among the runs."""
    if config.run.dir:
        return RunDirectory(Path(config.run.dir).absolute())
    return RunDirectory(place_of_runs(config) / run_id)
