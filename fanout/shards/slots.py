"""Bounds how many shards are at work at once, whatever a scheduler starts: each has one of so many slots, or waits.

A slot is a file that the operating system locks: it is free as soon as its process has ended, in whatever way.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio

from fanout.files import make_directory, storage

_log = logging.getLogger(__name__)
LOOK_S = 1.0
"""Between two looks for a free slot."""


@asynccontextmanager
async def slot(directory: Path, *, slots: int, first: int) -> AsyncIterator[int]:
    """Have one of so many slots inside the block, as soon as one is free.

    Args:
        directory: Where the slots are; is made.
        slots: How many.
        first: Which one to look at first, so that not all look at the same.

    Raises:
        StorageError: The disk failed, or knows no locks.
    """
    make_directory(directory)
    order = [(first + turn) % slots for turn in range(slots)]
    told = False
    while True:
        for number in order:
            descriptor = _locked(directory / f"{number:03d}")
            if descriptor is not None:
                try:
                    yield number
                finally:
                    os.close(descriptor)
                return
        if not told:
            told = True
            _log.warning("%s shards are at work already (--at-once): this one waits for its turn", slots)
        await anyio.sleep(LOOK_S)


def _locked(path: Path) -> int | None:
    with storage(path, "lock"):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            with suppress(OSError):
                os.close(descriptor)
            raise
    return descriptor
