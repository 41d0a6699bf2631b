"""Packs what a shard reads of the footers of Parquet files, compressed, and unpacks it a frame at a time; pure.

Footers of many files are nearly alike, and so are those of many row groups: a pack is a tenth of them, or less.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import accumulate
from typing import Any

import zstandard

PACKS_BYTES = 16 << 20
"""The packs of all shards together at most, as much as is kept of footers (`kept_footers`): of a file that is cut for
very many shards, each pack repeats the schema."""
FRAME_BYTES = 1 << 20
"""What a frame unfolds to, about: a shard holds its pack and one frame."""
_MORE_BYTES = 8
"""By which a footer of some row groups may be longer than what is read of the whole: the number of them."""
_LEVEL = 9  # of zstd: 1,000 alike footers in a tenth of a second, half as large as by level 1
_SIZE = struct.Struct("<I")  # of a footer in a frame
_FRAME = struct.Struct("<II")  # how many footers a frame has, and its bytes


@dataclass(frozen=True, slots=True)
class PackPlace:
    """Where the pack of a shard stands among those of all.

    Attributes:
        start: Its first byte.
        size_bytes: Its length, at least 1.
        sha256: Of its bytes, in hexadecimal.
    """

    start: int
    size_bytes: int
    sha256: str

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def pack_place(content: Mapping[str, Any]) -> PackPlace:
    """Return what `PackPlace.as_dict` was made of.

    Raises:
        KeyError, TypeError, ValueError: It was not.
    """
    place = PackPlace(int(content["start"]), int(content["size_bytes"]), str(content["sha256"]))
    if place.start < 0 or not 0 < place.size_bytes <= PACKS_BYTES:
        raise ValueError(f"no pack of footers stands at {place.start}, {place.size_bytes} bytes long")
    return place


def pack(footers: Iterable[bytes]) -> bytes:
    """Return footers as one body, of which a frame at a time is held unpacked.

    Args:
        footers: At least one; an empty one says that it is not there.
    """
    heads, frames = [], []
    held: list[bytes] = []
    room = FRAME_BYTES

    def end() -> None:
        frames.append(zstandard.compress(b"".join(_SIZE.pack(len(each)) + each for each in held), _LEVEL))
        heads.append(_FRAME.pack(len(held), len(frames[-1])))
        held.clear()

    for footer in footers:
        held.append(footer)
        room -= len(footer)
        if room <= 0:
            end()
            room = FRAME_BYTES
    if held:
        end()
    return b"".join([_SIZE.pack(len(frames)), *heads, *frames])


class FooterPack:
    """The footers that a shard need not read, by the path of their file; made by `open_pack`."""

    def __init__(self, frames: Sequence[tuple[bytes, Mapping[str, int]]]) -> None:
        self._frames = frames
        self._frame_of = {path: index for index, (_, sizes) in enumerate(frames) for path in sizes}
        self._unpacked: tuple[int, Mapping[str, bytes]] = (-1, {})

    def get(self, path: str) -> bytes | None:
        """Return the footer of what is read of this file; None where it was not packed."""
        index = self._frame_of.get(path)
        if index is None:
            return None
        if self._unpacked[0] != index:  # units are read in their order
            self._unpacked = (index, _unpacked(*self._frames[index]))
        return self._unpacked[1].get(path)


def open_pack(body: bytes, place: PackPlace, units: Sequence[tuple[str, int]]) -> FooterPack | None:
    """Return the pack of a shard; None if `body` is damaged, or another shard's or plan's.

    Args:
        body: What stands at `place`.
        place: As the plan says.
        units: Of each unit the path of its file, and how many bytes of that file's footer it would read.
    """
    if len(body) != place.size_bytes or sha256(body).hexdigest() != place.sha256:
        return None
    try:
        (count,) = _SIZE.unpack_from(body)
        heads = [_FRAME.unpack_from(body, _SIZE.size + index * _FRAME.size) for index in range(count)]
    except struct.error:
        return None
    ends = list(accumulate((size for _, size in heads), initial=_SIZE.size + count * _FRAME.size))
    firsts = list(accumulate((units_of for units_of, _ in heads), initial=0))
    if ends[-1] != len(body) or firsts[-1] != len(units):
        return None
    return FooterPack(
        [
            (body[ends[index] : ends[index + 1]], dict(units[firsts[index] : firsts[index + 1]]))
            for index in range(count)
        ]
    )


def _unpacked(frame: bytes, sizes: Mapping[str, int]) -> Mapping[str, bytes]:
    """Return the footers of a frame; nothing if it is no frame of these."""
    most = sum(sizes.values()) + len(sizes) * (_SIZE.size + _MORE_BYTES)
    try:
        if not 0 <= zstandard.frame_content_size(frame) <= most:
            return {}
        body = zstandard.decompress(frame)
    except zstandard.ZstdError:
        return {}
    found, at = {}, 0
    for path, size in sizes.items():
        start = at + _SIZE.size
        at = start + int.from_bytes(body[at:start], "little")
        if 0 < at - start <= size + _MORE_BYTES and at <= len(body):
            found[path] = body[start:at]
    return found if at == len(body) else {}
