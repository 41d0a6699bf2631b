"""Keeps two runs from writing one output on this machine: a file beside it that the operating system locks.

The lock says whether its owner lives: a kill frees it. What the file says outlives the owner, so that a later start
finds the run that was not finished.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fanout.errors import JournalError, RunError, StorageError, UsageError
from fanout.files import storage, sync_directory, usable
from fanout.rundir.paths import RUNS
from fanout.text import iso

VERSION = 1
CLAIMS = "claims"  # RUNS/CLAIMS/<output's name>
MAX_BYTES = 64 * 1024  # of a claim: two names of at most 4,096 bytes, each of which JSON may spell with six

_TRIES = 100
"""Times that the file or its directory may go between two steps of ours before something else is at fault."""
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}


class OutputInUse(JournalError):  # noqa: N818 - reads as what is the case
    """A live run has the output."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that has an output, or had it.

    Attributes:
        run_id: Its run.
        run_dir: The run's directory, absolute, or its place in S3; None for an experiment, which keeps nothing.
        host: Its machine.
        pid: Its number there.
        started_at: When it claimed the output, in seconds since the epoch, by its own clock: for people only.
        begun: Whether its run may have a `run.json`, which comes before anything is sent.
    """

    run_id: str
    run_dir: str | None
    host: str
    pid: int
    started_at: float
    begun: bool = False

    @classmethod
    def here(cls, run_id: str, *, run_dir: Path | str | None, now: float, begun: bool = False) -> Owner:
        """Return this process as the owner for a run."""
        directory = None if run_dir is None else str(run_dir)
        return cls(run_id, directory, socket.gethostname(), os.getpid(), now, begun)

    def __str__(self) -> str:
        """Say who it is."""
        return f"run {self.run_id} (process {self.pid} on {self.host}, since {iso(self.started_at)})"


class Claim:
    """An output that this process has; made by `claimed`.

    Attributes:
        previous: The owner that left the claim behind; None if there is none.
    """

    def __init__(self, path: Path, descriptor: int, *, previous: Owner | None) -> None:
        self.previous = previous
        self._path = path
        self._descriptor = descriptor
        self._owner: Owner | None = None
        self._noted = previous
        self._kept = previous is not None

    def note(self, owner: Owner) -> None:
        """Make durable whose the output is now, before anything is made or sent.

        Raises:
            StorageError: The disk is full or failed.
        """
        content = json.dumps({"version": VERSION, **asdict(owner)}).encode() + b"\n"
        with storage(self._path, "write"):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, content, 0)
            os.fsync(self._descriptor)
        sync_directory(self._path.parent)
        self._owner = self._noted = owner
        self._kept = True

    def intend(self, owner: Owner) -> None:
        """Have `begin` note whose the output is, and leave until then what stands there."""
        self._owner = owner

    async def begin(self) -> None:
        """Note, before `run.json` is there or the run goes on, that there is a run from now on."""
        if self._owner is not None and (begun := replace(self._owner, begun=True)) != self._noted:
            self.note(begun)

    def drop(self) -> None:
        """Remove the claim at its release: no unfinished run is left that a later start should find."""
        self._kept = False

    def release(self) -> None:
        """Let go of the output."""
        try:
            # Before the lock is free: a claim that another process has locked by then is not removed.
            if not self._kept:
                with suppress(OSError):  # it stays, and says that its run has finished
                    self._path.unlink()
                    self._path.parent.rmdir()
                    self._path.parent.parent.rmdir()
        finally:
            os.close(self._descriptor)


def claim_path(output: str) -> Path:
    """Return where the claim of an output on this machine stands."""
    path = Path(output)
    return path.parent / RUNS / CLAIMS / path.name


@contextmanager
def claimed(output: str) -> Iterator[Claim]:
    """Have an output on this machine to ourselves inside the block.

    Raises:
        OutputInUse: Another process has it; names it.
        JournalError: The claim is damaged, or of a later version.
        UsageError: It cannot be made beside the output.
        StorageError: The disk is full or failed, or knows no locks.
    """
    path = claim_path(output)
    descriptor = _locked(path, output)
    try:
        claim = Claim(path, descriptor, previous=_read(path, descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    try:
        yield claim
    finally:
        claim.release()


def read_claim(output: str) -> Owner | None:
    """Return who has, or had, an output on this machine; None where no claim tells.

    Raises:
        JournalError: The claim is damaged, or of a later version.
        StorageError: It cannot be read.
    """
    path = claim_path(output)
    try:
        with storage(path, "read"):
            content = path.read_bytes()
    except RunError as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            return None
        raise
    return parse_owner(content, str(path))


def parse_owner(content: bytes, place: str) -> Owner | None:
    """Return the owner that a claim names; None if it was killed before it wrote, and so before it made anything.

    Raises:
        JournalError: The claim is damaged, or of a later version.
    """
    if not content.strip(b"\0 \n"):
        return None
    try:
        found: dict[str, Any] = json.loads(content)
        version = found["version"]
        if isinstance(version, int) and version > VERSION:
            raise JournalError(
                f"{place} was written by a later version of fanout: use that version, or remove the file "
                "if no run of it is left"
            )
        run_dir = found["run_dir"]
        return Owner(
            str(found["run_id"]),
            None if run_dir is None else str(run_dir),
            str(found["host"]),
            int(found["pid"]),
            float(found["started_at"]),
            bool(found["begun"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise JournalError(
            f"{place} is damaged ({type(error).__name__}): it says which run has this output: "
            "see what `fanout runs` lists, resume what is unfinished by its directory, then remove the file"
        ) from error


def in_use(output: str, owner: Owner | None) -> OutputInUse:
    """Return the error of a start that finds an output in use."""
    who = "which is just starting" if owner is None else str(owner)
    return OutputInUse(f"{output} is in use by another process, {who}: wait for it, or stop it")


def _locked(path: Path, output: str) -> int:
    """Return a descriptor of the file at `path`, locked."""
    if not Path(output).parent.is_dir():
        raise UsageError(
            f"{Path(output).parent} is not a directory: create it, or choose another name for the output"
        )
    for _ in range(_TRIES):
        _make_room(path.parent)
        with usable(path), storage(path, "open"):
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:  # its directory went with another claim
                continue
        kept = False
        try:
            _lock(path, descriptor, output)
            kept = _is_at(path, descriptor)
        finally:
            if not kept:  # its last owner has removed the file meanwhile, or the lock was refused
                os.close(descriptor)
        if kept:
            return descriptor
    raise in_use(output, None)


def _make_room(directory: Path) -> None:
    """Make the directory of claims; a claim that is released removes it, so that it may be gone again at once."""
    for each in (directory.parent, directory):
        with usable(each), storage(each, "create"):
            try:
                each.mkdir(mode=0o700)
            except (FileExistsError, FileNotFoundError):
                continue  # opening the file says what is wrong, if anything is
        with suppress(StorageError):
            sync_directory(each.parent)


def _lock(path: Path, descriptor: int, output: str) -> None:
    """Lock the file, which another process may have locked, or another run of this one.

    flock, not lockf: a lock of the latter kind is its process's, and goes when any descriptor of the file is closed.
    """
    with storage(path, "lock"):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise in_use(output, _owner_of(path, descriptor)) from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            text = "this file system knows no locks, which keep two runs from sending the same rows"
            raise OSError(error.errno, text) from error


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        named = path.lstat()
    except FileNotFoundError:
        return False
    opened = os.fstat(descriptor)
    return (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)


def _read(path: Path, descriptor: int) -> Owner | None:
    with storage(path, "read"):
        content = os.pread(descriptor, MAX_BYTES, 0)
    return parse_owner(content, str(path))


def _owner_of(path: Path, descriptor: int) -> Owner | None:
    """Return who has the lock, as far as it is told: it may be writing."""
    with suppress(RunError):
        return _read(path, descriptor)
    return None
