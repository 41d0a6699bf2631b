"""What is torn, flipped, foreign or of a later version is noticed, and never read as something else."""

from __future__ import annotations

import subprocess

import orjson
import pytest
import zstandard

from fanout.errors import JournalError
from fanout.runtime.place import envelope
from fanout.runtime.place.envelope import pack, unpack

HEAD = {"number": 7, "rows": [1, 2, 3]}
CONTENT = pack("segment", HEAD, b"\0\1\n\2")


def test_what_was_packed_comes_back():
    head, tail = unpack("segment", CONTENT, "s3://b/k")
    assert {key: head[key] for key in HEAD} == HEAD
    assert tail == b"\0\1\n\2"


def test_every_flipped_byte_is_noticed():
    for place in range(len(CONTENT)):
        flipped = CONTENT[:place] + bytes([CONTENT[place] ^ 0x10]) + CONTENT[place + 1 :]
        with pytest.raises(JournalError, match="s3://b/k is damaged"):
            pytest.fail(f"{unpack('segment', flipped, 's3://b/k')}, with byte {place} flipped")


@pytest.mark.parametrize("length", [0, 3, 8, 40, 41, len(CONTENT) - 1])
def test_what_is_cut_off_is_noticed(length):
    with pytest.raises(JournalError, match="damaged"):
        unpack("segment", CONTENT[:length], "s3://b/k")


def test_what_is_something_else_is_noticed():
    with pytest.raises(JournalError, match="it is a segment, not a snapshot"):
        unpack("snapshot", CONTENT, "s3://b/k")


def test_a_later_version_says_so(monkeypatch):
    monkeypatch.setattr(envelope, "VERSION", 2)
    later = pack("segment", HEAD)
    monkeypatch.undo()
    with pytest.raises(JournalError, match=r"another version of fanout \(2\): use that version"):
        unpack("segment", later, "s3://b/k")


def test_a_length_that_nothing_has_is_not_allocated(monkeypatch):
    monkeypatch.setattr(envelope, "_CONTENT_MAX_BYTES", 10)
    with pytest.raises(JournalError, match=r"it would be .* bytes long"):
        unpack("segment", CONTENT, "s3://b/k")


def test_other_programs_read_it_as_zstandard():
    text = zstandard.ZstdDecompressor().decompressobj()
    frames = CONTENT[40:]
    assert orjson.loads(text.decompress(frames).partition(b"\n")[0])["number"] == 7
    try:
        found = subprocess.run(["zstd", "-dc"], input=CONTENT, capture_output=True, check=True)
    except FileNotFoundError:
        pytest.skip("zstd is not installed")
    assert orjson.loads(found.stdout.partition(b"\n")[0])["fanout"] == "segment"
