"""Sends the rows of a finished run that did not succeed once more, as a run of its own."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import pyarrow.dataset as ds

from fanout.analysis.output_files import version_of
from fanout.commands.new_run import start_run
from fanout.commands.paths import is_same_file
from fanout.config.model import Config
from fanout.domain.row_ranges import Ranges, to_ranges
from fanout.engine.snapshot import Observer
from fanout.errors import UsageError
from fanout.output.schema import VERSION_KEY
from fanout.rundir.manifest import changes, read_manifest
from fanout.rundir.paths import RunDirectory
from fanout.rundir.summary import Summary, read_summary
from fanout.runtime import settings as compose

_log = logging.getLogger(__name__)


async def retry_job(
    path: Path, output: str, *, observer: Observer | None = None, changed: Config | None = None
) -> Summary:
    """Send the rows of a finished run that did not succeed once more, as a run of its own; return its summary.

    The output holds these rows alone, under the ordinals and ids that they had: the two files join on `row`. Each is a
    new send: a row that ended `unsettled` or `unknown` may have been served before, and may then be served twice.
    Where every row succeeded nothing is written, and the finished run's own summary is returned.

    Args:
        path: Directory of the finished run.
        output: What to write.
        observer: Watches.
        changed: A configuration that may differ from that run's in anything but its input.

    Raises:
        UsageError: There is no such run, it has not finished, or the input changed.
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
        _log.warning(
            "every row of %s succeeded: there is nothing to retry, and nothing was sent", earlier.output
        )
        return earlier
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
    """Return the rows of an output that did not succeed, or those that have one of `statuses`.

    Raises:
        UsageError: A later version of the program wrote it: it may have ends of rows that are not known here.
    """
    outputs = ds.dataset(output, format="parquet")
    metadata = outputs.schema.metadata or {}
    if VERSION_KEY in metadata:
        version_of(metadata, Path(output))
    status = ds.field("status")
    wanted = status.isin(list(statuses)) if statuses else status != "succeeded"
    table = outputs.to_table(columns=["row"], filter=wanted)
    return to_ranges(sorted(table.column("row").to_pylist()))
