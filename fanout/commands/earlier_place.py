"""Finds the run of an output whose state is kept in S3: the one that its claim names, or that stands at its place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

from fanout.commands.earlier_run import EarlierRun
from fanout.commands.find_place import copy_files, looking, places_below
from fanout.config.model import Config
from fanout.errors import UsageError
from fanout.output.destination import run_at
from fanout.output.object_place import is_remote, object_place
from fanout.rundir.claim import OutputInUse, Owner
from fanout.rundir.paths import RunDirectory
from fanout.runtime.object_output import run_in_s3
from fanout.runtime.place.replay import read_object
from fanout.runtime.place.run_place import RunPlace, is_place, run_place
from fanout.runtime.place.sign_of_life import PlaceInUse, until_silent
from fanout.runtime.session import Session


async def unfinished_place(config: Config, owner: Owner | None, directory: RunDirectory) -> EarlierRun | None:
    """Return the unfinished run of an output of this machine that is kept in S3, its small files copied to `directory`.

    Args:
        config: Of the run that starts.
        owner: Whom the claim on the output names; its lock is ours, so that process is gone: another may be at the run.
        directory: Scratch.

    Raises:
        OutputInUse: A process elsewhere is at the run.
        JournalError: What stands there is damaged, or of a later version.
        RunError: S3 does not permit it, or does not answer.
    """
    claimed = owner.run_dir if owner is not None and is_place(owner.run_dir or "") else None
    if claimed is None and not is_place(config.run.dir or ""):
        return None
    async with looking(config) as session:
        if owner is not None and claimed is not None:
            place = run_place(claimed)
            found = await _unfinished(session, place, directory)
            if found is not None and found.manifest.run_id == owner.run_id:
                await _check_silent(session, place, output=config.output.path or "")
                return found
        async for place in _places(session, config.run.dir or ""):
            found = await _unfinished(session, place, directory)
            if found is not None and found.manifest.config.output.path == config.output.path:
                await _check_silent(session, place, output=config.output.path or "")
                return found
    return None


async def _places(session: Session, named: str) -> AsyncIterator[RunPlace]:
    """Yield the place that is named, or those of unfinished runs below a parent, the youngest first."""
    if not is_place(named):
        return
    if not named.endswith("/"):
        yield run_place(named)
        return
    for found in reversed(await places_below(session, named)):
        if not found.finished:
            yield found.place


async def _unfinished(session: Session, place: RunPlace, directory: RunDirectory) -> EarlierRun | None:
    if await read_object(session.cloud.objects, place.manifest, clock=session.clock) is None:
        return None
    directory.summary.unlink(missing_ok=True)  # of the place before
    found = await copy_files(session, place, directory)
    return None if found.finished else found


async def _check_silent(session: Session, place: RunPlace, *, output: str) -> None:
    """Return once no process can be at the run; see `until_silent`.

    Raises:
        OutputInUse: One is.
        RunError: S3 does not permit it, or does not answer.
    """
    try:
        await until_silent(session.cloud.objects, place, clock=session.clock)
    except PlaceInUse as error:
        raise OutputInUse(f"{output}: {error}") from error


async def finished_place(config: Config, directory: RunDirectory) -> EarlierRun | None:
    """Return the finished run that wrote what stands at the output, if it is kept at the place of this one.

    Args:
        config: Of the run that starts.
        directory: Scratch; its small files are copied there.

    Raises:
        RunError: S3 does not permit it, or does not answer.
    """
    named, output = config.run.dir or "", config.output.path or ""
    if not is_place(named):
        return None
    async with looking(config) as session:
        if is_remote(output):
            run_id = await run_in_s3(session.cloud.objects, object_place(output), clock=session.clock)
        else:
            run_id = run_at(output)
        if run_id is None:
            return None
        with suppress(UsageError):
            found = await copy_files(session, run_place(named, run_id=run_id), directory)
            if found.manifest.run_id == run_id and found.finished:
                return found
    return None
