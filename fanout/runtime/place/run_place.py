"""Names the objects of a run place: a prefix in S3 that holds what a run directory holds on a disk; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fanout.domain.location import Location, parse_prefix
from fanout.errors import UsageError

SCHEME = "s3://"
SUFFIX = ".zst"
_KEY_MAX_BYTES = (
    1_024 - 64
)  # S3 user guide, "Naming Amazon S3 objects"; the rest is for the longest name below it
_OWN = re.compile(
    r"(?:shards/[0-9]{3,}/)?"  # of a shard, which has a place of its own below that of its run
    r"(?:(?:run|inputs|status|summary|plan|subtotal)\.json|footers\.zst|cancel|uploads\.jsonl|(?:journal|snapshots)/[0-9]{10}\.zst"
    r"|parts/[0-9]{10}/part-[0-9]{5,}\.parquet|slots/[0-9]{3,}\.fanout-claim)"
)
"""Names below a place of all that a run has there."""
OWN = (
    *("journal/*.zst", "snapshots/*.zst", "parts/*.parquet"),
    *("plan.json", "footers.zst", "cancel", "subtotal.json", "slots/*.fanout-claim"),
    *("run.json", "inputs.json", "status.json", "summary.json", "uploads.jsonl"),
)
"""The same, as patterns of a policy; the first are the segments."""
_ROOTED = re.compile(r"(.+?)(?:/shards/[0-9]{3,})?/(?:run\.json|journal/[0-9]{10}\.zst)", re.DOTALL)
_NUMBERED = re.compile(r"(?:.*/)?([0-9]{10})\.zst", re.DOTALL)


@dataclass(frozen=True, slots=True)
class RunPlace:
    """The place of one run, or of one shard of it.

    Attributes:
        bucket: The bucket.
        prefix: What all its keys begin with, without a slash at its end.
    """

    bucket: str
    prefix: str

    def __str__(self) -> str:
        """Return its uri."""
        return self.uri

    @property
    def uri(self) -> str:
        """As a person writes it: `s3://bucket/runs/NAME`."""
        return f"{SCHEME}{self.bucket}/{self.prefix}"

    @property
    def manifest(self) -> Location:
        """What the run is: written once, by its first owner, before anything is sent."""
        return self._at("run.json")

    @property
    def inputs(self) -> Location:
        """Which files it reads, where that is not all that its paths mean: written before the manifest."""
        return self._at("inputs.json")

    @property
    def status(self) -> Location:
        """Where it stands: replaced while a process is at it."""
        return self._at("status.json")

    @property
    def uploads(self) -> Location:
        """Which uploads it has begun to its output's place."""
        return self._at("uploads.jsonl")

    @property
    def summary(self) -> Location:
        """What it came to; there once the run has finished."""
        return self._at("summary.json")

    @property
    def subtotal(self) -> Location:
        """What a shard came to; there once all its rows have ended."""
        return self._at("subtotal.json")

    @property
    def plan(self) -> Location:
        """Which units of the input each shard reads; there for a run whose input is divided."""
        return self._at("plan.json")

    @property
    def footers(self) -> Location:
        """Footers of the input that the plan's shards need not read again; there where that saves bytes."""
        return self._at("footers.zst")

    @property
    def cancel(self) -> Location:
        """Stops every shard as long as it is there."""
        return self._at("cancel")

    @property
    def slots(self) -> str:
        """What the keys begin with of what bounds the shards that are at work at once."""
        return f"{self.prefix}/slots/"

    @property
    def shards(self) -> str:
        """What the keys of all its shards begin with."""
        return f"{self.prefix}/shards/"

    @property
    def below(self) -> str:
        """What the keys of all its objects begin with."""
        return f"{self.prefix}/"

    @property
    def journal(self) -> str:
        """What the keys of its segments begin with."""
        return f"{self.prefix}/journal/"

    @property
    def snapshots(self) -> str:
        """What the keys of its snapshots begin with."""
        return f"{self.prefix}/snapshots/"

    @property
    def parts(self) -> str:
        """What the keys of its parts begin with."""
        return f"{self.prefix}/parts/"

    def segment(self, number: int) -> Location:
        """Return where segment `number` (from 1) stands."""
        return Location(self.bucket, f"{self.journal}{number:010d}{SUFFIX}")

    def snapshot(self, number: int) -> Location:
        """Return where the snapshot of the state after segment `number` stands."""
        return Location(self.bucket, f"{self.snapshots}{number:010d}{SUFFIX}")

    def part(self, name: str) -> Location:
        """Return where the part stands that the state knows by `name`."""
        return Location(self.bucket, self.parts + name)

    def owns(self, location: Location) -> bool:
        """Whether an object has the name of one that a run has at this place."""
        below = location.key.startswith(self.below) and location.bucket == self.bucket
        return below and _OWN.fullmatch(location.key.removeprefix(self.below)) is not None

    def shard(self, index: int) -> RunPlace:
        """Return the place of one shard, a run place of its own."""
        return RunPlace(self.bucket, f"{self.shards}{index:03d}")

    @property
    def whole(self) -> RunPlace:
        """The place of the run that the shard at this one belongs to."""
        return RunPlace(self.bucket, self.prefix.rpartition("/")[0].rpartition("/")[0])

    def _at(self, name: str) -> Location:
        return Location(self.bucket, f"{self.prefix}/{name}")


def is_place(path: str) -> bool:
    """Whether a run directory is named in S3."""
    return path.lower().startswith(SCHEME)


def run_place(uri: str, *, run_id: str | None = None) -> RunPlace:
    """Return the place that an `s3://` uri names.

    Args:
        uri: One that ends in `/` is the parent of places.
        run_id: Names the place below such a parent; None if the uri must be of one run.

    Raises:
        UsageError: It names no bucket, no prefix, or one that no key has room for.
    """
    named = f"{uri}{run_id}" if run_id is not None and uri.endswith("/") else uri
    found = parse_prefix(SCHEME + named[len(SCHEME) :])
    if found is None or not found.key.strip("/"):
        raise UsageError(f"{uri}: names no place for a run: write s3://BUCKET/runs/NAME")
    try:
        size = len(found.key.encode())
    except UnicodeEncodeError as error:
        raise UsageError(f"{uri!a}: a name that is not UTF-8 is none in S3: choose another") from error
    if size > _KEY_MAX_BYTES:
        raise UsageError(f"{uri}: the name is too long: S3 takes 1,024 bytes with the names below it")
    return RunPlace(found.bucket, found.key)


def place_of(location: Location) -> RunPlace | None:
    """Return the place whose `run.json` or segment has this name; None of any other."""
    match = _ROOTED.fullmatch(location.key)
    return None if match is None else RunPlace(location.bucket, match[1])


def number_of(key: str) -> int | None:
    """Return the number of the segment or snapshot that has `key`, None if it is none."""
    match = _NUMBERED.fullmatch(key)
    return None if match is None else int(match[1])
