"""Lines and chunks: numbering, caps and bounds."""

from __future__ import annotations

import pytest

from fanout.domain.records import Options, Record, Rejected
from fanout.source.chunks import in_chunks
from fanout.source.jsonl.lines import LongLine, split_lines
from fanout.source.settings import CHUNK_BYTES, CHUNK_ROWS


def numbered(blocks, cap=100):
    return [
        (first + index, line)
        for first, lines in split_lines(blocks, cap_bytes=cap)
        for index, line in enumerate(lines)
    ]


@pytest.mark.parametrize("size", range(1, 12))
def test_lines_are_numbered_from_one_wherever_blocks_end(size):
    text = b"\xef\xbb\xbfa\r\n\nbc\n\r\nd\re\r"
    blocks = [text[start : start + size] for start in range(0, len(text), size)]
    assert numbered(blocks) == [(1, b"a"), (2, b""), (3, b"bc"), (4, b""), (5, b"d\re")]


@pytest.mark.parametrize("size", [1_000, 5_000, 64 << 10])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_long_and_short_lines_are_cut_alike(size, end):
    lengths = [3_000, 2_999, 3_001] * 20 + [1, 0, 2] * 3_000 + [4_000, 0] * 20 + [100_000, 1]
    lines = [b"x" * length for length in lengths]
    text = end.join(lines)
    blocks = [text[start : start + size] for start in range(0, len(text), size)]
    assert numbered(blocks, cap=1 << 20) == list(enumerate(lines, 1))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 50])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_the_cap_counts_the_line_without_its_end(size, end):
    text = b"abc" + end + b"abcd" + end + b"abcde" * 9 + end + b"xyz"
    blocks = [text[start : start + size] for start in range(0, len(text), size)]
    assert numbered(blocks, cap=3) == [(1, b"abc"), (2, LongLine(4)), (3, LongLine(45)), (4, b"xyz")]


def test_an_endless_line_is_not_held():
    def endless():
        for _ in range(10_000):
            yield b"x" * 100_000
        yield b"\nok"

    assert numbered(endless(), cap=1_000) == [(1, LongLine(10**9)), (2, b"ok")]


def record(row: int, size: int) -> Record:
    return Record(row, None, bytes(size), Options())


def sizes(items):
    return [len(chunk) for chunk in in_chunks(items)]


def test_chunks_are_bounded_in_rows():
    assert sizes(record(row, 1) for row in range(2 * CHUNK_ROWS + 1)) == [CHUNK_ROWS, CHUNK_ROWS, 1]


def test_chunks_are_bounded_in_bytes_and_a_large_row_is_one_of_its_own():
    half = CHUNK_BYTES // 2
    rows = [record(row, size) for row, size in enumerate([half, half, 1, 5 * CHUNK_BYTES, 1, 1])]
    assert sizes(rows) == [2, 1, 1, 2]


def test_kept_values_and_messages_weigh_too():
    passthrough = Record(0, None, b"", Options(), ("x" * CHUNK_BYTES, None, 5))
    assert sizes([passthrough, passthrough, Rejected(2, None, "Bad", "m" * 10)]) == [1, 1, 1]


def test_a_pause_ends_a_chunk_and_never_makes_an_empty_one():
    assert sizes([None, record(0, 1), None, None, record(1, 1), record(2, 1), None]) == [1, 2]


def test_what_was_read_comes_before_the_error():
    def broken():
        yield record(0, 1)
        raise ValueError("damaged")

    chunks = in_chunks(broken())
    assert [row.row for row in next(chunks)] == [0]
    with pytest.raises(ValueError, match="damaged"):
        next(chunks)
