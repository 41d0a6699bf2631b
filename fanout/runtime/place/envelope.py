"""Packs what the journal of a run place consists of: a JSON head and bytes, compressed, with a checksum; pure.

The checksum stands in a skippable frame before the compressed one (RFC 8878, 3.1.2): `zstd -d` reads the file as it is.
"""

from __future__ import annotations

import struct
from hashlib import sha256
from typing import Any

import orjson
import zstandard

from fanout.errors import JournalError

VERSION = 1
_SKIPPABLE = struct.Struct("<II")
_MAGIC = 0x184D2A5F  # the last of the sixteen numbers of skippable frames
_DIGEST_BYTES = 32
_HEAD_BYTES = _SKIPPABLE.size + _DIGEST_BYTES
_CONTENT_MAX_BYTES = 4 * 1024**3
"""Of the content, unpacked: a damaged length must not be allocated."""


def pack(kind: str, head: dict[str, Any], tail: bytes = b"") -> bytes:
    """Return the object's content.

    Args:
        kind: What it is, as `unpack` is told.
        head: What JSON can hold.
        tail: Bytes that follow.
    """
    text = orjson.dumps({"fanout": kind, "version": VERSION, **head})
    frame = zstandard.compress(text + b"\n" + tail, 1)
    return _SKIPPABLE.pack(_MAGIC, _DIGEST_BYTES) + sha256(frame).digest() + frame


def unpack(kind: str, content: bytes, place: str) -> tuple[dict[str, Any], bytes]:
    """Return head and tail of what `pack` made.

    Args:
        kind: What it must be.
        content: The object's content.
        place: Names it, for errors.

    Raises:
        JournalError: It is torn or damaged, something else, or of a later version.
    """
    frame = content[_HEAD_BYTES:]
    if content[:_HEAD_BYTES] != _SKIPPABLE.pack(_MAGIC, _DIGEST_BYTES) + sha256(frame).digest():
        raise damaged(place, "its checksum does not fit")
    try:
        size = zstandard.frame_content_size(frame)
        if not 0 <= size <= _CONTENT_MAX_BYTES:
            raise damaged(place, f"it would be {size:,} bytes long")
        text, _, tail = zstandard.decompress(frame).partition(b"\n")
        head = orjson.loads(text)
        found, version = head["fanout"], head["version"]
    except (zstandard.ZstdError, orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise damaged(place, f"{type(error).__name__}") from error
    if found != kind:
        raise damaged(place, f"it is a {found}, not a {kind}")
    if version != VERSION:
        raise JournalError(f"{place} was written by another version of fanout ({version}): use that version")
    return head, tail


def damaged(place: str, why: str) -> JournalError:
    """Return the error of an object that is not what was written."""
    return JournalError(
        f"{place} is damaged ({why}): put back the version that was written (S3 versioning, a backup); without it, "
        "what was sent since cannot be told, and `fanout discard` gives the run up"
    )
