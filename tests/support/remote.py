"""S3 for the source, out of a dict: no event loop, no network."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from fanout.domain.location import Location
from fanout.errors import InputError
from fanout.ports import ObjectInfo


class Begun:
    """A read that waits for nothing."""

    def __init__(self, read: Callable[[], bytes]) -> None:
        self._read = read
        self.cancelled = False

    def result(self, check: Callable[[], None]) -> bytes:
        check()
        return self._read()

    def cancel(self) -> None:
        self.cancelled = True


class DictRemote:
    """`source.remote.Remote`: what `objects` holds by bucket and key.

    Attributes:
        reads: Every range that was asked for, as (key, start, size).
        listed: Every prefix that was listed.
    """

    def __init__(self, objects: dict[tuple[str, str], bytes], *, page: int = 1_000) -> None:
        self.objects = objects
        self.reads: list[tuple[str, int, int]] = []
        self.begun: list[Begun] = []
        self.listed: list[tuple[str, str]] = []
        self._page = page

    def _info(self, place: tuple[str, str]) -> ObjectInfo:
        body = self.objects[place]
        return ObjectInfo(Location(*place), len(body), 0.0, f'"{hashlib.md5(body).hexdigest()}"')

    def find(self, location: Location) -> ObjectInfo | None:
        return self._info(location) if location in self.objects else None

    def list(self, bucket: str, prefix: str) -> Iterator[Sequence[ObjectInfo]]:
        self.listed.append((bucket, prefix))
        keys = sorted(place for place in self.objects if place[0] == bucket and place[1].startswith(prefix))
        for start in range(0, len(keys), self._page):
            yield [self._info(place) for place in keys[start : start + self._page]]

    def begin(self, location: Location, *, start: int, size_bytes: int, etag: str) -> Begun:
        self.reads.append((location.key, start, size_bytes))

        def read() -> bytes:
            if self._info(location).etag != etag:
                raise InputError(f"{location.uri}: changed while it was being read")
            return self.objects[location][start : start + size_bytes]

        self.begun.append(Begun(read))
        return self.begun[-1]


class FolderRemote(DictRemote):
    """What answers for the files of a folder, whose own folders are the buckets, as they are at each call."""

    def __init__(self, folder: Path) -> None:
        super().__init__({})
        self._folder = folder

    @property
    def objects(self) -> dict[tuple[str, str], bytes]:
        files = (path.relative_to(self._folder) for path in self._folder.rglob("*") if path.is_file())
        return {
            (name.parts[0], "/".join(name.parts[1:])): (self._folder / name).read_bytes()
            for name in files
            if len(name.parts) > 1
        }

    @objects.setter
    def objects(self, _: object) -> None:
        """Leave it: the folder says."""
