"""Holds one S3 bucket: the objects by key, and a sorted index of the keys.

Pure; owned by `objects`. A run writes a million keys and lists them rarely, so the index is sorted at the listing.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from enum import Enum, unique
from typing import NamedTuple

_SLACK = 1_000  # removed keys that are kept before the index is rebuilt; amortizes the rebuild


@unique
class Flaw(Enum):
    """Why an object that stands there can never be read."""

    KEY_DISABLED = "key disabled"
    """Its KMS key is disabled: HEAD tells of it, GET fails."""
    ARCHIVED = "archived"
    """A lifecycle rule has moved it to an archive: HEAD tells of it, GET fails."""
    DENIED = "denied"
    """A policy denies it: only listings show it."""
    CUT_OFF = "cut off"
    """Every reply to a GET ends before its announced length."""


class Kept(NamedTuple):
    """What S3 keeps of an object beside its content: headers that tell of its encryption, and its tags."""

    encryption: tuple[tuple[str, str], ...] = ()
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def kms_key(self) -> str | None:
        """The KMS key that it is encrypted with; None for another way, or a key of S3's own."""
        return dict(self.encryption).get(KMS_KEY)


NOTHING_KEPT = Kept()
SSE = "x-amz-server-side-encryption"
KMS_KEY = f"{SSE}-aws-kms-key-id"


def with_key(key: str) -> Kept:
    """Return what is kept of an object that is encrypted with a KMS key."""
    return Kept(((SSE, "aws:kms"), (KMS_KEY, key)))


def md5_etag(body: bytes) -> str:
    """Return the quoted ETag of what was put as a whole."""
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


class StoredObject(NamedTuple):
    """One object.

    Attributes:
        body: The whole of it.
        content_type: Its type, if the writer named one.
        modified_at: When it was stored, in seconds since the epoch.
        known_etag: Its ETag, where that is not the MD5 of its body, or takes long to make; None for nearly every one.
        metadata: Pairs of name, in lower case, and value.
        flaw: Why it can never be read; None for nearly every one.
        kept: Encryption and tags.
    """

    body: bytes
    content_type: str | None
    modified_at: float
    known_etag: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    flaw: Flaw | None = None
    kept: Kept = NOTHING_KEPT

    @property
    def etag(self) -> str:
        """The quoted ETag: MD5 of the body, or of the parts' MD5s and their count."""
        return md5_etag(self.body) if self.known_etag is None else self.known_etag


@dataclass(slots=True)
class Bucket:
    """Objects by key, and their keys in order as of the last listing.

    Every key of an object is in `ordered` or in `added`, once; `removed` has those in either without object.
    """

    objects: dict[str, StoredObject] = field(default_factory=dict)
    ordered: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    removed: set[str] = field(default_factory=set)

    def put(self, key: str, stored: StoredObject) -> None:
        """Keep `stored` at `key`."""
        if key not in self.objects:
            if key in self.removed:
                self.removed.remove(key)
            else:
                self.added.append(key)
        self.objects[key] = stored

    def delete(self, key: str) -> None:
        """Remove the object at `key`, if there is one."""
        if self.objects.pop(key, None) is None:
            return
        self.removed.add(key)
        if len(self.removed) > max(len(self.objects), _SLACK):
            self._sort()

    def below(self, prefix: str, *, start_after: str, count: int) -> list[tuple[str, StoredObject]]:
        """Return up to `count` (key, object) pairs below `prefix` whose key is > `start_after`, in key order."""
        keys = self._sort()
        position = bisect_right(keys, start_after) if start_after >= prefix else bisect_left(keys, prefix)
        entries: list[tuple[str, StoredObject]] = []
        while position < len(keys) and len(entries) < count and keys[position].startswith(prefix):
            stored = self.objects.get(keys[position])
            if stored is not None:
                entries.append((keys[position], stored))
            position += 1
        return entries

    def _sort(self) -> list[str]:
        """Return the keys in order, some of them possibly removed; costs little when little has changed."""
        if self.added:
            # Timsort merges the sorted head with the new tail instead of sorting it all again.
            self.ordered.extend(sorted(self.added))
            self.added.clear()
            self.ordered.sort()
        if len(self.removed) > len(self.objects):
            self.ordered = [key for key in self.ordered if key not in self.removed]
            self.removed.clear()
        return self.ordered
