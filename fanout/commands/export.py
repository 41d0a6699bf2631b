"""Writes the durable parts of an unfinished run as one Parquet file, here or in S3, without changing the run."""

from __future__ import annotations

from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from fanout.concurrency.threads import run_in_thread
from fanout.domain.ids import new_run
from fanout.errors import UsageError, next_time
from fanout.output.destination import claim
from fanout.output.finish import finish
from fanout.output.object_place import ObjectPlace, is_remote, object_place
from fanout.output.parts import Part
from fanout.rundir.journal import Journal
from fanout.rundir.manifest import Manifest, read_manifest
from fanout.rundir.paths import RunDirectory
from fanout.rundir.recovery import recover
from fanout.runtime import settings as compose
from fanout.runtime.event_loop import run_in_event_loop
from fanout.runtime.finish import built_files
from fanout.runtime.object_output import ObjectOutput
from fanout.runtime.session import open_session
from fanout.runtime.supervisor import until_stopped


def export(path: Path, output: str, *, overwrite: bool) -> int:
    """Write the rows of the run in `path` that are durable to `output`, in input order; return how many.

    Raises:
        UsageError: There is no run, no row that is durable, or the output exists.
        RunError: S3 does not permit it, or does not answer.
        JournalError: Another process is at the run, or its journal is damaged.
    """
    directory = RunDirectory(path)
    manifest = read_manifest(directory)
    if directory.summary.exists():
        raise UsageError(f"the run has finished: its output is {manifest.config.output.path}")
    with next_time("export it again"):
        if not is_remote(output):
            # Of no run: a file that an earlier export wrote is the person's, as any other is.
            claim(output, run_id="", overwrite=overwrite)
            return _export(directory, manifest, output, overwrite=overwrite)
        call = partial(_to_s3, directory, manifest, object_place(output), overwrite=overwrite)
        return run_in_event_loop(partial(until_stopped, call, next_step="export it again"))


async def _to_s3(directory: RunDirectory, manifest: Manifest, place: ObjectPlace, *, overwrite: bool) -> int:
    """Build the output in a directory of its own beside the run, and put it into S3."""
    async with open_session(compose.s3_alone(manifest.config)) as session:
        # A name that no run has: it is this call's own, which a reply that was lost may have stored already.
        output = ObjectOutput(
            session.cloud.objects,
            place,
            run_id=f"export-{new_run()}",
            overwrite=overwrite,
            clock=session.clock,
        )
        await output.prove()
        with TemporaryDirectory(prefix="export-", dir=directory.path) as folder:
            built = f"{folder}/output{'/' if place.dataset else '.parquet'}"
            rows = await run_in_thread(partial(_export, directory, manifest, built, overwrite=True))
            await output.publish(await run_in_thread(partial(built_files, built)))
    return rows


def _export(directory: RunDirectory, manifest: Manifest, output: str, *, overwrite: bool) -> int:
    shards = [directory.shard(index) for index in range(manifest.config.run.processes)]
    begun = [shard for shard in shards if shard.journal.exists()]  # none of a run on one process
    with ExitStack() as stack:
        parts: list[Part] = []
        for place in (directory, *begun):
            journal = stack.enter_context(closing(Journal(place.journal, must_exist=True)))
            parts += recover(journal, place.parts).parts
        if not parts:
            raise UsageError(f"no row of {directory.path} is durable yet")
        passthrough_schema = passthrough_columns(pq.read_schema(parts[0].path))
        metadata = {"fanout:endpoint": manifest.endpoint}
        # Nothing here says whether an endpoint elsewhere was simulated.
        if manifest.config.local.enabled:
            metadata["fanout:simulated"] = "true"
        return finish(
            parts,
            output,
            run_id=manifest.run_id,
            passthrough_schema=passthrough_schema,
            expected_rows=None,
            metadata=metadata,
            overwrite=overwrite,
        ).rows


def passthrough_columns(schema: pa.Schema) -> pa.Schema:
    """Return the passthrough columns of a part: they stand between `id` and `status`."""
    names = schema.names
    return pa.schema([schema.field(name) for name in names[names.index("id") + 1 : names.index("status")]])
