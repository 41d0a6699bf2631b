"""Sends the rows of a finished run that did not succeed once more, as a run of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow.dataset as ds

from fanout.commands.new_run import start_run
from fanout.commands.paths import is_same_file
from fanout.config.model import Config
from fanout.domain.row_ranges import Ranges, to_ranges
from fanout.engine.snapshot import Observer
from fanout.errors import UsageError
from fanout.rundir.manifest import changes, read_manifest
from fanout.rundir.paths import RunDirectory
from fanout.rundir.summary import Summary, read_summary
from fanout.runtime import settings as compose


async def retry_job(
    path: Path, output: str, *, observer: Observer | None = None, changed: Config | None = None
) -> Summary:
    """Send the rows of a finished run that did not succeed once more, as a run of its own; return its summary.

    The output holds these rows alone, under the ordinals and ids that they had: the two files join on `row`. Each is a
    new send: a row that ended `unsettled` or `unknown` may have been served before, and may then be served twice.

    Args:
        path: Directory of the finished run.
        output: What to write.
        observer: Watches.
        changed: A configuration that may differ from that run's in anything but its input.

    Raises:
        UsageError: There is no such run, it has not finished, all its rows succeeded, or the input changed.
    """
    directory = RunDirectory(path.absolute())
    manifest = read_manifest(directory)
    if not directory.summary.exists():
        raise UsageError(f"the run has not finished: `fanout status {path}` says what to do first")
    earlier = read_summary(directory.summary)
    # Also with --overwrite: only the rows that are sent again would be left.
    if is_same_file(Path(output), Path(earlier.output)):
        raise UsageError(f"{output} is the output of that run, with rows that succeeded: choose another name")
    try:
        rows = unsuccessful(earlier.output)
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"the output of that run, {earlier.output}, cannot be read: {error}") from error
    if not rows:
        raise UsageError(f"every row of {earlier.output} succeeded: there is nothing to retry")
    config = changed or manifest.config
    config = config.model_copy(
        update={
            "output": config.output.model_copy(update={"path": output}),
            "run": config.run.model_copy(update={"dir": None}),
        }
    )
    differing = [
        key for key in changes(manifest.config, compose.absolute(config)) if key.startswith("input.")
    ]
    if differing:
        raise UsageError(f"{', '.join(differing)} differ from that run's: its rows could not be told apart")
    return await start_run(
        compose.absolute(config),
        observer=observer,
        rows=rows,
        retry_of=manifest.run_id,
        fingerprint=manifest.fingerprint,
    )


def unsuccessful(output: str, *, statuses: Sequence[str] = ()) -> Ranges:
    """Return the rows of an output that did not succeed, or those that have one of `statuses`."""
    status = ds.field("status")
    wanted = status.isin(list(statuses)) if statuses else status != "succeeded"
    table = ds.dataset(output, format="parquet").to_table(columns=["row"], filter=wanted)
    return to_ranges(sorted(table.column("row").to_pylist()))
