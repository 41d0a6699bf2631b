"""Writes the durable parts of an unfinished run as one Parquet file, here or in S3, without changing the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq

from fanout.commands.find_place import copy_files, looking, scratch_of
from fanout.concurrency.threads import run_in_thread
from fanout.config.model import Config
from fanout.domain.ids import new_run
from fanout.errors import UsageError, next_time
from fanout.output.destination import claim
from fanout.output.finish import finish
from fanout.output.object_place import ObjectPlace, is_remote, object_place
from fanout.output.parts import Part, read_parts
from fanout.output.schema import field_columns, passthrough_columns
from fanout.rundir.journal import Journal
from fanout.rundir.manifest import Manifest, read_manifest
from fanout.rundir.paths import RunDirectory
from fanout.rundir.recovery import recover
from fanout.rundir.shard_plan import read_plan
from fanout.runtime import settings as compose
from fanout.runtime.describe_run import describe_run
from fanout.runtime.event_loop import run_in_event_loop
from fanout.runtime.finish import built_files
from fanout.runtime.object_output import ObjectOutput
from fanout.runtime.place.part_store import PartStore
from fanout.runtime.place.replay import read_state
from fanout.runtime.place.run_place import RunPlace
from fanout.runtime.place.state import PlaceState
from fanout.runtime.session import Session, open_session
from fanout.runtime.supervisor import until_stopped
from fanout.shards.kept_plan import fetch_plan
from fanout.shards.kept_shards import fetch_parts, fetch_results
from fanout.shards.merging import shifts_of


def export(path: Path, output: str, *, overwrite: bool) -> int:
    """Write the rows of the run in `path` that are durable to `output`, in input order; return how many.

    Raises:
        UsageError: There is no run, no row that is durable, or the output exists.
        RunError: S3 does not permit it, or does not answer.
        JournalError: Another process is at the run, or its journal is damaged.
    """
    directory = RunDirectory(path)
    manifest = read_manifest(directory)
    _refuse_finished(directory, manifest)
    write = partial(_export, directory, manifest)
    with next_time("export it again"):
        if not is_remote(output):
            # Of no run: a file that an earlier export wrote is the person's, as any other is.
            claim(output, run_id="", overwrite=overwrite)
            return write(output, overwrite=overwrite)
        call = partial(
            _to_s3, write, manifest.config, object_place(output), within=directory.path, overwrite=overwrite
        )
        return run_in_event_loop(partial(until_stopped, call, next_step="export it again"))


def export_place(place: RunPlace, output: str, *, overwrite: bool, session: Config) -> int:
    """Write the rows that are durable of a run that is kept in S3, as `export` does; the place is left as it is.

    Raises:
        UsageError: There is no run, no row that is durable, or the output exists.
        JournalError: What stands there is damaged, or of a later version.
        RunError: S3 does not permit it, or does not answer.
    """
    call = partial(_export_place, place, output, overwrite=overwrite, session=session)
    with next_time("export it again"):
        return run_in_event_loop(partial(until_stopped, call, next_step="export it again"))


async def _export_place(place: RunPlace, output: str, *, overwrite: bool, session: Config) -> int:
    with scratch_of(session) as directory:
        async with looking(session) as opened:
            objects, clock = opened.cloud.objects, opened.clock
            manifest = (await copy_files(opened, place, directory)).manifest
            _refuse_finished(directory, manifest)
            if not is_remote(output):
                claim(output, run_id="", overwrite=overwrite)
            parts: Sequence[Part]
            if await fetch_plan(objects, place, directory, clock=clock):
                parts = await _parts_of_shards(opened, place, directory)
            else:
                state = await read_state(objects, place, clock=clock) or PlaceState()
                parts = state.recovered(directory.parts).parts
                await PartStore(objects, place, clock=clock).fetch(parts, state.parts)
        write = partial(_finish, parts, manifest, where=place.uri)
        if not is_remote(output):
            return await run_in_thread(partial(write, output, overwrite=overwrite))
        return await _to_s3(write, session, object_place(output), within=directory.path, overwrite=overwrite)


async def _parts_of_shards(session: Session, place: RunPlace, directory: RunDirectory) -> Sequence[Part]:
    """Fetch the durable parts of all shards, numbered through."""
    objects, clock = session.cloud.objects, session.clock
    plan = await run_in_thread(partial(read_plan, directory))
    shards = [directory.shard(index) for index in range(len(plan.shards))]
    await fetch_results(objects, place, shards, clock=clock)
    await fetch_parts(objects, place, shards, range(len(shards)), plan=plan, clock=clock)
    shifts = await run_in_thread(partial(shifts_of, plan, shards))
    return [part.shifted(shift) for shard, shift in shifts.items() for part in read_parts(shard.parts)]


def _refuse_finished(directory: RunDirectory, manifest: Manifest) -> None:
    if directory.summary.exists():
        raise UsageError(f"the run has finished: its output is {manifest.config.output.path}")


async def _to_s3(
    write: Callable[..., int], config: Config, place: ObjectPlace, *, within: Path, overwrite: bool
) -> int:
    """Build the output in a directory of its own below `within`, and put it into S3."""
    async with open_session(compose.s3_alone(config)) as session:
        # A name that no run has: it is this call's own, which a reply that was lost may have stored already.
        output = ObjectOutput(
            session.cloud.objects,
            place,
            run_id=f"export-{new_run()}",
            overwrite=overwrite,
            clock=session.clock,
        )
        await output.prove()
        with TemporaryDirectory(prefix="export-", dir=within) as folder:
            built = f"{folder}/output{'/' if place.dataset else '.parquet'}"
            rows = await run_in_thread(partial(write, built, overwrite=True))
            await output.publish(await run_in_thread(partial(built_files, built)))
    return rows


def _export(directory: RunDirectory, manifest: Manifest, output: str, *, overwrite: bool) -> int:
    shards = [directory.shard(index) for index in range(manifest.config.run.shard_count)]
    begun = [shard for shard in shards if shard.journal.exists()]  # none of a run on one process
    shifts = shifts_of(read_plan(directory), shards) if directory.plan.exists() else {}
    with ExitStack() as stack:
        parts: list[Part] = []
        for place in (directory, *begun):
            journal = stack.enter_context(closing(Journal(place.journal, must_exist=True)))
            found = recover(journal, place.parts).parts
            shift = shifts.get(place)
            parts += found if shift is None else [part.shifted(shift) for part in found]
        return _finish(parts, manifest, output, overwrite=overwrite, where=str(directory.path))


def _finish(parts: Sequence[Part], manifest: Manifest, output: str, *, overwrite: bool, where: str) -> int:
    if not parts:
        raise UsageError(f"no row of {where} is durable yet")
    schema = pq.read_schema(parts[0].path)
    metadata = {
        "fanout:endpoint": manifest.endpoint,
        **describe_run(manifest.config, manifest=manifest).as_metadata(),
    }
    # Nothing here says whether an endpoint elsewhere was simulated.
    if manifest.config.local.enabled:
        metadata["fanout:simulated"] = "true"
    return finish(
        parts,
        output,
        run_id=manifest.run_id,
        passthrough_schema=passthrough_columns(schema),
        fields=field_columns(schema),
        form=manifest.config.output.response,
        expected_rows=None,
        metadata=metadata,
        overwrite=overwrite,
        mode=manifest.config.output.permissions,
    ).rows
