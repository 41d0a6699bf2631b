"""Keeps which files a run reads, where that is not all that its paths mean: its later processes read the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fanout.domain.location import Location
from fanout.errors import JournalError
from fanout.files import read_json, write_json
from fanout.ports import ObjectInfo
from fanout.source.files import InputFile, remote_file
from fanout.source.remote import Remote

VERSION = 1


@dataclass(frozen=True, slots=True)
class ChosenInputs:
    """The files of a run.

    Attributes:
        files: In the order in which they are read.
        gone: Paths that earlier nights had read, and that were no more when this one began.
    """

    files: tuple[InputFile, ...]
    gone: tuple[str, ...] = ()

    def write(self, path: Path) -> None:
        """Make it durable at `path`.

        Raises:
            StorageError: The disk is full or failed.
        """
        write_json(
            path, {"version": VERSION, "files": [_dump(file) for file in self.files], "gone": self.gone}
        )


def read_chosen(path: Path, *, remote: Remote) -> ChosenInputs:
    """Return what `write` kept: the files as they were when the run began.

    Raises:
        JournalError: It is missing, damaged or of another version.
    """

    def made(content: dict[str, Any]) -> ChosenInputs:
        files = tuple(
            _local(*each) if len(each) == _LOCAL else remote_file(_info(*each), remote)
            for each in content["files"]
        )
        return ChosenInputs(files, tuple(map(str, content["gone"])))

    return read_json(path, made, version=VERSION, error=JournalError)


_LOCAL = 4  # values kept of a local file; of an object there are five


def _dump(file: InputFile) -> tuple[object, ...]:
    info = file.object
    if info is None:
        return file.path, file.size_bytes, file.mtime_ns, file.inode
    return info.location.bucket, info.location.key, info.size_bytes, info.modified_at, info.etag


def _local(path: str, size_bytes: int, mtime_ns: int, inode: int) -> InputFile:
    return InputFile(str(path), int(size_bytes), int(mtime_ns), int(inode))


def _info(bucket: str, key: str, size_bytes: int, modified_at: float, etag: str) -> ObjectInfo:
    return ObjectInfo(Location(str(bucket), str(key)), int(size_bytes), float(modified_at), str(etag))
