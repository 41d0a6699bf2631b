"""Writes the durable parts of an unfinished run as one Parquet file, without changing the run."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fanout.errors import UsageError, next_time
from fanout.output.destination import claim
from fanout.output.finish import finish
from fanout.output.parts import Part
from fanout.rundir.journal import Journal
from fanout.rundir.manifest import Manifest, read_manifest
from fanout.rundir.paths import RunDirectory
from fanout.rundir.recovery import recover


def export(path: Path, output: str, *, overwrite: bool) -> int:
    """Write the rows of the run in `path` that are durable to `output`, in input order; return how many.

    Raises:
        UsageError: There is no run, no row that is durable, or the output exists.
        JournalError: Another process is at the run, or its journal is damaged.
    """
    directory = RunDirectory(path)
    manifest = read_manifest(directory)
    if directory.summary.exists():
        raise UsageError(f"the run has finished: its output is {manifest.config.output.path}")
    with next_time("export it again"):
        return _export(directory, manifest, output, overwrite=overwrite)


def _export(directory: RunDirectory, manifest: Manifest, output: str, *, overwrite: bool) -> int:
    # Of no run: a file that an earlier export wrote is the person's, as any other is.
    claim(output, run_id="", overwrite=overwrite)
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
