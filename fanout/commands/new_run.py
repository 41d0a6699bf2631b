"""Starts a run, goes on with the unfinished one of its output, or finds it finished: one line can be run twice."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from fanout.commands.earlier_place import finished_place, unfinished_place
from fanout.commands.earlier_run import (
    EarlierRun,
    difference,
    finished_run,
    make_room,
    noted,
    run_here,
    unfinished_error,
    unfinished_run,
)
from fanout.commands.find_place import copy_files, looking, scratch_of
from fanout.commands.paths import check_complete, check_host, check_paths, check_places, run_files
from fanout.commands.resume import go_on
from fanout.concurrency.clock import SystemClock
from fanout.config.model import Config
from fanout.domain.ids import new_run
from fanout.domain.row_ranges import Ranges
from fanout.engine.snapshot import Observer
from fanout.errors import NothingNew, UnfinishedRun, UsageError, next_time
from fanout.files import copy_file
from fanout.observability.logging import bind_process
from fanout.output.destination import REMEDY, check_name, claim
from fanout.output.object_place import is_remote
from fanout.rundir.claim import Claim, claimed
from fanout.rundir.manifest import read_manifest
from fanout.rundir.paths import RunDirectory
from fanout.rundir.summary import Summary, nothing_new, read_summary
from fanout.runtime.finish import finish_run
from fanout.runtime.place.run_place import is_place, run_place
from fanout.runtime.runner import Runner
from fanout.runtime.spec import AGAIN, RunSpec
from fanout.shards.executor import executor_of, orders_of
from fanout.shards.plan import split_config
from fanout.source.stdin import STDIN
from fanout.text import quoted

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
        raise UsageError("standard input cannot be read again, so --resume has nothing to continue")
    new = _NewRun(
        config, observer=observer, rows=rows, retry_of=retry_of, fingerprint=fingerprint, inputs=inputs
    )
    if is_remote(output):  # whose it is, and what stands there, is seen once the session is open
        left = run_here(config, finished=False) if config.run.resume else None
        if left is not None:
            return await new.go_on(left, None)
        with ExitStack() as stack:
            kept = await _at_its_place(config, stack)
            if kept is not None and not config.run.resume:
                raise unfinished_error(output, kept)
            if kept is not None:
                return await new.go_on(kept, None)
        try:
            return await new.start(None)
        except UnfinishedRun as found:  # by its claim, and on this machine, but not listed here
            if not config.run.resume:
                raise
            where = found.where
        if not is_place(where):
            directory = RunDirectory(Path(where))
            return await new.go_on(EarlierRun(directory, read_manifest(directory)), None)
        with scratch_of(config) as directory:
            async with looking(config) as session:
                found_there = await copy_files(session, run_place(where), directory)
            return await new.go_on(found_there, None)
    with ExitStack() as stack:
        with next_time(AGAIN):
            held = stack.enter_context(claimed(output))
            earlier = unfinished_run(output, held.previous)
            if earlier is None:
                earlier = await _unfinished_place(config, held, stack)
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
        if self._asked.run.resume:
            with ExitStack() as stack:
                finished = finished_run(config)
                if finished is None and is_place(config.run.dir or ""):
                    finished = await finished_place(config, stack.enter_context(scratch_of(config)))
                differing = None if finished is None else await self._difference(finished)
                if finished is not None and differing is None:
                    return _done(finished)
            if finished is not None:
                remedy = f"by run {finished.manifest.run_id}, and {differing}: {REMEDY}"
        run_id = new_run()
        if held is not None:
            with next_time(AGAIN):
                claim(output, run_id=run_id, overwrite=config.output.overwrite, remedy=remedy)
        with run_files(config, run_id) as (directory, place):
            spec = RunSpec(
                run_id=run_id,
                config=config,
                directory=directory,
                place=place,
                rows=self._rows,
                retry_of=self._retry_of,
                fingerprint=self._fingerprint,
            )
            check_name(spec.directory.path)
            return await self._run(spec, held)

    async def _run(self, spec: RunSpec, held: Claim | None) -> Summary:
        started_at = SystemClock().now()
        above: tuple[Path, ...] = ()
        try:
            with noted(held, spec):
                with next_time(AGAIN):
                    make_room(spec.directory, spec.config)
                    above = spec.directory.create()
                    if self._inputs is not None and self._inputs.exists():
                        copy_file(self._inputs, spec.directory.inputs)
                runner = Runner(
                    spec,
                    observer=self._observer,
                    executor=executor_of(spec),
                    orders=orders_of(spec),
                    held=held,
                )
                return await runner.run(finish_run)
        except NothingNew as error:
            _log.info("%s", error)
            return nothing_new(
                run_id=spec.run_id,
                endpoint=spec.config.endpoint.name or "",
                output=self._output,
                run_dir=spec.where,
                started_at=started_at,
                simulated=spec.config.local.enabled,
                why=str(error),
            )
        finally:
            _remove_empty(above)

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
                f"the unfinished run of {self._output}, {earlier.where}, is of other rows: "
                f"`fanout resume {quoted(earlier.where)}`, or choose another name for the output"
            )
        return await go_on(earlier, held=held, observer=self._observer, changed=self._config)

    async def _difference(self, earlier: EarlierRun) -> str | None:
        return await difference(earlier, self._config, rows=self._rows, retry_of=self._retry_of)


def _remove_empty(directories: Sequence[Path]) -> None:
    """Remove those that hold nothing, lowest first: a start that was refused leaves no empty `runs/`."""
    with suppress(OSError):  # one that holds a run, and so do all above it; or it is gone
        for directory in directories:
            directory.rmdir()


def _done(finished: EarlierRun) -> Summary:
    summary = read_summary(finished.directory.summary)
    bind_process(summary.run_id)
    _log.info("%s was finished by run %s: nothing was sent", summary.output, summary.run_id)
    return replace(summary, finished_before=True)


async def _at_its_place(config: Config, stack: ExitStack) -> EarlierRun | None:
    """Return the unfinished run of the output that is kept at the very place that is named, not below a parent."""
    named = config.run.dir or ""
    if not is_place(named) or named.endswith("/"):
        return None
    return await unfinished_place(config, None, stack.enter_context(scratch_of(config)))


async def _unfinished_place(config: Config, held: Claim, stack: ExitStack) -> EarlierRun | None:
    """Return the unfinished run of the output that is kept in S3; its scratch is removed when `stack` is closed."""
    owner = held.previous
    if not is_place(config.run.dir or "") and (owner is None or not is_place(owner.run_dir or "")):
        return None
    return await unfinished_place(config, owner, stack.enter_context(scratch_of(config)))
