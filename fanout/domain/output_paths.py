"""Computes where SageMaker writes a run's outputs, from the endpoint's configuration and from its replies.

How OutputPath, S3OutputPathExtension and Filename join is not documented, so the first replies show it: the part
before `fanout/<run>/` and whatever follows the file name. A row's own reply always wins over the expectation.
"""

from __future__ import annotations

import json
import re

from fanout.domain.ids import PREFIX, output_extension, output_filename, parse_output_key
from fanout.domain.location import Location

AS_EXPECTED = Location("", "")
"""Stands for the place that a confirmed `OutputPaths.expected` returns. Rows keep it instead of that place: two places
are 340 bytes of a row that waits, and a window may have 100,000 rows."""

_NAME = re.compile(r"(0|[1-9]\d{0,17})\.(0|[1-9]\d{0,8})(?!\d)")


class OutputPaths:
    """The shape of one kind of location (outputs, or failures) of one run.

    Args:
        run_id: The run id.
        path: `S3OutputPath` or `S3FailurePath` of the endpoint, the first guess; None if it is not known.
    """

    def __init__(self, run_id: str, *, path: str | None = None) -> None:
        self._run_id = run_id
        self._bucket: str | None = None
        self._head = ""
        self._tail = ""
        self.confirmed = False
        """Whether a reply or a listed object has shown the shape."""
        self.strays = 0
        """Replies whose location does not contain our path: only their rows' own locations can be looked up."""
        guess = Location.parse(f"{path.rstrip('/')}/x") if path else None
        if guess is not None:
            self._bucket = guess.bucket
            self._head = guess.key[:-1]

    def learn(self, uri: str, *, row: int, generation: int) -> Location | None:
        """Take note of the location that a reply gave for a row, and return it; None if it names no object."""
        if self.confirmed and uri == f"s3://{self._bucket}/{self._key(row, generation)}":
            return AS_EXPECTED  # not parsed, and compared once: saves 2 % of a send
        location = Location.parse(uri)
        path = _path(self._run_id, row, generation)
        if location is None or path not in location.key:
            self.strays += 1
        elif not self.confirmed:
            self._bucket = location.bucket
            self._head, _, self._tail = location.key.partition(path)
            self.confirmed = True
        elif location != self.expected(row, generation):
            self.strays += 1
        return location if location is None else self.shorten(location, row, generation)

    def discover(self, location: Location) -> None:
        """Learn from an object that was listed below the root what follows the names, if no reply has shown it."""
        if self.confirmed:
            return
        name = _NAME.match(location.key.rpartition("/")[2])
        if name is None:
            return
        row, generation = int(name[1]), int(name[2])
        if f"/{output_extension(self._run_id, row)}/" in f"/{location.key}":
            self.learn(location.uri, row=row, generation=generation)

    def expected(self, row: int, generation: int) -> Location | None:
        """Return where this row's object should stand, None if nothing is known of the place."""
        if self._bucket is None:
            return None
        return Location(self._bucket, self._key(row, generation))

    def presumed(self, row: int, generation: int) -> Location | None:
        """Return where this row's object should stand as far as is known; `AS_EXPECTED` if no reply can change that."""
        return AS_EXPECTED if self.confirmed else self.expected(row, generation)

    def shorten(self, place: Location, row: int, generation: int) -> Location:
        """Return `AS_EXPECTED` if `place` is what it stands for, else `place` itself."""
        return AS_EXPECTED if self.confirmed and place == self.expected(row, generation) else place

    def resolve(self, place: Location | None, row: int, generation: int) -> Location | None:
        """Return the location that `place`, as a row keeps it, stands for."""
        return self.expected(row, generation) if place is AS_EXPECTED else place

    def root(self) -> Location | None:
        """Return the prefix below which all objects of the run stand, None if replies showed no such place."""
        if self._bucket is None or (self.strays and not self.confirmed):
            return None
        return Location(self._bucket, f"{self._head}{PREFIX}/{self._run_id}/")

    def parse(self, key: str) -> tuple[int, int] | None:
        """Return (row, generation) of a listed key, None if it is not an object of this run."""
        if not key.startswith(self._head) or not key.endswith(self._tail):
            return None
        return parse_output_key(key[len(self._head) : len(key) - len(self._tail)], self._run_id)

    @property
    def shape(self) -> tuple[str | None, str, str, bool, bool]:
        """What replies have shown, for comparison; making its text for every group of the journal would cost more."""
        return self._bucket, self._head, self._tail, self.confirmed, self.strays > 0

    def dump(self) -> str:
        """Return what replies have shown, as text for the journal."""
        return json.dumps(self.shape)

    def load(self, text: str) -> None:
        """Take over what `dump` returned in an earlier process."""
        self._bucket, self._head, self._tail, self.confirmed, strayed = json.loads(text)
        self.strays = int(strayed)

    def _key(self, row: int, generation: int) -> str:
        return f"{self._head}{_path(self._run_id, row, generation)}{self._tail}"


def _path(run_id: str, row: int, generation: int) -> str:
    return f"{output_extension(run_id, row)}/{output_filename(row, generation)}"
