"""Finishes an interrupted run from its directory."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path

from fanout.commands.earlier_run import EarlierRun, noted, unfinished_run
from fanout.commands.find_place import copy_files, looking, scratch_of
from fanout.concurrency.clock import SystemClock
from fanout.concurrency.side_by_side import side_by_side
from fanout.config.model import Config
from fanout.engine.snapshot import Observer
from fanout.errors import UsageError
from fanout.observability.logging import bind_process
from fanout.output.destination import claim
from fanout.output.object_place import is_remote
from fanout.rundir.claim import Claim, claimed
from fanout.rundir.manifest import changes, read_manifest
from fanout.rundir.paths import RunDirectory
from fanout.rundir.summary import Summary, read_summary
from fanout.runtime import settings as compose
from fanout.runtime.finish import finish_run
from fanout.runtime.place.run_place import RunPlace
from fanout.runtime.place.sign_of_life import until_silent
from fanout.runtime.runner import Runner
from fanout.runtime.schedule import same_night
from fanout.runtime.session import Session
from fanout.runtime.spec import RunSpec
from fanout.shards.executor import executor_of, orders_of
from fanout.shards.kept_shards import AT_ONCE
from fanout.shards.plan import split_config
from fanout.text import quoted

_log = logging.getLogger(__name__)


async def resume_job(
    path: Path, *, observer: Observer | None = None, changed: Config | None = None
) -> Summary:
    """Finish an interrupted run and return its summary; that of a finished run is returned as it is.

    Args:
        path: The run directory.
        observer: Watches.
        changed: A configuration that may differ from the run's in what does not matter to its result.

    Raises:
        UsageError: There is no run, or the input or the configuration changed in a way that matters.
        OutputInUse: A live run has the output.
        JournalError: Another process is at it, or what it left behind is damaged.
        RunError: It could not be finished.
    """
    directory = RunDirectory(path.absolute())
    return await _resume(EarlierRun(directory, read_manifest(directory)), observer=observer, changed=changed)


async def resume_place(
    place: RunPlace, *, session: Config, observer: Observer | None = None, changed: Config | None = None
) -> Summary:
    """Finish an interrupted run whose state is kept in S3; see `resume_job`.

    Args:
        place: Where.
        session: Leads to S3.
        observer: Watches.
        changed: As for `resume_job`.

    Raises:
        Fenced: Another process has taken it over from this one.
        RunError: S3 does not permit it, or as `resume_job`.
    """
    with scratch_of(changed or session) as directory:
        async with looking(session) as opened:
            earlier = await copy_files(opened, place, directory)
            if not earlier.finished and earlier.manifest.config.run.is_divided:
                await _check_silent(opened, place, shards=earlier.manifest.config.run.shard_count)
                await opened.cloud.objects.delete([place.cancel])
        return await _resume(earlier, observer=observer, changed=changed)


async def _check_silent(session: Session, place: RunPlace, *, shards: int) -> None:
    """Return once no process can be at a shard of the run: this one does all of them that are left.

    Raises:
        PlaceInUse: One is; `fanout cancel` stops all shards.
        RunError: S3 does not permit it, or does not answer.
    """
    objects, clock = session.cloud.objects, session.clock
    for first in range(0, shards, AT_ONCE):
        group = range(first, min(first + AT_ONCE, shards))
        await side_by_side(
            [partial(until_silent, objects, place.shard(index), clock=clock) for index in group]
        )


async def _resume(earlier: EarlierRun, *, observer: Observer | None, changed: Config | None) -> Summary:
    directory, manifest, path = earlier.directory, earlier.manifest, earlier.where
    if directory.summary.exists():
        summary = read_summary(directory.summary)
        bind_process(summary.run_id)
        _log.info("%s was finished by run %s: nothing was sent", summary.output, summary.run_id)
        return replace(summary, finished_before=True)
    output = manifest.config.output.path or ""
    if manifest.is_shard or is_remote(output):
        return await go_on(earlier, held=None, observer=observer, changed=changed)
    with claimed(output) as held:
        is_its_own = held.previous is not None and held.previous.run_id == manifest.run_id  # wherever it was
        other = None if is_its_own else unfinished_run(output, held.previous)
        if other is not None:
            raise UsageError(
                f"{output} has another unfinished run since, in {other.directory.path}: resume or discard that one; "
                f"`fanout export {quoted(path)} -o FILE` writes what this one has"
            )
        return await go_on(earlier, held=held, observer=observer, changed=changed)


async def go_on(
    earlier: EarlierRun, *, held: Claim | None, observer: Observer | None, changed: Config | None
) -> Summary:
    """Finish an unfinished run whose output this process has claimed; see `resume_job`.

    Args:
        earlier: The run.
        held: The claim of an output on this machine; None for one in S3.
        observer: Watches.
        changed: As for `resume_job`.
    """
    directory, manifest = earlier.directory, earlier.manifest
    path = earlier.where
    if manifest.is_shard:
        whole = directory.whole.path
        raise UsageError(
            f"{path} is one shard of the run in {whole}: `fanout resume {quoted(whole)}` resumes all of it"
        )
    config = manifest.config
    if changed is not None:
        config = same_night(compose.absolute(changed), manifest.config, now=SystemClock().now())
        differing = changes(manifest.config, config)
        if differing:
            raise UsageError(
                f"{', '.join(differing)} differ from what {path} was started with: "
                "resume with the same, or start a new run"
            )
    if not manifest.config.run.journal:
        raise UsageError("this run kept no journal, so that nothing tells what it has sent: start a new one")
    if config.local.enabled:
        raise UsageError(
            "the local AWS of this run ended with it: start a new run, or `fanout export` what it has"
        )
    split_config(config)
    output = compose.required(config.output.path, "no output")
    if not is_remote(output):
        claim(
            output,
            run_id=manifest.run_id,
            overwrite=config.output.overwrite,
            remedy="move it away, or replace it with --overwrite; "
            f"`fanout export {quoted(path)} -o FILE` writes what the run has",
        )
    spec = RunSpec.resumed(manifest, directory, config=config, place=earlier.place)
    with noted(held, spec):
        directory.cancel.unlink(missing_ok=True)
        runner = Runner(
            spec, observer=observer, executor=executor_of(spec), orders=orders_of(spec), held=held
        )
        return await runner.run(finish_run)
