"""Sends the rows of a finished run that did not succeed once more, as a run of its own."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio.to_thread
import pyarrow.dataset as ds

from fanout.analysis.output_files import version_of
from fanout.analysis.remote_outputs import dataset_of, find_objects
from fanout.commands.earlier_run import EarlierRun
from fanout.commands.find_place import copy_files, looking, scratch_of
from fanout.commands.new_run import start_run
from fanout.commands.paths import is_same_file
from fanout.concurrency.clock import SystemClock
from fanout.concurrency.threads import run_in_thread
from fanout.config.model import Config
from fanout.domain.row_ranges import Ranges, to_ranges
from fanout.engine.snapshot import Observer
from fanout.errors import UsageError
from fanout.files import damage
from fanout.output.object_place import is_remote, object_place
from fanout.output.schema import RUN_KEY, VERSION_KEY
from fanout.rundir.manifest import MATTERS, changes, read_manifest
from fanout.rundir.paths import RunDirectory
from fanout.rundir.summary import Summary, read_summary
from fanout.runtime import settings as compose
from fanout.runtime.place.run_place import RunPlace
from fanout.runtime.schedule import same_night
from fanout.runtime.session import open_session
from fanout.runtime.supervisor import until_stopped
from fanout.source.remote import Remote
from fanout.text import quoted

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
    run = EarlierRun(directory, read_manifest(directory))
    return await _retry(run, output, observer=observer, changed=changed)


async def retry_place(
    place: RunPlace,
    output: str,
    *,
    session: Config,
    observer: Observer | None = None,
    changed: Config | None = None,
) -> Summary:
    """Send the rows that did not succeed of a finished run that is kept in S3; see `retry_job`.

    Args:
        place: Where.
        output: What to write.
        session: Leads to S3.
        observer: Watches.
        changed: As for `retry_job`.

    Raises:
        RunError: S3 does not permit it, or as `retry_job`.
    """
    with scratch_of(changed or session) as directory:
        async with looking(session) as opened:
            run = await copy_files(opened, place, directory)
        return await _retry(run, output, observer=observer, changed=changed)


async def _retry(
    run: EarlierRun, output: str, *, observer: Observer | None, changed: Config | None
) -> Summary:
    directory, manifest = run.directory, run.manifest
    if not directory.summary.exists():
        raise UsageError(
            f"the run has not finished: `fanout status {quoted(run.where)}` says what to do first"
        )
    earlier = read_summary(directory.summary)
    # Also with --overwrite: only the rows that are sent again would be left.
    if _is_same(output, earlier.output):
        raise UsageError(f"{output} is the output of that run, with rows that succeeded: choose another name")
    try:
        rows = await _rows(earlier.output, run_id=earlier.run_id, config=changed or manifest.config)
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(
            f"the output of that run, {earlier.output}, cannot be read: {damage(error)}. Put a copy of it there"
        ) from error
    if not rows:
        _log.info("nothing to retry: every row of %s succeeded. Nothing was sent", earlier.output)
        return replace(earlier, nothing_to_retry=True)
    config = _configuration(_same_input(changed, manifest.config), output, begun=manifest.config)
    differing = [key for key in changes(manifest.config, config) if key in _OF_THE_ROWS]
    if differing:
        raise UsageError(
            f"{', '.join(differing)} differ from that run's, so its rows could not be found again: leave them as they "
            "were"
        )
    return await start_run(
        # Its input is what that run took, and its own end is no night's.
        config.model_copy(update={"input": config.input.model_copy(update={"since": None})}),
        observer=observer,
        rows=rows,
        retry_of=manifest.run_id,
        fingerprint=manifest.fingerprint,
        inputs=directory.inputs,
    )


def _is_same(one: str, other: str) -> bool:
    """Whether two outputs are one, here or in S3."""
    if is_remote(one) and is_remote(other):
        return object_place(one) == object_place(other)
    return is_same_file(Path(one), Path(other))


def _same_input(changed: Config | None, begun: Config) -> Config:
    """Return what a retry goes by; one that names no input has that of its run."""
    if changed is None or changed.input.paths:
        return changed or begun
    return changed.model_copy(update={"input": begun.input})


def _configuration(config: Config, output: str, *, begun: Config) -> Config:
    """Return the configuration of a retry, in a directory of its own, of a run that began with `begun`.

    Raises:
        UsageError: A placeholder in a path is not known.
    """
    named = config.model_copy(update={"output": config.output.model_copy(update={"path": output})})
    found = same_night(compose.absolute(named), begun, now=SystemClock().now())
    # The rows of a retry are few and anywhere in the input: they are dealt out, not divided by bytes.
    alone = {"shard": None, "shards": None, "at_once": None}
    found = found.model_copy(update={"run": found.run.model_copy(update=alone)})
    place = found.run.dir
    # With a slash at its end it is of many runs, and this one is another.
    if place is None or place.endswith("/") or place != begun.run.dir:
        return found
    return found.model_copy(update={"run": found.run.model_copy(update={"dir": None})})


_OF_THE_ROWS = frozenset(f"input.{key}" for key in MATTERS["input"] or ()) - {
    "input.since",
    "input.watermark",
}


async def _rows(output: str, *, run_id: str, config: Config) -> Ranges:
    """Return the rows of a run's output that did not succeed; one in S3 is read with `config`."""
    if not is_remote(output):
        return await run_in_thread(partial(unsuccessful, output, run_id=run_id))

    async def look() -> Ranges:
        async with open_session(compose.s3_alone(config)) as session:
            read = partial(unsuccessful, output, run_id=run_id, remote=session.remote())
            return await anyio.to_thread.run_sync(read, abandon_on_cancel=True)

    return await until_stopped(look, next_step="nothing was sent: start it again")


def unsuccessful(
    output: str, *, statuses: Sequence[str] = (), run_id: str | None = None, remote: Remote | None = None
) -> Ranges:
    """Return the rows of an output that did not succeed, or those that have one of `statuses`.

    Args:
        output: A file or a dataset, or the uri of one that `remote` reads.
        statuses: Those that are looked for; none for all but `succeeded`.
        run_id: The run that must have written it; None for any.
        remote: S3.

    Raises:
        UsageError: Another run has replaced it, or a later version of the program wrote it, which may have ends of
            rows that are not known here.
    """
    outputs: ds.Dataset
    if remote is None:
        outputs = ds.dataset(output, format="parquet")
    else:
        infos = find_objects(output, remote=remote)
        if not infos:
            raise UsageError(f"{output}: holds no Parquet file")
        outputs = dataset_of(infos, remote=remote)
    metadata = outputs.schema.metadata or {}
    written_by = metadata.get(RUN_KEY, b"").decode("utf-8", "replace")
    if run_id is not None and written_by != run_id:
        raise UsageError(
            f"{output} is no longer the output of run {run_id}, but of {written_by or 'another program'}: "
            "its rows are others"
        )
    if VERSION_KEY in metadata:
        version_of(metadata, output)
    status = ds.field("status")
    wanted = status.isin(list(statuses)) if statuses else status != "succeeded"
    table = outputs.to_table(columns=["row"], filter=wanted)
    return to_ranges(sorted(table.column("row").to_pylist()))
