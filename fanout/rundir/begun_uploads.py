"""Notes in the run directory which uploads in parts a run has begun to its output's place.

S3 tells nothing of an unfinished upload but its key, and another program, or a later run, may be at the same key. By
its id, a clean-up knows that it is this run's.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress

from fanout.domain.location import Location
from fanout.files import storage
from fanout.rundir.paths import RunDirectory


def note_upload(directory: RunDirectory, location: Location, upload_id: str) -> None:
    """Note, durably, that the run has begun the upload `upload_id` to `location`.

    Raises:
        StorageError: The disk is full or failed.
    """
    path = directory.uploads
    line = json.dumps({"bucket": location.bucket, "key": location.key, "id": upload_id})
    with storage(path, "write"):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            # Its line begins with the line's end: what a kill has cut off before it stays a line of its own.
            os.write(file, f"\n{line}".encode())
            os.fsync(file)
        finally:
            os.close(file)


def noted_uploads(directory: RunDirectory) -> frozenset[tuple[Location, str]]:
    """Return place and id of the uploads that the run has begun, finished ones included.

    Raises:
        StorageError: The file system does not tell.
    """
    found = set()
    with storage(directory.uploads, "read"), suppress(FileNotFoundError):
        for line in directory.uploads.read_text("utf-8", "replace").splitlines():
            with suppress(ValueError, KeyError, TypeError):  # of a process that was killed half-way
                told = json.loads(line)
                found.add((Location(str(told["bucket"]), str(told["key"])), str(told["id"])))
    return frozenset(found)
