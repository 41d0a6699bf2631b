"""Notes in the run directory which uploads in parts a run begins to its output's place, before and after each call.

S3 tells nothing of an unfinished upload but its key, and another program, or a later run, may be at the same key. By
these notes a clean-up knows that it is this run's.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress

from fanout.domain.leftovers import BegunUploads
from fanout.domain.location import Location
from fanout.files import storage
from fanout.rundir.paths import RunDirectory

CALL_S = 60.0
"""An upload that was about to begin when its process was killed has begun within this time, or not at all."""


def note_upload(directory: RunDirectory, location: Location, upload_id: str | None) -> None:
    """Note, durably, that the run is about to begin an upload to `location`, or that it has begun `upload_id` there.

    Raises:
        StorageError: The disk is full or failed.
    """
    told = {"bucket": location.bucket, "key": location.key, "id": upload_id, "at": time.time()}
    with storage(directory.uploads, "write"):
        file = os.open(directory.uploads, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            # Its line begins with the line's end: what a kill has cut off before it stays a line of its own.
            os.write(file, f"\n{json.dumps(told)}".encode())
            os.fsync(file)
        finally:
            os.close(file)


def begun_uploads(directory: RunDirectory) -> BegunUploads:
    """Return the uploads that the run has begun, finished ones included.

    Raises:
        StorageError: The file system does not tell.
    """
    with storage(directory.uploads, "read"), suppress(FileNotFoundError):
        return parse_uploads(directory.uploads.read_bytes())
    return BegunUploads()


def parse_uploads(content: bytes) -> BegunUploads:
    """Return the uploads that the notes in `content` are of."""
    ids: set[tuple[Location, str]] = set()
    spans: list[tuple[Location, float, float]] = []
    for line in content.decode("utf-8", "replace").splitlines():
        with suppress(ValueError, KeyError, TypeError):  # of a process that was killed half-way
            told = json.loads(line)
            location, at = Location(str(told["bucket"]), str(told["key"])), float(told["at"])
            if told["id"] is None:
                spans.append((location, at, at + CALL_S))
            else:
                ids.add((location, str(told["id"])))
                if spans and spans[-1][0] == location:
                    spans[-1] = (location, spans[-1][1], at)
    return BegunUploads(frozenset(ids), tuple(spans))
