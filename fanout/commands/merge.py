"""Makes the one output of a run whose shards were done one by one, wherever that was."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from fanout.commands.earlier_run import noted, unfinished_error, unfinished_run
from fanout.concurrency.clock import SystemClock, uptime_s
from fanout.concurrency.threads import run_in_thread
from fanout.config.model import Config
from fanout.errors import Interrupted, JournalError, UsageError
from fanout.observability.warnings import WarningLog
from fanout.output.destination import claim
from fanout.output.finish import OutputFile, finish
from fanout.output.object_place import is_remote, object_place
from fanout.rundir.claim import Owner, claimed
from fanout.rundir.journal import count_states
from fanout.rundir.manifest import read_manifest
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_plan import ShardPlan, read_plan
from fanout.rundir.summary import Summary, read_summary
from fanout.runtime import settings as compose
from fanout.runtime.finish import finish_here, finish_run, prove_output
from fanout.runtime.object_claim import ObjectClaim
from fanout.runtime.result import RunResult
from fanout.runtime.session import Session, open_session
from fanout.runtime.spec import RunSpec
from fanout.shards.merging import finished_parts, merged
from fanout.text import quoted

_log = logging.getLogger(__name__)
SHOWN = 5


async def merge_shards(path: Path, *, output: str | None = None, overwrite: bool = False) -> Summary:
    """Merge the shards of the run in `path` into its output, write its summary, and return that.

    A run that was merged before is left as it is.

    Args:
        path: The run's directory.
        output: Another output than the run was started with.
        overwrite: Replace an output that exists.

    Raises:
        UsageError: There is no such run, or the output may not be written.
        Interrupted: Shards have not finished; names them and their commands.
        JournalError: A shard is of another plan, or its figures are damaged.
        StorageError: The disk is full or failed, or a part is damaged.
    """
    directory = RunDirectory(path.absolute())
    plan = await run_in_thread(partial(read_plan, directory))
    if directory.summary.exists():
        summary = read_summary(directory.summary)
        _log.warning("%s was written by an earlier process: nothing was merged", summary.output)
        return summary
    shards = shards_of(directory, plan)
    missing = [index for index, shard in enumerate(shards) if not shard.subtotal.exists()]
    if missing:
        lines = [missing_line(directory, plan, index) for index in missing[:SHOWN]]
        raise unfinished(lines, missing=len(missing), plan=plan, where=directory.path)
    config = merge_config(plan, output, overwrite=overwrite)
    if is_remote(config.output.path or "") or config.input.since is not None:
        return await _with_aws(directory, plan, shards, config)
    clock = SystemClock()
    with claimed(config.output.path or "") as held:
        earlier = unfinished_run(config.output.path or "", held.previous)
        if earlier is not None and earlier.manifest.run_id != plan.run_id:
            raise unfinished_error(config.output.path or "", earlier)
        claim(config.output.path or "", run_id=plan.run_id, overwrite=config.output.overwrite)
        spec = RunSpec.resumed(read_manifest(directory), directory, config=config)
        with noted(held, spec):
            await held.begin()
            result = await run_in_thread(partial(merge_result, directory, plan, shards, config))
            return await run_in_thread(partial(finish_here, result, now=clock.now()))


async def _with_aws(
    directory: RunDirectory, plan: ShardPlan, shards: list[RunDirectory], config: Config
) -> Summary:
    result = await run_in_thread(partial(merge_result, directory, plan, shards, config))
    with WarningLog() as warnings:
        async with (
            open_session(compose.s3_alone(config), warnings=warnings) as session,
            merging_output(session, directory, plan, config, where=str(directory.path)),
        ):
            await prove_output(
                session, config, run_id=plan.run_id, directory=directory, warn=session.warnings.warn
            )
            return await finish_run(result, session)


@asynccontextmanager
async def merging_output(
    session: Session, directory: RunDirectory, plan: ShardPlan, config: Config, *, where: str
) -> AsyncIterator[None]:
    """Have an output in S3 to ourselves inside the block.

    Args:
        session: S3.
        directory: Of the run; scratch, where it is kept in S3.
        plan: Of the run.
        config: Names the output.
        where: The run's directory, or its place in S3.

    Raises:
        OutputInUse: Another run has it.
        RunError: S3 does not permit it.
    """
    path = config.output.path or ""
    if not is_remote(path):
        yield
        return
    owner = Owner.here(plan.run_id, run_dir=where, now=session.clock.now(), begun=True)
    taken = ObjectClaim(
        session.cloud.objects, object_place(path), owner=owner, clock=session.clock, uptime=uptime_s
    )
    await taken.take()
    session.claim = taken
    try:
        yield
    finally:
        await taken.release("released" if directory.summary.exists() else "stopped")


def merge_some(path: Path, output: str, *, overwrite: bool = False) -> tuple[OutputFile, list[int]]:
    """Write the rows of the shards that have finished to `output`; return what it holds, and which shards it lacks.

    The run itself is left as it is. Rows behind a shard that is missing are numbered as if it had none, unless its
    files tell how many it will have.

    Raises:
        UsageError: There is no such run, none of its shards has finished, or the output exists.
        JournalError: A shard is of another plan, or its figures are damaged.
        StorageError: The disk is full or failed, or a part is damaged.
    """
    directory = RunDirectory(path.absolute())
    plan = read_plan(directory)
    check_partial(directory, output)
    return write_some(
        plan, shards_of(directory, plan), output, where=str(directory.path), overwrite=overwrite
    )


def check_partial(directory: RunDirectory, output: str) -> None:
    """Return if a part of the run may be written to `output`.

    Raises:
        UsageError: It was merged, or the output is in S3.
    """
    if directory.summary.exists():
        raise UsageError(f"the run was merged: its output is {read_summary(directory.summary).output}")
    if is_remote(output):
        raise UsageError(f"{output}: what is merged in part stays on this machine: choose a path for it")


def write_some(
    plan: ShardPlan, shards: list[RunDirectory], output: str, *, where: str, overwrite: bool
) -> tuple[OutputFile, list[int]]:
    """Write the rows of the shards whose results and parts are here; see `merge_some`."""
    parts, missing = finished_parts(plan, shards)
    if len(missing) == len(shards):
        raise UsageError(f"none of the {len(shards)} shards of {where} has finished yet")
    claim(output, run_id="", overwrite=overwrite)
    written = finish(
        parts,
        output,
        run_id=plan.run_id,
        passthrough_schema=plan.known.passthrough_schema,
        expected_rows=None,
        metadata={"fanout:endpoint": plan.endpoint, "fanout:simulated": str(plan.simulated).lower()},
        overwrite=overwrite,
    )
    return written, missing


def shards_of(directory: RunDirectory, plan: ShardPlan) -> list[RunDirectory]:
    """Return the directories of the shards of a plan.

    Raises:
        JournalError: One holds another run than the plan says.
    """
    shards = [directory.shard(index) for index in range(len(plan.shards))]
    for shard, planned in zip(shards, plan.shards, strict=True):
        if shard.manifest.exists() and (found := read_manifest(shard).run_id) != planned.run_id:
            raise JournalError(
                f"{shard.path} holds run {found}, and {directory.plan} says {planned.run_id}: it is of another plan; "
                "put back what belongs there"
            )
    return shards


def missing_line(directory: RunDirectory, plan: ShardPlan, index: int) -> str:
    """Return a line on a shard that has not finished: where it stands, and what finishes it."""
    shard = directory.shard(index)
    state = "was not started"
    if shard.journal.exists():
        state = "is running" if count_states(shard.journal) is None else "has stopped"
    return f"shard {index} {state}: --shard {index}/{len(plan.shards)}"


def unfinished(lines: list[str], *, missing: int, plan: ShardPlan, where: Path | str) -> Interrupted:
    """Return the error of a merge that lacks shards.

    Args:
        lines: On the first of them, each.
        missing: How many are missing.
        plan: Of the run.
        where: Its directory, or its place in S3.
    """
    more = f", and {missing - len(lines)} more" if missing > len(lines) else ""
    return Interrupted(
        f"{missing} of {len(plan.shards)} shards have not finished ({', '.join(lines)}{more}). Start these once "
        "more, with the command line that they were started with, or do all of them here: "
        f"`fanout resume {quoted(where)}`. To write what there is, add --partial"
    )


def merge_config(plan: ShardPlan, output: str | None, *, overwrite: bool) -> Config:
    """Return the configuration of a merge: the run's, with the output that is asked for.

    Args:
        plan: Of the run.
        output: Another output than the run was started with.
        overwrite: Replace an output that exists.
    """
    config = plan.config
    update = {
        "path": output or config.output.path,
        "overwrite": overwrite or (config.output.overwrite and output is None),
    }
    return compose.absolute(config.model_copy(update={"output": config.output.model_copy(update=update)}))


def merge_result(
    directory: RunDirectory, plan: ShardPlan, shards: list[RunDirectory], config: Config
) -> RunResult:
    """Return what all shards of a run came to; blocks, as it reads the figures of each.

    Raises:
        JournalError: A shard's figures are damaged.
        StorageError: A part cannot be read.
    """
    ended = merged(plan, shards)
    return RunResult(
        run_id=plan.run_id,
        config=config,
        directory=directory,
        endpoint=plan.endpoint,
        parts=ended.parts,
        passthrough_schema=plan.known.passthrough_schema,
        whole=True,
        tally=ended.tally,
        throttles=ended.throttles,
        started_at=plan.created_at,
        simulated=plan.simulated,
        warnings=tuple(ended.warnings),
    )
