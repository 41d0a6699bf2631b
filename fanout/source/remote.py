"""Reads objects in S3 as files: in order, a block ahead, or from anywhere, as Parquet asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from fanout.domain.location import Location
from fanout.errors import InputError
from fanout.ports import ObjectInfo

BLOCK_BYTES = 4 << 20
"""S3 answers a request in 20 to 30 ms: blocks of 256 KiB would take a second for 10 MB. Two are held: of 8 MiB, a run
took 20 to 35 MB more than of a local file."""
TAIL_BYTES = 64 << 10
"""What is read of a Parquet file first: its footer, nearly always whole."""

Check = Callable[[], None]
"""Called while a thread waits; raises what should stop it."""
Ranges = dict[tuple[int, int], bytes]
"""Bytes of an object by where they begin and end."""


class Pending(Protocol):
    """A read that was begun."""

    def result(self, check: Check) -> bytes:
        """Wait for the bytes; `check` is called meanwhile.

        Raises:
            InputError: The object is another one now, gone, or cannot be read.
            RunError: S3 does not permit it, or does not answer.
        """
        ...

    def cancel(self) -> None:
        """Give it up."""
        ...


class Remote(Protocol):
    """S3, as the threads of the source see it: calls are repeated while that can help, and fail for a person."""

    def find(self, location: Location) -> ObjectInfo | None:
        """Return what is known of an object; None where there is none, or none that may be seen.

        Raises:
            RunError: S3 does not answer.
        """
        ...

    def list(self, bucket: str, prefix: str) -> Iterator[Sequence[ObjectInfo]]:
        """Yield the objects below `prefix`, in the order of their keys.

        Raises:
            InputError: There is no such bucket.
            RunError: S3 does not permit it, or does not answer.
        """
        ...

    def begin(self, location: Location, *, start: int, size_bytes: int, etag: str) -> Pending:
        """Begin to read a range of the object that has `etag`."""
        ...


class RemoteStream:
    """The bytes of one object in order.

    Args:
        remote: S3.
        info: The object.
        check: See `Check`.
        block_bytes: What one request fetches.
        start: The byte to begin at.
        end: The byte to end before; None for the object's end.
    """

    def __init__(
        self,
        remote: Remote,
        info: ObjectInfo,
        *,
        check: Check,
        block_bytes: int = BLOCK_BYTES,
        start: int = 0,
        end: int | None = None,
    ) -> None:
        self._remote = remote
        self._info = info
        self._check = check
        self._block_bytes = block_bytes
        self._end = info.size_bytes if end is None else end
        self._asked = self._came = start
        self._block, self._at = b"", 0
        self._pending = self._next()

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the end.

        Raises:
            InputError: S3 sent fewer than were asked for.
        """
        if self._at == len(self._block):
            if self._pending is None:
                return b""
            body = self._pending.result(self._check)
            self._block, self._at = _whole(body, self._info, self._asked - self._came), 0
            self._came = self._asked
            self._pending = self._next()
        start = self._at
        self._at = min(start + size, len(self._block))
        return self._block if self._at - start == len(self._block) else self._block[start : self._at]

    def _next(self) -> Pending | None:
        start = self._asked
        self._asked = min(start + self._block_bytes, self._end)
        if self._asked == start:
            return None
        return self._remote.begin(
            self._info.location, start=start, size_bytes=self._asked - start, etag=self._info.etag
        )

    def fileno(self) -> int:
        """An object has no descriptor; asked of pipes only."""
        raise OSError("an object in S3 has no descriptor")

    def close(self) -> None:
        """Give up what was read ahead."""
        if self._pending is not None:
            self._pending.cancel()
        self._pending, self._block, self._at = None, b"", 0


class RemoteFile:
    """One object as a file that is read from anywhere, for `pyarrow.PythonFile`.

    Args:
        remote: S3.
        info: The object.
        check: See `Check`.
        lends: What is read is left there for another reader, which takes it instead of reading it again.
        takes: Such ranges of another reader.
        tail_bytes: What is read at once of its end, whatever is asked for there.
    """

    def __init__(
        self,
        remote: Remote,
        info: ObjectInfo,
        *,
        check: Check,
        lends: Ranges | None = None,
        takes: Ranges | None = None,
        tail_bytes: int = TAIL_BYTES,
    ) -> None:
        self._remote = remote
        self._info = info
        self._check = check
        self._lends = lends
        self._takes = takes
        self._position = 0
        self._tail: bytes | None = None
        self._tail_at = max(0, info.size_bytes - tail_bytes)
        self.closed = False
        self.mode = "rb"

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes from the position on; all that follow for -1."""
        start = self._position
        stop = self._info.size_bytes if size < 0 else min(start + size, self._info.size_bytes)
        if stop <= start:
            return b""
        body = self._range(start, stop)
        self._position = start + len(body)
        return body

    def _range(self, start: int, stop: int) -> bytes:
        if start < self._tail_at < stop and self._tail is not None:  # a footer longer than what is read first
            return self._fetch(start, self._tail_at) + self._tail[: stop - self._tail_at]
        if start < self._tail_at:
            return self._fetch(start, stop)
        if self._tail is None:
            self._tail = self._fetch(self._tail_at, self._info.size_bytes)
        return self._tail[start - self._tail_at : stop - self._tail_at]

    def _fetch(self, start: int, stop: int) -> bytes:
        if self._takes is not None and (lent := self._takes.pop((start, stop), None)) is not None:
            return lent
        body = self._asked(start, stop)
        if self._lends is not None:
            self._lends[start, stop] = body
        return body

    def _asked(self, start: int, stop: int) -> bytes:
        pending = self._remote.begin(
            self._info.location, start=start, size_bytes=stop - start, etag=self._info.etag
        )
        return _whole(pending.result(self._check), self._info, stop - start)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to `offset` from the start (0), the position (1) or the end (2); return the position."""
        base = (0, self._position, self._info.size_bytes)[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def writable(self) -> bool:
        """No."""
        return False

    def flush(self) -> None:
        """Do nothing: it is not written to."""

    def close(self) -> None:
        """Let go of what is held."""
        self.closed, self._tail = True, None


def _whole(body: bytes, info: ObjectInfo, size_bytes: int) -> bytes:
    """Return a range of an object, if all of it came: the rows in what is missing would be lost without a word.

    Raises:
        InputError: Fewer bytes came.
    """
    if len(body) != size_bytes:
        raise InputError(f"{info.location.uri}: S3 sent {len(body)} of {size_bytes} bytes")
    return body
