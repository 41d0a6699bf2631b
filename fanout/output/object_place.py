"""Names an output in S3: one object, or a prefix of part files, a manifest and `_SUCCESS`; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fanout.domain.location import Location
from fanout.errors import UsageError

SCHEME = "s3://"
RUN = "fanout-run"
"""Metadata of an output object: the run that made it. A merge that is done again knows its own by it."""
MANIFEST, SUCCESS = "_manifest.json", "_SUCCESS"
CLAIM, CLAIM_SUFFIX = "_fanout_claim", ".fanout-claim"
"""Name of the claim in a dataset's prefix, and what follows the name of one object in that of its claim."""
MANIFEST_VERSION = 1
_PART = re.compile(r"part-[0-9]{5,}\.parquet")
_TEXT = (".csv", ".tsv", ".json", ".jsonl", ".ndjson")
_KEY_MAX_BYTES = 1_024  # S3 user guide, "Naming Amazon S3 objects"


@dataclass(frozen=True, slots=True)
class ObjectPlace:
    """Where an output stands, or shall stand, in S3.

    Attributes:
        bucket: The bucket.
        key: Of the one object; of a dataset its prefix, with a slash at its end.
    """

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """As the user writes it."""
        return f"{SCHEME}{self.bucket}/{self.key}"

    @property
    def dataset(self) -> bool:
        """Whether it is a prefix of part files."""
        return self.key.endswith("/")

    def at(self, name: str) -> Location:
        """Return the object called `name` of a dataset; the one object for an empty name."""
        return Location(self.bucket, self.key + name)


def is_remote(path: str) -> bool:
    """Whether a path names a place in S3."""
    return path.lower().startswith(SCHEME)


def object_place(uri: str) -> ObjectPlace:
    """Return the place that an `s3://` uri names.

    Raises:
        UsageError: It names no bucket or no object, is too long, or its name is that of a text file.
    """
    bucket, _, key = uri[len(SCHEME) :].partition("/")
    if not bucket or not key.strip("/"):
        raise UsageError(
            f"{uri}: names no object: write s3://BUCKET/NAME.parquet, or s3://BUCKET/PREFIX/ for a dataset"
        )
    if key.lower().endswith(_TEXT):
        raise UsageError(f"{uri}: the output is Parquet: name it {uri.rpartition('.')[0]}.parquet")
    try:
        size = len(key.encode())
    except UnicodeEncodeError as error:
        raise UsageError(f"{uri!a}: a name that is not UTF-8 is none in S3: choose another") from error
    if size > _KEY_MAX_BYTES - len(f"part-{10**9}.parquet"):
        raise UsageError(
            f"{uri}: the name is too long: S3 takes {_KEY_MAX_BYTES:,} bytes with those of part files"
        )
    return ObjectPlace(bucket, key)


def stranger_among(names: Sequence[str]) -> str | None:
    """Return the first name below a dataset's prefix that no output of ours has, None if there is none."""
    return next(
        (name for name in names if name not in {MANIFEST, SUCCESS} and not _PART.fullmatch(name)), None
    )


def manifest(run_id: str, files: Sequence[Mapping[str, object]]) -> bytes:
    """Return the manifest of a dataset.

    Args:
        run_id: The run that made it.
        files: `name`, `rows`, `size_bytes` and `etag` of each, in row order.
    """
    content = {"version": MANIFEST_VERSION, "run": run_id, "files": list(files)}
    return json.dumps(content, indent=2).encode() + b"\n"


def run_of_manifest(content: bytes) -> str | None:
    """Return the run that a manifest names, None if it cannot be read."""
    try:
        found = json.loads(content)
        return str(found["run"])
    except (ValueError, KeyError, TypeError):
        return None
