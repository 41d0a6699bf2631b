"""A span of a file: the lines that begin in it, where each begins, and what is read for them."""

from __future__ import annotations

import pytest
from support.remote import DictRemote

from fanout.source.files import InputFile, Span, local_file
from fanout.source.jsonl.span import TAIL_BYTES, SpanLines
from fanout.source.statistics import Meter


def lines_of(file, start, end, block_bytes=7):
    meter = Meter()
    span = SpanLines(
        file, Span(start, end, end - start), block_bytes=block_bytes, meter=meter, check=lambda: None
    )
    text = b"".join(span.blocks())
    assert meter.bytes_read == len(text)
    return text


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        (0, 3, b"one\n"),  # the line that straddles the end
        (0, 4, b"one\n"),  # and no more where a line ends there
        (3, 5, b"two\r\n"),  # a line that begins at the second byte
        (4, 5, b"two\r\n"),  # or at the first
        (5, 9, b""),  # none begins
        (9, 10, b"\n"),
        (8, 14, b"\nlast"),
        (11, 14, b""),
        (10, 11, b"last"),
        (0, 0, b""),
    ],
)
@pytest.mark.parametrize("block_bytes", [1, 3, 100])
def test_a_line_is_read_where_it_begins(tmp_path, start, end, text, block_bytes):
    (tmp_path / "in.jsonl").write_bytes(b"one\ntwo\r\n\nlast")
    assert lines_of(local_file(str(tmp_path / "in.jsonl")), start, end, block_bytes) == text


def remote_file(text):
    remote = DictRemote({("b", "k"): text})
    info = next(remote.list("b", "k"))[0]
    return remote, InputFile("s3://b/k", len(text), None, object=info, remote=remote)


def test_a_long_line_is_looked_for_in_steps_that_double():
    remote, file = remote_file(b"x" * 10 + b"y" * 10_000 + b"\n" + b"z" * 10_000)
    assert len(lines_of(file, 0, 10, 1 << 20)) == 10_011
    sizes = [size for _, _, size in remote.reads]
    assert sizes == [10, TAIL_BYTES, 2 * TAIL_BYTES, 4 * TAIL_BYTES, 8 * TAIL_BYTES]


def test_where_no_line_begins_nothing_behind_the_span_is_read():
    remote, file = remote_file(b"x" * 100 + b"\n")
    assert lines_of(file, 50, 60) == b""
    assert remote.reads == [("k", 49, 11)]


def test_each_line_knows_its_byte(tmp_path):
    text = b"\xef\xbb\xbfa\n\r\nlong line\nb\n\nc"
    (tmp_path / "in.jsonl").write_bytes(text)
    file = local_file(str(tmp_path / "in.jsonl"))
    for start in range(len(text)):
        for block_bytes in (1, 2, 5, 50):
            span = SpanLines(
                file, Span(start, len(text), 1), block_bytes=block_bytes, meter=Meter(), check=lambda: None
            )
            places, number = [], 1
            for block in span.blocks():
                for _ in range(block.count(b"\n")):
                    places.append(span.place(number))
                    number += 1
                last = span.place(number)
            begins = [0] + [at + 1 for at, byte in enumerate(text) if byte == 10]
            begins = [at for at in begins if at >= start]
            if begins:
                assert [*places, last] == begins


def test_the_last_line_needs_no_end():
    _, file = remote_file(b"abcd")
    assert lines_of(file, 0, 2) == b"abcd"
