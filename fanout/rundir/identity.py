"""Tells a run directory from a copy of it, by `identity.json`: what named its files when a process last opened it.

A copy has other inodes, and a rename within a file system keeps them. Inodes that come with another device are those of
another file system, unless the machine has started anew since: devices are numbered as they are mounted. A clone of
a whole file system (a snapshot of a volume) has the same inodes, and is not told.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fanout.errors import JournalError
from fanout.files import read_json, storage, write_json
from fanout.rundir.paths import RunDirectory
from fanout.text import quoted

VERSION = 1
_BOOT = Path(
    "/proc/sys/kernel/random/boot_id"
)  # proc(5): drawn anew at every start, the same in every container


class CopiedRun(JournalError):  # noqa: N818 - reads as what is the case
    """A run directory is a copy, was moved to another file system, or what would tell is gone."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What names the files of a run directory.

    Attributes:
        journal: Inode of the journal.
        parts: Inode of the directory of the parts: hard links copy files, never a directory.
        device: Number of the file system that has them.
        boot: Which start of the machine numbered it; None where that cannot be asked.
        path: Where the directory was.
    """

    journal: int
    parts: int
    device: int
    boot: str | None
    path: str

    def is_of(self, other: Identity) -> bool:
        """Whether both are of the same files, wherever the directory stands by now."""
        if (self.journal, self.parts) != (other.journal, other.parts):
            return False
        numbered_alike = self.boot is not None and self.boot == other.boot
        return self.device == other.device or not numbered_alike


def identify(directory: RunDirectory) -> Identity:
    """Return what names the files of `directory` now.

    Raises:
        StorageError: They cannot be looked at.
    """
    with storage(directory.path, "look at"):
        journal, parts = directory.journal.stat(), directory.parts.stat()
    return Identity(journal.st_ino, parts.st_ino, journal.st_dev, _boot(), str(directory.path))


def claim(directory: RunDirectory) -> None:
    """Note, durably, that `directory` is the run's; its journal is there.

    Raises:
        StorageError: The disk is full or failed.
    """
    now = identify(directory)
    if _noted(directory) != now:
        write_json(directory.identity, {"version": VERSION, **asdict(now)})


def check_identity(directory: RunDirectory) -> None:
    """Return if `directory` is the one that the run was left in, or has no journal to tell it by.

    Raises:
        CopiedRun: It is a copy, was moved to another file system, or what would tell is gone.
    """
    if not directory.journal.exists() or not directory.parts.exists():
        return  # opening the journal, or reading the parts, says so
    then, path = _noted(directory), directory.path
    if then is not None and then.is_of(identify(directory)):
        return
    known = f"its files are not those of {then.path}" if then else f"{directory.identity.name} is gone"
    raise CopiedRun(
        f"{path} is a copy, or was moved to another file system ({known}), and two that go on would send rows twice. "
        f"If no process has used another one since: `fanout resume {quoted(path)} --moved`. "
        f"If one has, but none will: `fanout resume {quoted(path)} --rebuild` looks in S3 for what it sent. "
        f"If another one will go on: leave this one; `fanout export {quoted(path)} -o FILE` writes what it has"
    )


def check_alone(directory: RunDirectory) -> None:
    """Return unless the directory that this one is a copy of can be seen from here.

    Raises:
        JournalError: It is there, with the journal that the run was left with.
    """
    then = _noted(directory)
    if then is None or not directory.journal.exists() or then.is_of(identify(directory)):
        return
    original = RunDirectory(Path(then.path))
    if original.journal.exists() and original.parts.exists() and then.is_of(identify(original)):
        raise JournalError(
            f"{directory.path} is a copy, and {original.path}, which it was made of, is there and can go on: "
            f"`fanout resume {quoted(original.path)}`, or remove that one first"
        )


def take_over(directory: RunDirectory) -> None:
    """Make `directory` the run's own, with all of its shards: the person says that no process uses another copy.

    Raises:
        JournalError: The directory that it is a copy of is there.
        StorageError: The disk is full or failed.
    """
    shards = (RunDirectory(path) for path in sorted(directory.shards.glob("*")))
    begun = [each for each in (directory, *shards) if each.journal.exists() and each.parts.exists()]
    for each in begun:
        check_alone(each)
    for each in begun:
        claim(each)


def _noted(directory: RunDirectory) -> Identity | None:
    try:
        return read_json(directory.identity, _identity_of, version=VERSION, error=JournalError)
    except JournalError:
        return None


def _identity_of(content: dict[str, Any]) -> Identity:
    boot = content["boot"]
    return Identity(
        int(content["journal"]),
        int(content["parts"]),
        int(content["device"]),
        None if boot is None else str(boot),
        str(content["path"]),
    )


@cache
def _boot() -> str | None:
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return None
