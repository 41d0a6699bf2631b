"""Reads the bytes of a file block by block; the reading can be stopped between blocks, even on a silent pipe."""

from __future__ import annotations

import select
from collections.abc import Callable, Generator

from fanout.source.files import ByteStream, InputFile, open_bytes
from fanout.source.remote import BLOCK_BYTES
from fanout.source.statistics import Meter

# How long a cancelled run may wait for a pipe on which nothing comes.
_POLL_MS = 200


def raw_blocks(
    file: InputFile,
    *,
    block_bytes: int,
    meter: Meter,
    check: Callable[[], None],
    request_bytes: int = BLOCK_BYTES,
    end: int | None = None,
) -> Generator[bytes, None, None]:
    """Yield the bytes of `file`; never empty.

    Args:
        file: The file.
        block_bytes: The most that is yielded at once.
        meter: Counts them.
        check: Called between blocks, and while they are waited for; may raise to stop.
        request_bytes: What one request fetches in S3.
        end: The byte before which reading in S3 ends, None for the last.

    Raises:
        InputError: It cannot be opened.
        OSError: It cannot be read on.
    """
    stream = open_bytes(file, check=check, request_bytes=request_bytes, end=end)
    try:
        while True:
            check()
            if file.streamed:
                _wait_readable(stream, check)
            block = stream.read(block_bytes)
            if not block:
                return
            meter.bytes_read += len(block)
            yield block
    finally:
        stream.close()


def _wait_readable(stream: ByteStream, check: Callable[[], None]) -> None:
    """Return when a read would not block; a read that blocks could not be cancelled."""
    poll = select.poll()  # not select(), which knows no descriptor beyond 1,023
    poll.register(stream.fileno(), select.POLLIN)
    while not poll.poll(_POLL_MS):
        check()
