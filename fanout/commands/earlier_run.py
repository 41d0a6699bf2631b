"""Finds the run that an earlier start left at an output, and tells in what it differs from the one that starts now."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from fanout.commands.sights import held
from fanout.config.model import Config
from fanout.domain.row_ranges import Ranges
from fanout.errors import NothingNew, RunError, UnfinishedRun, UsageError, next_time
from fanout.output.destination import run_at
from fanout.output.object_place import is_remote, object_place
from fanout.rundir.claim import Claim, Owner, claim_path, in_use, read_claim
from fanout.rundir.journal import JournalInUse, count_states
from fanout.rundir.manifest import Manifest, changes, holds_run, is_owed, read_manifest
from fanout.rundir.paths import RUNS, RunDirectory
from fanout.runtime.claim_note import Sight, look
from fanout.runtime.object_output import run_in_s3
from fanout.runtime.place.run_place import RunPlace, is_place
from fanout.runtime.session import open_session
from fanout.runtime.spec import AGAIN, RunSpec
from fanout.text import quoted


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """A run that began, and where.

    Attributes:
        directory: Its directory.
        manifest: What it was started with.
        place: Where its state is kept in S3, with a copy of its files in `directory`; None for a run kept there.
    """

    directory: RunDirectory
    manifest: Manifest
    place: RunPlace | None = None

    @property
    def where(self) -> str:
        """What a person names it by."""
        return str(self.directory.path) if self.place is None else self.place.uri

    @property
    def finished(self) -> bool:
        """Whether its output was written."""
        return self.directory.summary.exists()


def unfinished_error(output: str, earlier: EarlierRun) -> UnfinishedRun:
    """Return the error of a start that finds an unfinished run and was not asked to go on with it."""
    config, place = earlier.manifest.config, earlier.place
    spec = RunSpec.resumed(earlier.manifest, earlier.directory, config=config, place=place)
    path = earlier.where
    return UnfinishedRun(
        f"{output} has an unfinished run, {earlier.manifest.run_id}, whose rows a new one would send again: "
        f"{spec.next_step}; `fanout discard {quoted(path)}` gives it up",
        where=path,
    )


@contextmanager
def noted(held: Claim | None, spec: RunSpec) -> Iterator[None]:
    """Have the claim of an output on this machine name the run of the block, and outlive it unless it is finished.

    Args:
        held: The claim; None for an output in S3.
        spec: The run.

    Raises:
        StorageError: The disk is full or failed.
    """
    if held is None:
        yield
        return
    owner = Owner.here(spec.run_id, run_dir=spec.where, now=time.time(), begun=spec.begun)
    if spec.begun:  # it may still be refused, as a copy: who has the output is noted once it goes on
        held.intend(owner)
    else:
        with next_time(AGAIN):
            held.note(owner)
    try:
        yield
    finally:
        if not is_owed(spec.directory, spec.config):
            held.drop()


def unfinished_run(output: str, owner: Owner | None) -> EarlierRun | None:
    """Return the run that the last owner of an output left unfinished; what it left that never began is removed.

    Raises:
        JournalError: A process that outlived the owner is at the run, or its files are damaged.
        UsageError: They cannot be read, or are not here.
    """
    found = left_unfinished(output, owner)
    if found is None and owner is not None and owner.run_dir is not None and not is_place(owner.run_dir):
        directory = RunDirectory(Path(owner.run_dir))
        if not directory.manifest.exists():
            _remove_if_never_begun(directory)
    return found


def seen_unfinished(output: str) -> EarlierRun | None:
    """Return the unfinished run of an output on this machine as a start would find it; nothing is made or removed.

    Raises:
        OutputInUse: A live run has the output.
        JournalError: The claim, or the run's files, are damaged.
        UsageError: They cannot be read, or are not here.
    """
    owner = read_claim(output)
    if owner is not None and look(owner) is Sight.LIVE:
        raise in_use(output, owner)
    return left_unfinished(output, owner)


def left_unfinished(output: str, owner: Owner | None) -> EarlierRun | None:
    """Return the run that the last owner of an output left unfinished on this machine (`earlier_place` looks into S3).

    Raises:
        JournalError: Its files are damaged.
        UsageError: They cannot be read, or are not here.
    """
    if owner is None or owner.run_dir is None or is_place(owner.run_dir):
        return None
    directory = RunDirectory(Path(owner.run_dir))
    if not directory.manifest.exists():
        if owner.begun and not _sent_nothing(directory):
            what = "run.json is gone from" if directory.path.is_dir() else "directory is not here:"
            raise UsageError(
                f"{output} has an unfinished run, {owner}, and its {what} {directory.path}: put it back, or resume the "
                f"run where it is; if it is given up, remove {claim_path(output)}"
            )
        return None
    manifest = read_manifest(directory)
    if manifest.run_id != owner.run_id or not is_owed(directory, manifest.config):
        return None
    return EarlierRun(directory, manifest)


def finished_run(config: Config) -> EarlierRun | None:
    """Return the finished run that wrote what stands at the output, if its directory is here.

    For an output in S3, the last one that did: `difference` looks whether it still stands there.

    Args:
        config: Names the output, and the run's directory if it is not beside it.
    """
    output = config.output.path or ""
    if is_remote(output):
        return run_here(config, finished=True)
    run_id = run_at(output)
    if run_id is None:
        return None
    for path in _places(config, run_id):
        with suppress(RunError):
            found = EarlierRun(RunDirectory(path), read_manifest(RunDirectory(path)))
            if found.manifest.run_id == run_id and found.finished:
                return found
    return None


async def difference(
    earlier: EarlierRun, config: Config, *, rows: Ranges | None, retry_of: str | None
) -> str | None:
    """Return in what matters the run that starts now differs from an earlier one; None if in nothing.

    Args:
        earlier: The earlier run.
        config: Of the run that starts.
        rows: The rows that it sends, None for all.
        retry_of: The run whose rows these are.

    Raises:
        RunError: The input cannot be looked at.
    """
    before = earlier.manifest
    if differing := changes(before.config, config):
        return f"{', '.join(differing)} differ"
    if (before.rows, before.retry_of) != (rows, retry_of):
        return "it was of other rows"
    output = config.output.path or ""
    with TemporaryDirectory() as place:  # for the choice of what is new, if there is one to be made
        async with open_session(config, chosen=Path(place) / "inputs.json") as session:
            try:
                fingerprint = (await session.source()).fingerprint()
            except NothingNew:  # it took all there was
                fingerprint = before.fingerprint
            if is_remote(output):
                there = await run_in_s3(session.cloud.objects, object_place(output), clock=session.clock)
                if there != before.run_id:
                    return "it is not what stands there"
    return None if fingerprint == before.fingerprint else "the input has changed"


def run_here(config: Config, *, finished: bool) -> EarlierRun | None:
    """Return the last run of an output in S3 whose directory is here, of those that are finished or unfinished."""
    inside = Path.cwd() / RUNS
    places = [*inside.glob("*/run.json")]
    if config.run.dir:
        named = Path(config.run.dir).absolute()
        places += [*named.glob("run.json"), *named.glob("*/run.json")]
    found: list[tuple[float, EarlierRun]] = []
    for path in places:
        with suppress(RunError, OSError):
            run = EarlierRun(RunDirectory(path.parent), read_manifest(RunDirectory(path.parent)))
            wanted = run.finished if finished else is_owed(run.directory, run.manifest.config)
            if wanted and run.manifest.config.output.path == config.output.path:
                found.append((path.stat().st_mtime, run))
    return max(found, key=lambda each: each[0])[1] if found else None


def make_room(directory: RunDirectory, config: Config) -> None:
    """Have a run's directory be free for it: a finished run of the same output goes if that may be replaced.

    Raises:
        UsageError: It holds another run.
        JournalError: A process is at that, or what it is cannot be read.
        StorageError: The file system refused.
    """
    if not directory.manifest.exists():
        return
    before, finished = read_manifest(directory), directory.summary.exists()
    output = before.config.output.path or ""
    if not (finished and config.output.overwrite and output == config.output.path):
        raise holds_run(str(directory.path), output=output, finished=finished)
    with held(directory, unreadable="pass"):
        directory.remove_finished()


def _places(config: Config, run_id: str) -> Iterator[Path]:
    """Yield where the directory of a run may be, other than where an earlier line put it."""
    output = config.output.path or ""
    if config.run.dir:
        yield Path(config.run.dir).absolute()
        yield Path(config.run.dir).absolute() / run_id
    yield (Path.cwd() if is_remote(output) else Path(output).absolute().parent) / RUNS / run_id


def _sent_nothing(directory: RunDirectory) -> bool:
    """Whether a run without `run.json` was killed after it had noted that it begins, and before that file was there.

    Its journal is there then, and knows no row. A directory that was emptied tells nothing.
    """
    if directory.has_shards or not directory.journal.exists() or any(directory.parts.glob("*")):
        return False
    states = count_states(directory.journal)
    return states is None or not any(states.values())


def _remove_if_never_begun(directory: RunDirectory) -> None:
    if directory.journal.exists() and count_states(directory.journal) is None:
        raise JournalInUse(f"{directory.path} is in use by another process: wait for it, or stop it")
    directory.remove_if_unused()
