"""Looks at the run directories that a clean-up can see: which runs they hold, and whether these live."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from fanout.commands.status import RunStatus, run_status, runs
from fanout.domain.dead_runs import Sight
from fanout.domain.leftovers import BegunUploads
from fanout.errors import JournalError, RunError, UsageError
from fanout.rundir.begun_uploads import begun_uploads
from fanout.rundir.identity import check_identity
from fanout.rundir.journal import Journal, JournalInUse, files_of
from fanout.rundir.manifest import read_manifest
from fanout.rundir.paths import RunDirectory


def in_sight(places: Sequence[Path], *, here: Path) -> dict[str, Sight]:
    """Return the runs in `places` and in the `.fanout` below `here`, and the shards of each, by their ids.

    What does not tell whether its run lives is left out: damaged files, and a copy, whose original may be in use.

    Args:
        places: Run directories, or directories that hold some.
        here: The working directory.

    Raises:
        UsageError: A place is no directory.
    """
    found: dict[str, RunStatus] = {}
    for place in (here, *places):
        statuses = [run_status(place)] if (place / "run.json").exists() else runs(place)
        found |= {status.run_dir: status for status in statuses if status.state != "damaged"}
    sights = [sight for status in found.values() if _is_its_own(status) for sight in sights_of(status)]
    return {sight.run_id: sight for sight in sorted(sights, key=lambda sight: sight.lives)}


def _is_its_own(status: RunStatus) -> bool:
    try:
        check_identity(RunDirectory(Path(status.run_dir)))
    except JournalError:
        return status.state == "running"
    return True


def sights_of(status: RunStatus) -> list[Sight]:
    """Return a run and its shards as a clean-up sees them; all of them live if one does."""
    directory = RunDirectory(Path(status.run_dir))
    manifest = read_manifest(directory)
    files = [
        file
        for each in (directory, *map(directory.shard, range(manifest.config.run.shard_count)))
        for file in (each.manifest, each.status, *files_of(each.journal), *each.parts.glob("*"))
    ]
    # SQLite makes an empty log to read a journal.
    changed_at = max(file.stat().st_mtime for file in files if file.exists() and file.stat().st_size)
    return [
        Sight(
            each.run_id,
            status.run_dir,
            manifest.endpoint,
            lives=status.state == "running",
            age_s=max(time.time() - changed_at, 0.0),
            keeps_inputs=manifest.config.transport.keep_inputs,
        )
        for each in (status, *status.shards)
    ]


def begun(sights: Iterable[Sight]) -> dict[str, BegunUploads]:
    """Return the uploads to their outputs' places that these runs have begun, by run; a run's shards have none."""
    directories = {
        sight.directory: sight.run_id for sight in reversed(list(sights))
    }  # a run before its shards
    return {run_id: begun_uploads(RunDirectory(Path(path))) for path, run_id in directories.items()}


@contextmanager
def held(directory: RunDirectory, *, unreadable: Literal["refuse", "pass"]) -> Iterator[None]:
    """Keep every process away from a run while what is left of it is removed.

    Args:
        directory: Of the run.
        unreadable: What to do with a journal that this process cannot open, though no other has it: such a run can be
            given up by a person, and is not to be cleared away in passing.

    Raises:
        JournalInUse: A process is at it.
        RunError: As `Journal` does, for a journal that is to be refused.
    """
    journal = None
    if directory.journal.exists():
        try:
            journal = Journal(directory.journal, must_exist=True)
        except JournalInUse:
            raise
        except RunError:
            if unreadable == "refuse":
                raise
    try:
        _check_still(directory)
        yield
    finally:
        if journal is not None:
            journal.close()


def _check_still(directory: RunDirectory) -> None:
    """Return if no process is at the run, or at a shard of it, that the lock of its journal does not tell of."""
    for path in (directory.path, *sorted(directory.shards.glob("*"))):
        if path == directory.path and directory.journal.exists():
            continue  # it is ours
        try:
            lives = run_status(path).state == "running"
        except (JournalError, UsageError):
            continue  # damaged, or killed before its `run.json`
        if lives:
            raise JournalInUse(f"{path} is in use by another process: wait for it, or stop it")
