"""Compressed JSON Lines: many members, damage of every kind, and bombs."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest
import zstandard
from support.settings import input_settings

from fanout.domain.records import Record
from fanout.errors import InputError
from fanout.source.jsonl.blocks import BrokenStreamError, decompress
from fanout.source.selection import Selection
from fanout.source.source import open_source

ROWS = [b'{"row":%d,"text":"%s"}' % (n, (b"%d" % (n * 7919)) * 20) for n in range(2_000)]
TEXT = b"".join(row + b"\n" for row in ROWS)


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


PACK = {"gzip": gzip.compress, "zstd": zstd}
SUFFIX = {"gzip": "gz", "zstd": "zst"}
both = pytest.mark.parametrize("kind", ["gzip", "zstd"])


@both
@pytest.mark.parametrize("name", ["in.jsonl.{}", "in.ndjson.{}", "in.jsonl", "data"])
def test_it_is_known_by_suffix_or_by_its_first_bytes(read, jsonl, kind, name):
    assert read(jsonl(PACK[kind](TEXT), name.format(SUFFIX[kind]))).payloads == ROWS


@both
@pytest.mark.parametrize("block", [1, 13, 4_096])
def test_members_are_one_text_wherever_they_are_cut(read, jsonl, kind, block):
    text = b"".join(row + b"\n" for row in ROWS[:50])
    packed = PACK[kind](text[:1_003]) + PACK[kind](b"") + PACK[kind](text[1_003:])
    assert read(jsonl(packed), block_bytes=block).payloads == ROWS[:50]


def test_zeros_behind_gzip_are_padding(read, jsonl):
    assert (
        read(jsonl(gzip.compress(TEXT) + bytes(512) + gzip.compress(TEXT) + bytes(512))).payloads == ROWS * 2
    )


def test_skippable_zstd_frames_are_skipped(read, jsonl):
    skip = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    assert read(jsonl(skip + zstd(TEXT) + skip)).payloads == ROWS


@both
def test_what_was_sound_before_a_truncation_is_read_then_the_place_is_named(read, jsonl, kind):
    packed = PACK[kind](TEXT) + PACK[kind](TEXT)
    cut = len(packed) - 10
    path = jsonl(packed[:cut])
    rows, error = read(path)
    assert [row.payload for row in rows if isinstance(row, Record)][:2_000] == ROWS
    assert error.startswith(f"{path}: {kind} data is truncated after byte {cut} of {cut}, line ")
    assert error.endswith(f", row {len(rows)}; fetch or write the file again")


def test_gzip_truncated_in_the_middle_yields_every_whole_line(read, jsonl):
    packed = gzip.compress(TEXT)[: 3 * len(gzip.compress(TEXT)) // 4]
    plain = zlib.decompressobj(31).decompress(packed)
    rows, error = read(jsonl(packed))
    # What follows the last line end is an incomplete line, not a row.
    assert [row.payload for row in rows] == ROWS[: plain.count(b"\n")]
    assert len(rows) > 1_000
    assert f"line {len(rows)}, row {len(rows)};" in error


@both
def test_a_wrong_checksum_is_an_error_after_the_member_before(read, jsonl, kind):
    bad = bytearray(PACK[kind](TEXT))
    bad[-6 if kind == "gzip" else -2] ^= 1
    path = jsonl(PACK[kind](TEXT) + bytes(bad))
    rows, error = read(path)
    assert [row.payload for row in rows][:2_000] == ROWS
    assert error.startswith(f"{path}: {kind} data has a wrong checksum after byte ")


@both
def test_something_else_behind_it_is_an_error_after_its_rows(read, jsonl, kind):
    path = jsonl(PACK[kind](TEXT) + b"and more text")
    rows, error = read(path)
    assert [row.payload for row in rows] == ROWS
    assert error.startswith(f"{path}: something else follows the {kind} data after byte ")


@both
def test_a_suffix_that_the_bytes_deny_is_an_error(read, jsonl, kind):
    with pytest.raises(
        InputError, match=rf"the name says {kind}, but the file does not begin as {kind} does"
    ):
        read(jsonl(TEXT, f"in.jsonl.{SUFFIX[kind]}"))
    assert read(jsonl(TEXT, f"in.jsonl.{SUFFIX[kind]}"), compression="none").payloads == ROWS


@both
@pytest.mark.parametrize("stated", [False, True])
def test_a_file_without_bytes_has_no_rows_and_that_is_said(jsonl, kind, stated):
    path = jsonl(b"", f"in.jsonl.{SUFFIX[kind]}")
    source = open_source(input_settings((str(path),), compression=kind if stated else "auto"), Selection())
    assert list(source.read()) == []
    assert source.warnings == (f"{path}: has no bytes, and so no rows",)


@both
def test_what_is_compressed_twice_is_said_to_be(read, jsonl, kind):
    path = jsonl(PACK[kind](PACK[kind](TEXT)), f"in.jsonl.{SUFFIX[kind]}")
    for block in (1, 1 << 20):
        rows, error = read(path, block_bytes=block)
        assert rows == []
        assert error.startswith(
            f"{path}: what is read is still {kind} data. If it was compressed twice, unpack it once: "
        )
    assert "If input.compression is set, leave that out" in read(path, compression="none").error


@both
def test_a_stated_compression_is_believed(read, jsonl, kind):
    path = jsonl(TEXT)
    message = f"{path}: it is not {kind} data after byte {len(TEXT)} of {len(TEXT)}, line 0, row 0; "
    assert read(path, compression=kind, block_bytes=1 << 20) == (
        [],
        message + "fetch or write the file again",
    )


def test_a_frame_that_wants_a_huge_window_is_refused():
    parameters = zstandard.ZstdCompressionParameters(window_log=28, write_checksum=True)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    packed = compressor.compress(TEXT) + compressor.flush()
    with pytest.raises(
        BrokenStreamError, match="needs a window over 128 MiB; compress it again without --long"
    ):
        list(decompress([packed], "zstd", step_bytes=1 << 16))


@both
def test_a_bomb_unfolds_a_step_at_a_time(kind):
    """256 MiB: what is held stays below the worst step (zstd: 1 KiB unfolds to 32 MiB, held twice when joined)."""
    size = 1 << 28
    if kind == "zstd":
        packed = zstandard.ZstdCompressor().compress(bytes(size))
    else:
        packer = zlib.compressobj(1, wbits=31)
        packed = b"".join(packer.compress(bytes(1 << 24)) for _ in range(size >> 24)) + packer.flush()
    tracemalloc.start()
    try:
        blocks = (packed[start : start + (1 << 18)] for start in range(0, len(packed), 1 << 18))
        total = sum(len(block) for block in decompress(blocks, kind, step_bytes=1 << 18))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == size
    assert peak < (100 << 20 if kind == "zstd" else 2 << 20)
