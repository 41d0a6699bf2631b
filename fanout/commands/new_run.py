"""Starts a run, goes on with the unfinished one of its output, or finds it finished: one line can be run twice."""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from pathlib import Path

from fanout.commands.earlier_run import (
    EarlierRun,
    difference,
    finished_run,
    noted,
    run_here,
    unfinished_error,
    unfinished_run,
)
from fanout.commands.paths import check_complete, check_host, check_paths, check_places, place_of_runs
from fanout.commands.resume import go_on
from fanout.concurrency.clock import SystemClock
from fanout.config.model import Config
from fanout.domain.ids import new_run
from fanout.domain.row_ranges import Ranges
from fanout.engine.snapshot import Observer
from fanout.errors import NothingNew, UnfinishedRun, UsageError, next_time
from fanout.files import copy_file
from fanout.output.destination import REMEDY, check_name, claim
from fanout.output.object_place import is_remote
from fanout.rundir.claim import Claim, claimed
from fanout.rundir.manifest import read_manifest
from fanout.rundir.paths import RunDirectory
from fanout.rundir.summary import Summary, nothing_new, read_summary
from fanout.runtime.finish import finish_run
from fanout.runtime.runner import Runner
from fanout.runtime.spec import AGAIN, RunSpec
from fanout.shards.executor import executor_of
from fanout.shards.plan import split_config
from fanout.source.stdin import STDIN

_log = logging.getLogger(__name__)

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
    """Take a run to its end and return its summary: a new one, or with `run.resume` that of an earlier start.

    One that finds nothing new has no rows and no output.

    Args:
        config: Its configuration, paths absolute.
        observer: Watches.
        rows: The rows to send, None for all.
        retry_of: The run whose rows these are.
        fingerprint: Of the input that `rows` were counted in.
        inputs: Where an earlier run kept which files it had read, for a run that is to read the same.

    Raises:
        UnfinishedRun: The output has one, and `run.resume` is not set.
        OutputInUse: A live run has the output.
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
    if config.run.resume and STDIN in config.input.paths:
        raise UsageError("standard input cannot be read again, so that --resume has nothing to go on with")
    new = _NewRun(
        config, observer=observer, rows=rows, retry_of=retry_of, fingerprint=fingerprint, inputs=inputs
    )
    if is_remote(output):  # whose it is, and what stands there, is seen once the session is open
        left = run_here(config, finished=False) if config.run.resume else None
        if left is not None:
            return await new.go_on(left, None)
        try:
            return await new.start(None)
        except UnfinishedRun as found:  # by its claim, and on this machine, but not listed here
            if not config.run.resume:
                raise
            directory = RunDirectory(found.directory)
        return await new.go_on(EarlierRun(directory, read_manifest(directory)), None)
    with ExitStack() as stack:
        with next_time(AGAIN):
            held = stack.enter_context(claimed(output))
            earlier = unfinished_run(output, held.previous)
        if earlier is None:
            held.drop()
            return await new.start(held)
        if not config.run.resume:
            raise unfinished_error(output, earlier)
        return await new.go_on(earlier, held)


class _NewRun:
    """What a start was asked for."""

    def __init__(
        self,
        config: Config,
        *,
        observer: Observer | None,
        rows: Ranges | None,
        retry_of: str | None,
        fingerprint: str | None,
        inputs: Path | None,
    ) -> None:
        self._asked = config
        # How a run was started says nothing of a retry that takes its configuration over.
        self._config = config.model_copy(update={"run": config.run.model_copy(update={"resume": False})})
        self._output = config.output.path or ""
        self._observer = observer
        self._rows = rows
        self._retry_of = retry_of
        self._fingerprint = fingerprint
        self._inputs = inputs

    async def start(self, held: Claim | None) -> Summary:
        """Start anew, unless the run that is asked for has finished.

        Args:
            held: The claim of an output on this machine.
        """
        config, output = self._config, self._output
        remedy = REMEDY
        if self._asked.run.resume and (finished := finished_run(config)) is not None:
            differing = await self._difference(finished)
            if differing is None:
                return _done(finished)
            remedy = f"by run {finished.manifest.run_id}, and {differing}: {REMEDY}"
        run_id = new_run()
        if held is not None:
            with next_time(AGAIN):
                claim(output, run_id=run_id, overwrite=config.output.overwrite, remedy=remedy)
        spec = RunSpec(
            run_id=run_id,
            config=config,
            directory=run_directory(config, run_id),
            rows=self._rows,
            retry_of=self._retry_of,
            fingerprint=self._fingerprint,
        )
        check_name(spec.directory.path)
        started_at = SystemClock().now()
        try:
            with noted(held, spec):
                with next_time(AGAIN):
                    spec.directory.create()
                    if self._inputs is not None and self._inputs.exists():
                        copy_file(self._inputs, spec.directory.inputs)
                runner = Runner(spec, observer=self._observer, executor=executor_of(spec), held=held)
                return await runner.run(finish_run)
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

    async def go_on(self, earlier: EarlierRun, held: Claim | None) -> Summary:
        """Finish the run that an earlier start left.

        Args:
            earlier: The run.
            held: The claim of its output; None for one in S3.

        Raises:
            UsageError: It is not the one that is asked for.
        """
        before = earlier.manifest
        if (before.rows, before.retry_of) != (self._rows, self._retry_of):
            raise UsageError(
                f"the unfinished run of {self._output}, {earlier.directory.path}, is of other rows: "
                f"`fanout resume {earlier.directory.path}`, or choose another name for the output"
            )
        return await go_on(earlier, held=held, observer=self._observer, changed=self._config)

    async def _difference(self, earlier: EarlierRun) -> str | None:
        return await difference(earlier, self._config, rows=self._rows, retry_of=self._retry_of)


def _done(finished: EarlierRun) -> Summary:
    summary = read_summary(finished.directory.summary)
    _log.warning("%s was finished by run %s: nothing was sent", summary.output, summary.run_id)
    return summary


def run_directory(config: Config, run_id: str) -> RunDirectory:
    """Return the run's directory: the one that is named, or one of its own among the runs."""
    if config.run.dir:
        named = Path(config.run.dir).absolute()
        return RunDirectory(named / run_id if config.run.dir.endswith("/") else named)
    return RunDirectory(place_of_runs(config) / run_id)
