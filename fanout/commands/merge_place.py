"""Makes the one output of a run of shards whose state is kept in S3: their parts are fetched to scratch, and merged."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from fanout.commands.earlier_place import unfinished_place
from fanout.commands.earlier_run import noted, unfinished_error, unfinished_run
from fanout.commands.find_place import looking, scratch_of
from fanout.commands.merge import (
    SHOWN,
    check_partial,
    merge_config,
    merge_result,
    merging_output,
    unfinished,
    write_some,
)
from fanout.concurrency.threads import run_in_thread
from fanout.config.model import Config
from fanout.errors import JournalError, UsageError
from fanout.observability.warnings import WarningLog
from fanout.output.destination import claim
from fanout.output.finish import OutputFile
from fanout.output.object_place import is_remote
from fanout.rundir.claim import Claim, claimed
from fanout.rundir.manifest import read_manifest
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_plan import ShardPlan, read_plan
from fanout.rundir.summary import Summary, read_summary
from fanout.runtime import settings as compose
from fanout.runtime.finish import finish_run, prove_output
from fanout.runtime.open_place import merging_place
from fanout.runtime.place.place_files import fetch_file
from fanout.runtime.place.run_place import RunPlace, is_place
from fanout.runtime.place.sign_of_life import last_write
from fanout.runtime.session import Session, open_session
from fanout.runtime.spec import RunSpec
from fanout.shards.kept_plan import fetch_plan
from fanout.shards.kept_shards import fetch_parts, fetch_results

_log = logging.getLogger(__name__)


async def merge_place(
    place: RunPlace, *, session: Config, output: str | None = None, overwrite: bool = False
) -> Summary:
    """Merge the shards of the run at a place into its output, put its summary there, and return that.

    A run that was merged before is left as it is.

    Args:
        place: Of the whole run.
        session: Leads to S3.
        output: Another output than the run was started with.
        overwrite: Replace an output that exists.

    Raises:
        UsageError: There is no such run, or the output may not be written.
        Interrupted: Shards have not finished; names them and their commands.
        PlaceInUse: Another process merges it.
        JournalError: A shard is of another plan, or what stands there is damaged.
        StorageError: The disk is full or failed, or a part is damaged.
        RunError: S3 does not permit it, or does not answer.
    """
    with scratch_of(session) as directory:
        async with looking(session) as opened:
            plan, shards = await _begun(opened, place, directory)
            if directory.summary.exists():
                return _merged_before(directory)
            objects, clock = opened.cloud.objects, opened.clock
            missing = await fetch_results(objects, place, shards, clock=clock)
            if missing:
                lines = [await missing_line_at(opened, place, plan, index) for index in missing[:SHOWN]]
                raise unfinished(lines, missing=len(missing), plan=plan, where=place.uri)
        config = _reaching(merge_config(plan, output, overwrite=overwrite), session)
        with _output_here(config) as held:
            return await _merge(place, plan, directory, config=config, held=held)


async def merge_some_at(
    place: RunPlace, output: str, *, session: Config, overwrite: bool = False
) -> tuple[OutputFile, list[int]]:
    """Write the rows of the shards that have finished to `output`, as `merge.merge_some` does."""
    with scratch_of(session) as directory:
        async with looking(session) as opened:
            plan, shards = await _begun(opened, place, directory)
            check_partial(directory, output)
            objects, clock = opened.cloud.objects, opened.clock
            missing = set(await fetch_results(objects, place, shards, clock=clock))
            there = [index for index in range(len(shards)) if index not in missing]
            await fetch_parts(objects, place, shards, there, plan=plan, clock=clock)
        write = partial(write_some, plan, shards, output, where=place.uri, overwrite=overwrite)
        return await run_in_thread(write)


async def _begun(
    session: Session, place: RunPlace, directory: RunDirectory
) -> tuple[ShardPlan, list[RunDirectory]]:
    """Fetch what tells of the run; return its plan, and where each of its shards is to stand."""
    fetch = partial(fetch_file, session.cloud.objects, clock=session.clock)
    if not await fetch_plan(session.cloud.objects, place, directory, clock=session.clock):
        raise UsageError(f"{place.uri} holds no run of several shards: there is no {place.plan.uri}")
    plan = await run_in_thread(partial(read_plan, directory))
    if not await fetch(place.manifest, directory.manifest):
        raise UsageError(f"{place.uri} holds no run yet: none of its shards has begun")
    for location, path in (
        (place.summary, directory.summary),
        (place.inputs, directory.inputs),
        (place.uploads, directory.uploads),
    ):
        await fetch(location, path)
    return plan, [directory.shard(index) for index in range(len(plan.shards))]


def _merged_before(directory: RunDirectory) -> Summary:
    summary = read_summary(directory.summary)
    _log.warning("%s was written by an earlier process: nothing was merged", summary.output)
    return summary


def _reaching(config: Config, session: Config) -> Config:
    """Return the run's configuration as this host reaches AWS."""
    endpoint = config.endpoint.model_copy(
        update={
            "profile": session.endpoint.profile or config.endpoint.profile,
            "url": session.endpoint.url or config.endpoint.url,
        }
    )
    return config.model_copy(update={"endpoint": endpoint})


