"""Finishes a run: makes the output of its durable parts, writes the summary, and removes the parts.

An output for S3 is built in the run's directory, where every page of it is read back, and then put in its place. After
a kill at any point, finishing begins again from the start.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from fanout.concurrency.interpreter import release_memory
from fanout.concurrency.threads import run_in_thread
from fanout.config.model import Config
from fanout.domain.location import Location
from fanout.failpoints import failpoint
from fanout.files import readable
from fanout.output.finish import OutputFile, finish
from fanout.output.object_place import is_remote, object_place
from fanout.output.response_columns import response_columns
from fanout.rundir.begun_uploads import note_upload
from fanout.rundir.manifest import read_manifest
from fanout.rundir.paths import RunDirectory
from fanout.rundir.provenance import Provenance
from fanout.rundir.summary import Summary, summarize, write_summary
from fanout.runtime.describe_run import describe_run
from fanout.runtime.night import end_night
from fanout.runtime.object_output import BuiltFile, ObjectOutput
from fanout.runtime.result import RunResult
from fanout.runtime.session import Session
from fanout.runtime.settings import responses


async def prove_output(
    session: Session,
    config: Config,
    *,
    run_id: str,
    directory: RunDirectory | None = None,
    warn: Callable[[str], None],
) -> None:
    """Return if the output may be put where it is wanted in S3; what stands on this machine was looked at before.

    Args:
        session: S3.
        config: Names the output.
        run_id: The run.
        directory: Its directory, which notes what is begun; None where there is none yet.
        warn: Called with what a person should know if what was begun for it stays.

    Raises:
        UsageError: Something stands there that may not be replaced.
        RunError: S3 does not permit it.
    """
    path = config.output.path or ""
    if not is_remote(path):
        return
    await _object_output(session, config, run_id=run_id, directory=directory).prove(warn=warn)


def finish_here(result: RunResult, *, now: float) -> Summary:
    """Do what `finish_run` does for an output on this machine that moves no watermark, for which AWS is not needed."""
    path = result.config.output.path or ""
    manifest = read_manifest(result.directory)
    output_file = _build(
        result, path, describe_run(result.config, manifest=manifest, started_at=result.started_at)
    )
    where = str(result.directory.path)
    return _summed_up(result, output_file, path, where=where, seconds=now - result.started_at)


async def finish_run(result: RunResult, session: Session, /) -> Summary:
    """Write the output and the summary, and remove the parts.

    Raises:
        UsageError: The output exists and may not be replaced.
        StorageError: The disk is full or failed, or a part is damaged.
        JournalError: The output is no longer this run's.
        RunError: The output cannot be put into S3, or the watermark not be moved.
    """
    output = result.config.output.path or ""
    built = output
    if is_remote(output):
        built = result.directory.built(dataset=object_place(output).dataset)
    provenance = await _provenance(result, session)
    if session.kept is not None:
        await session.kept.fetch_parts(result.parts)
        await session.kept.prove()
    output_file = await run_in_thread(functools.partial(_build, result, built, provenance))
    if is_remote(output):
        files = await run_in_thread(functools.partial(built_files, built))
        place = _object_output(session, result.config, run_id=result.run_id, directory=result.directory)
        await _prove_owner(session)
        await place.publish(files)
        failpoint("output.published")
    await end_night(
        result.config,
        session.cloud.objects,
        chosen=result.directory.inputs,
        remote=session.remote(),
        run_id=result.run_id,
        clock=session.clock,
        warn=session.warnings.warn,
    )
    result = result.warned(session.warnings.of_run)
    where = session.kept.place.uri if session.kept is not None else str(result.directory.path)
    seconds = session.clock.now() - result.started_at
    summary = await run_in_thread(
        functools.partial(_summed_up, result, output_file, built, where=where, seconds=seconds)
    )
    if session.kept is not None:
        await session.kept.finish()
    return summary


async def _prove_owner(session: Session) -> None:
    """Return if run and output are still ours: another process may have taken them over while this one stood still."""
    if session.kept is not None:
        await session.kept.prove()
    if session.claim is not None:
        await session.claim.renew()


def _object_output(
    session: Session, config: Config, *, run_id: str, directory: RunDirectory | None
) -> ObjectOutput:
    async def note(location: Location, upload_id: str | None) -> None:
        assert directory is not None
        await run_in_thread(functools.partial(note_upload, directory, location, upload_id))
        if session.kept is not None:  # what stands on this machine alone goes with it
            await session.kept.mirror()

    return ObjectOutput(
        session.cloud.objects,
        object_place(config.output.path or ""),
        run_id=run_id,
        overwrite=config.output.overwrite,
        clock=session.clock,
        note=None if directory is None else note,
    )


async def _provenance(result: RunResult, session: Session) -> Provenance:
    """Return what the output says of its run."""
    manifest = await run_in_thread(functools.partial(read_manifest, result.directory))
    return describe_run(
        result.config,
        manifest=manifest,
        endpoint=await session.endpoint(),
        region=session.cloud.region,
        started_at=result.started_at,
    )


def _build(result: RunResult, path: str, provenance: Provenance) -> OutputFile:
    """Merge the parts into the output at `path`."""
    release_memory()
    output = result.config.output
    return finish(
        result.parts,
        path,
        run_id=result.run_id,
        passthrough_schema=result.passthrough_schema,
        fields=response_columns(responses(result.config).fields),
        form=output.response,
        expected_rows=result.tally.rows if result.whole else None,
        metadata={
            "fanout:endpoint": result.endpoint,
            "fanout:simulated": str(result.simulated).lower(),
            "fanout:throttles": str(result.throttles),
            **provenance.as_metadata(),
        },
        overwrite=output.overwrite or path != output.path,
        mode=output.permissions,
    )


def built_files(built: str) -> list[BuiltFile]:
    """Return the files of an output that was built for S3, in row order."""
    path = Path(built)
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    found = []
    for file in files:
        with readable(file):
            found.append(
                BuiltFile(
                    file.name if path.is_dir() else "",
                    file,
                    pq.read_metadata(file).num_rows,
                    file.stat().st_size,
                )
            )
    return found


def _summed_up(
    result: RunResult, output_file: OutputFile, built: str, *, where: str, seconds: float
) -> Summary:
    """Write the summary and remove what it makes superfluous."""
    summary = summarize(
        run_id=result.run_id,
        endpoint=result.endpoint,
        output=result.config.output.path or "",
        built=built,
        run_dir=where,
        output_bytes=output_file.size_bytes,
        tally=result.tally,
        throttles=result.throttles,
        started_at=result.started_at,
        seconds=seconds,
        simulated=result.simulated,
        warnings=result.warnings,
    )
    write_summary(summary, result.directory.summary)
    failpoint("summary.written")
    if not result.config.run.keep_dir:  # the output holds every row of them
        for directory in {part.path.parent for part in result.parts} | {result.directory.parts}:
            shutil.rmtree(directory, ignore_errors=True)
    if built != result.config.output.path:
        shutil.rmtree(built, ignore_errors=True)
        Path(built).unlink(missing_ok=True)
    return summary
