"""Decompresses bytes a bounded step at a time, so that a bomb never unfolds in memory."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator

import zstandard

from fanout.source.settings import Compression

# A zstd block is at most 128 KiB (RFC 8878, 3.1.1.2.3) and at least 4 bytes, and python-zstandard gives back all that
# its input unfolds to: 1 KiB in is 32 MiB out at worst. Smaller steps would cost more than they save.
_ZSTD_STEP = 1 << 10
# What a frame may ask for as its window; zstd's own default limit (ZSTD_WINDOWLOG_LIMIT_DEFAULT = 27).
_ZSTD_WINDOW = 1 << 27


class BrokenStreamError(Exception):
    """The compressed bytes are damaged; the message says how, all sound bytes were yielded before."""


def decompress(blocks: Iterable[bytes], compression: Compression, *, step_bytes: int) -> Iterator[bytes]:
    """Yield the plain bytes of `blocks`, about `step_bytes` at a time; several members or frames are one text.

    Raises:
        BrokenStreamError: Truncated, a wrong checksum, or something else behind the last member.
    """
    unpack: dict[Compression, Callable[..., Iterator[bytes]]] = {"gzip": _gunzip, "zstd": _unzstd}
    if compression == "none":
        return iter(blocks)
    return unpack[compression](blocks, step_bytes=step_bytes)


def _gunzip(blocks: Iterable[bytes], *, step_bytes: int) -> Iterator[bytes]:
    members = 0
    decoder = zlib.decompressobj(wbits=31)  # 31: a gzip wrapper, its checksum and length verified
    begun = False
    for block in blocks:
        rest = block
        while rest:
            if members and not begun:
                rest = rest.lstrip(b"\0")  # tape and block devices pad with zeros; gzip(1) takes them too
                if not rest:
                    break
            begun = True
            try:
                plain = decoder.decompress(rest, step_bytes)
                while len(plain) == step_bytes:
                    yield plain
                    plain = decoder.decompress(decoder.unconsumed_tail, step_bytes)
            except zlib.error as error:
                raise BrokenStreamError(_gzip_reason(error, members=members)) from error
            if plain:
                yield plain
            rest = decoder.unconsumed_tail
            if decoder.eof:
                rest = decoder.unused_data
                members += 1
                decoder = zlib.decompressobj(wbits=31)
                begun = False
    if begun or not members:
        raise BrokenStreamError("gzip data is truncated")


def _gzip_reason(error: zlib.error, *, members: int) -> str:
    if "incorrect header" in str(error):
        return "something else follows the gzip data" if members else "it is not gzip data"
    if "incorrect data check" in str(error) or "incorrect length check" in str(error):
        return "gzip data has a wrong checksum"
    return "gzip data is damaged"


def _unzstd(blocks: Iterable[bytes], *, step_bytes: int) -> Iterator[bytes]:
    parts = bytearray()
    frames = 0
    begun = False
    decoder = _zstd_decoder()
    for block in blocks:
        for start in range(0, len(block), _ZSTD_STEP):
            rest = block[start : start + _ZSTD_STEP]
            while rest:
                begun = True
                try:
                    parts += decoder.decompress(rest)
                except zstandard.ZstdError as error:
                    if parts:
                        yield bytes(parts)
                    raise BrokenStreamError(_zstd_reason(error, frames=frames)) from error
                rest = b""
                if decoder.eof:
                    rest = decoder.unused_data
                    frames += 1
                    begun = False
                    decoder = _zstd_decoder()
            if len(parts) >= step_bytes:
                yield bytes(parts)
                parts.clear()
    if parts:
        yield bytes(parts)
    if begun or not frames:
        raise BrokenStreamError("zstd data is truncated")


def _zstd_decoder() -> zstandard.ZstdDecompressionObj:
    return zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()


def _zstd_reason(error: zstandard.ZstdError, *, frames: int) -> str:
    if "Unknown frame descriptor" in str(error):
        return "something else follows the zstd data" if frames else "it is not zstd data"
    if "checksum" in str(error):
        return "zstd data has a wrong checksum"
    if "window" in str(error) or "too much memory" in str(error):
        return "zstd data needs a window over 128 MiB; compress it again without --long"
    return "zstd data is damaged"