@contextmanager
def _output_here(config: Config) -> Iterator[Claim | None]:
    """Have an output on this machine to ourselves inside the block."""
    path = config.output.path or ""
    if is_remote(path):
        yield None
        return
    with claimed(path) as held:
        yield held


async def _merge(
    place: RunPlace,
    plan: ShardPlan,
    directory: RunDirectory,
    *,
    config: Config,
    held: Claim | None,
) -> Summary:
    path = config.output.path or ""
    shards = [directory.shard(index) for index in range(len(plan.shards))]
    spec = RunSpec.resumed(read_manifest(directory), directory, config=config, place=place)
    if held is not None:
        await _check_free(plan, config, held)
    with noted(held, spec), WarningLog() as warnings:
        async with (
            open_session(compose.s3_alone(config), warnings=warnings) as session,
            merging_place(spec, session),
            merging_output(session, directory, plan, config, where=place.uri),
        ):
            if held is not None:
                claim(path, run_id=plan.run_id, overwrite=config.output.overwrite)
                await held.begin()
            warn = session.warnings.warn
            await prove_output(session, config, run_id=plan.run_id, directory=directory, warn=warn)
            objects, clock = session.cloud.objects, session.clock
            every = range(len(shards))
            try:
                await fetch_parts(objects, place, shards, every, plan=plan, clock=clock)
            except JournalError:
                # Another merge has finished since, and has removed the parts.
                if await fetch_file(objects, place.summary, directory.summary, clock=clock):
                    return _merged_before(directory)
                raise
            result = await run_in_thread(partial(merge_result, directory, plan, shards, config))
            return await finish_run(result, session)


async def _check_free(plan: ShardPlan, config: Config, held: Claim) -> None:
    """Return unless the last owner of an output on this machine left another run unfinished.

    Raises:
        UnfinishedRun: It did.
    """
    path, owner = config.output.path or "", held.previous
    earlier = unfinished_run(path, owner)
    if (
        earlier is None
        and owner is not None
        and owner.run_id != plan.run_id
        and is_place(owner.run_dir or "")
    ):
        with scratch_of(config) as scratch:
            elsewhere = config.model_copy(update={"run": config.run.model_copy(update={"dir": None})})
            earlier = await unfinished_place(elsewhere, owner, scratch)
    if earlier is not None and earlier.manifest.run_id != plan.run_id:
        raise unfinished_error(path, earlier)


async def missing_line_at(session: Session, place: RunPlace, plan: ShardPlan, index: int) -> str:
    """Return a line on a shard that has not finished: where it stands, and what finishes it."""
    wrote = await last_write(session.cloud.objects, place.shard(index), clock=session.clock)
    state = "was not started"
    if wrote is not None:
        state = "has stopped" if wrote.is_silent else "is running"
    return f"shard {index} {state}: --shard {index}/{len(plan.shards)}"
