"""Holds S3's state: buckets of objects, conditional writes, listings in key order, multipart uploads.

Pure: `now` is handed in, bodies are kept as they come. Owned by `world`; errors carry S3's codes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count, pairwise

from fanout.simulator.bucket import NOTHING_KEPT, Bucket, Flaw, Kept, StoredObject, md5_etag
from fanout.simulator.errors import ServiceError

__all__ = ["MAX_KEYS", "Flaw", "Kept", "Listing", "Objects", "StoredObject"]

MAX_KEYS = 1_000  # S3 API reference: ListObjectsV2 and DeleteObjects handle at most this many keys a call
LARGE_BYTES = 1 << 20
"""From here on an ETag is made once: hashing 1 GB takes seconds, and it is read in many ranges."""
MIN_PART_BYTES = 5 * 1024 * 1024  # S3 API reference: every part but the last
MAX_PART_NUMBER = 10_000  # S3 API reference
MAX_KEY_BYTES = 1_024  # S3 API reference, in UTF-8


@dataclass(frozen=True, slots=True)
class Listing:
    """One page: (key, object) in UTF-8 order of keys; `truncated` when more follow the last key."""

    entries: Sequence[tuple[str, StoredObject]]
    truncated: bool


@dataclass(frozen=True, slots=True)
class _Multipart:
    bucket: str
    key: str
    content_type: str | None
    metadata: tuple[tuple[str, str], ...]
    kept: Kept
    began_at: float
    parts: dict[int, bytes] = field(default_factory=dict)


class Objects:
    """All buckets of the account.

    Args:
        missing_is_forbidden: Answer 403 AccessDenied for a missing key, as S3 does without s3:ListBucket.
    """

    def __init__(self, *, missing_is_forbidden: bool = False) -> None:
        self._missing_is_forbidden = missing_is_forbidden
        self._buckets: dict[str, Bucket] = {}
        self._uploads: dict[str, _Multipart] = {}
        self._upload_ids = count(1)

    @property
    def buckets(self) -> tuple[str, ...]:
        """Names of the buckets, oldest first."""
        return tuple(self._buckets)

    def create_bucket(self, bucket: str) -> None:
        """Create the bucket; harmless when it exists."""
        self._buckets.setdefault(bucket, Bucket())

    def put(
        self,
        bucket: str,
        key: str,
        body: bytes,
        *,
        content_type: str | None,
        now: float,
        metadata: tuple[tuple[str, str], ...] = (),
        if_match: str | None = None,
        if_none_match: bool = False,
        flaw: Flaw | None = None,
        kept: Kept = NOTHING_KEPT,
    ) -> StoredObject:
        """Store `body` at `key` and return the object.

        Args:
            bucket: Where to.
            key: Its key.
            body: The whole of it.
            content_type: Its type.
            now: The instant.
            metadata: See `StoredObject`.
            if_match: The ETag that the object must have which is replaced.
            if_none_match: The header `If-None-Match: *`.
            flaw: Why it can never be read.
            kept: See `Kept`.

        Raises:
            ServiceError: NoSuchBucket; KeyTooLongError; PreconditionFailed when the key exists and must not, or
                with another ETag; NoSuchKey when it does not and must.
        """
        objects = self._bucket(bucket)
        if len(key) * 4 > MAX_KEY_BYTES and len(key.encode()) > MAX_KEY_BYTES:
            raise ServiceError(400, "KeyTooLongError", "Your key is too long")
        if if_match is not None and if_match.strip('"') != self.get(bucket, key).etag.strip('"'):
            raise precondition_failed()
        if if_none_match and key in objects.objects:
            raise precondition_failed()
        # That of a small one is made when it is asked for: most results are read once.
        known = md5_etag(body) if len(body) >= LARGE_BYTES else None
        stored = StoredObject(body, content_type, now, known, metadata, flaw, kept)
        objects.put(key, stored)
        return stored

    def get(self, bucket: str, key: str) -> StoredObject:
        """Return the object, for a reader of its content.

        Raises:
            ServiceError: As `head`; that of its flaw.
        """
        stored = self.head(bucket, key)
        refusal = None if stored.flaw is None else _REFUSALS.get(stored.flaw)
        if refusal is not None:
            raise ServiceError(*refusal)
        return stored

    def head(self, bucket: str, key: str) -> StoredObject:
        """Return the object, for HeadObject, which needs neither the key nor a restored copy.

        Raises:
            ServiceError: NoSuchBucket; NoSuchKey, or AccessDenied when missing keys are forbidden or it is denied.
        """
        stored = self._bucket(bucket).objects.get(key)
        if stored is not None and stored.flaw is Flaw.DENIED:
            raise ServiceError(403, "AccessDenied", "Access Denied")
        if stored is None:
            if self._missing_is_forbidden:
                raise ServiceError(403, "AccessDenied", "Access Denied")
            raise ServiceError(404, "NoSuchKey", "The specified key does not exist.")
        return stored

    def find(self, bucket: str, key: str) -> StoredObject | None:
        """Return the object, None if the key or its bucket is not there; for the endpoint's own reading."""
        found = self._buckets.get(bucket)
        return None if found is None else found.objects.get(key)

    def delete(self, bucket: str, key: str) -> None:
        """Remove the object; harmless when it is not there.

        Raises:
            ServiceError: NoSuchBucket.
        """
        self._bucket(bucket).delete(key)

    def uploads(
        self, bucket: str, prefix: str, *, behind: tuple[str, str] = ("", ""), most: int = MAX_KEYS
    ) -> tuple[list[tuple[str, str, float]], bool]:
        """Return (key, id, instant of its beginning) of unfinished uploads in order, and whether more follow.

        Args:
            bucket: Where their objects would stand.
            prefix: What their keys begin with.
            behind: Key and id of the last one that was told; without an id, all of that key were.
            most: How many are told at once.

        Raises:
            ServiceError: NoSuchBucket.
        """
        self._bucket(bucket)
        key, upload_id = behind
        found = sorted(
            (upload.key, each, upload.began_at)
            for each, upload in self._uploads.items()
            if upload.bucket == bucket
            and upload.key.startswith(prefix)
            and (upload.key > key or (upload.key == key and upload_id and each > upload_id))
        )
        return found[:most], len(found) > most

    def list(self, bucket: str, prefix: str, *, start_after: str = "", max_keys: int = MAX_KEYS) -> Listing:
        """Return the first `max_keys` (at most 1,000) objects below `prefix` whose key is > `start_after`.

        Keys are ordered by code point, which is the order of their UTF-8 bytes.

        Raises:
            ServiceError: NoSuchBucket.
        """
        entries = self._bucket(bucket).below(
            prefix, start_after=start_after, count=min(max_keys, MAX_KEYS) + 1
        )
        limit = min(max_keys, MAX_KEYS)
        return Listing(entries[:limit], truncated=len(entries) > limit)

    def create_multipart(
        self,
        bucket: str,
        key: str,
        *,
        content_type: str | None,
        metadata: tuple[tuple[str, str], ...] = (),
        kept: Kept = NOTHING_KEPT,
        now: float = 0.0,
    ) -> str:
        """Begin an upload in parts and return its id.

        Raises:
            ServiceError: NoSuchBucket.
        """
        self._bucket(bucket)
        upload_id = f"upload-{next(self._upload_ids):08d}"
        self._uploads[upload_id] = _Multipart(bucket, key, content_type, metadata, kept, now)
        return upload_id

    def upload_part(self, upload_id: str, part_number: int, body: bytes) -> str:
        """Keep one part and return its quoted ETag; the same number again replaces it.

        Raises:
            ServiceError: NoSuchUpload; InvalidArgument for a number outside 1..10,000.
        """
        upload = self._upload(upload_id)
        if not 1 <= part_number <= MAX_PART_NUMBER:
            raise ServiceError(
                400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive"
            )
        upload.parts[part_number] = body
        return md5_etag(body)

    def complete_multipart(
        self,
        upload_id: str,
        parts: Sequence[tuple[int, str]],
        *,
        now: float,
        if_none_match: bool = False,
    ) -> StoredObject:
        """Join the parts, given as (number, ETag), to the object and return it.

        Raises:
            ServiceError: NoSuchUpload, MalformedXML, InvalidPart, InvalidPartOrder, EntityTooSmall,
                PreconditionFailed.
        """
        upload = self._upload(upload_id)
        if not parts:
            raise ServiceError(400, "MalformedXML", "The XML you provided was not well-formed")
        numbers = [number for number, _ in parts]
        if any(later <= earlier for earlier, later in pairwise(numbers)):
            raise ServiceError(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
        bodies: list[bytes] = []
        for number, etag in parts:
            body = upload.parts.get(number)
            if body is None or md5_etag(body).strip('"') != etag.strip('"'):
                raise ServiceError(
                    400, "InvalidPart", "One or more of the specified parts could not be found."
                )
            bodies.append(body)
        if any(len(body) < MIN_PART_BYTES for body in bodies[:-1]):
            raise ServiceError(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum size")
        if if_none_match and self.find(upload.bucket, upload.key) is not None:
            raise precondition_failed()
        digests = b"".join(hashlib.md5(body, usedforsecurity=False).digest() for body in bodies)
        etag = f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(bodies)}"'
        body = b"".join(bodies)
        stored = StoredObject(body, upload.content_type, now, etag, upload.metadata, kept=upload.kept)
        self._bucket(upload.bucket).put(upload.key, stored)
        del self._uploads[upload_id]
        return stored

    def kms_key_of_upload(self, upload_id: str) -> str | None:
        """Return the KMS key that an upload is encrypted with; None without one, or without such an upload."""
        upload = self._uploads.get(upload_id)
        return None if upload is None else upload.kept.kms_key

    def abort_multipart(self, upload_id: str) -> None:
        """Forget the upload and its parts.

        Raises:
            ServiceError: NoSuchUpload.
        """
        self._upload(upload_id)
        del self._uploads[upload_id]

    def statistics(self) -> dict[str, int]:
        """Return counts: objects, bytes, unfinished uploads."""
        stored = [item for bucket in self._buckets.values() for item in bucket.objects.values()]
        return {
            "objects": len(stored),
            "object_bytes": sum(len(item.body) for item in stored),
            "open_uploads": len(self._uploads),
        }

    def _bucket(self, bucket: str) -> Bucket:
        found = self._buckets.get(bucket)
        if found is None:
            raise ServiceError(404, "NoSuchBucket", "The specified bucket does not exist")
        return found

    def _upload(self, upload_id: str) -> _Multipart:
        upload = self._uploads.get(upload_id)
        if upload is None:
            raise ServiceError(404, "NoSuchUpload", "The specified multipart upload does not exist.")
        return upload


def precondition_failed() -> ServiceError:
    """Return S3's 412."""
    message = "At least one of the pre-conditions you specified did not hold"
    return ServiceError(412, "PreconditionFailed", message)


_REFUSALS: dict[Flaw, tuple[int, str, str]] = {
    Flaw.KEY_DISABLED: (
        400,
        "KMS.DisabledException",
        "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555 is disabled.",
    ),
    Flaw.ARCHIVED: (
        403,
        "InvalidObjectState",
        "The operation is not valid for the object's storage class",
    ),
}
"""What S3 answers to a GET of such an object: status, code, message."""
