"""Packs a long plan for S3: a head that every shard reads, and the units of each, of which a shard reads its own.

Both are frames of zstd (RFC 8878) one after the other; unpacked whole, they are the plan's JSON again. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import zstandard

MAGIC = b"\x28\xb5\x2f\xfd"  # of a frame of zstd; JSON begins with a brace
_LEVEL = 9  # of zstd


class DamagedPlanError(ValueError):
    """What stands there is no packed plan, or not all of one."""


@dataclass(frozen=True, slots=True)
class PlanHead:
    """What all shards must know.

    Attributes:
        content: The plan; of each shard only its run, and as `units` the length of its frame, which has the rest.
        size_bytes: Of the frame of the head itself.
    """

    content: dict[str, Any]
    size_bytes: int

    def frame(self, index: int) -> tuple[int, int]:
        """Return where the frame of a shard begins, and its length; nothing of it if there is no such shard.

        Raises:
            DamagedPlanError: The head does not say it.
        """
        try:
            sizes = [int(shard["units"]) for shard in self.content["shards"]]
        except (KeyError, TypeError, ValueError) as cause:
            raise DamagedPlanError("its head is not that of a plan") from cause
        start = self.size_bytes + sum(sizes[:index])
        return start, sizes[index] if index < len(sizes) else 0

    def whole(self, frames: Mapping[int, bytes]) -> bytes:
        """Return the plan's JSON, whole of the shards whose frames are given, and without units of the others.

        Raises:
            DamagedPlanError: A frame is damaged, or of another plan.
        """
        shards = [
            _shard(frames[index], shard) if index in frames else {**shard, "units": []}
            for index, shard in enumerate(self.content["shards"])
        ]
        return json.dumps({**self.content, "shards": shards}).encode()


def pack_plan(body: bytes) -> bytes:
    """Return a plan's JSON, packed."""
    content = json.loads(body)
    frames = [_compressed(shard) for shard in content["shards"]]
    shards = [
        {"run": shard["run"], "units": len(frame)}
        for shard, frame in zip(content["shards"], frames, strict=True)
    ]
    return b"".join([_compressed({**content, "shards": shards}), *frames])


def unpack_plan(body: bytes) -> bytes:
    """Return the JSON that `pack_plan` was given, in other white space.

    Raises:
        DamagedPlanError: It is not what that has made, or not all of it.
    """
    head = plan_head(body)
    if head is None:
        raise DamagedPlanError("its end is missing")
    frames = {}
    for index in range(len(head.content["shards"])):
        start, size = head.frame(index)
        frames[index] = body[start : start + size]
    return head.whole(frames)


def plan_head(body: bytes) -> PlanHead | None:
    """Return the head of a packed plan, of which `body` are the first bytes; None if they do not reach its end.

    Raises:
        DamagedPlanError: They are no head of a plan.
    """
    unpacking = zstandard.ZstdDecompressor().decompressobj()
    try:
        content = unpacking.decompress(body)
        if not unpacking.eof:
            return None
        head = PlanHead(dict(json.loads(content)), len(body) - len(unpacking.unused_data))
    except (zstandard.ZstdError, ValueError, TypeError) as cause:
        raise DamagedPlanError("it cannot be decompressed") from cause
    head.frame(0)
    return head


def _compressed(content: Mapping[str, Any]) -> bytes:
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    return compressor.compress(json.dumps(content, separators=(",", ":")).encode())


def _shard(frame: bytes, planned: Mapping[str, Any]) -> dict[str, Any]:
    try:
        shard = dict(json.loads(zstandard.decompress(frame)))
        found, run = shard["run"], planned["run"]
    except (zstandard.ZstdError, KeyError, TypeError, ValueError) as cause:
        raise DamagedPlanError("it cannot be decompressed") from cause
    if found != run:
        raise DamagedPlanError(f"the units of run {run} are those of run {found}")
    return shard
