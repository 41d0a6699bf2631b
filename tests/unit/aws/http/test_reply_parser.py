"""Replies as bytes, whole and in pieces, sound and broken."""

from __future__ import annotations

import tracemalloc
from io import BytesIO

import pytest

from fanout.aws.http import reply_parser
from fanout.aws.http.reply_parser import MAX_HEAD_BYTES, Answer, BrokenReplyError, Reader

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Name: Value\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n"
    b"3\r\nhel\r\n2;ext=1\r\nlo\r\n0\r\nX-Amz-Checksum-Crc32: AAAA\r\n\r\n"
)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX-Name: Other\r\n\r\n"


def reader(*, cap_bytes=1000, bodiless=False):
    new = Reader()
    new.expect(cap_bytes=cap_bytes, bodiless=bodiless)
    return new


def broken(data, **limits):
    with pytest.raises(BrokenReplyError) as caught:
        reader(**limits).feed(data)
    return caught.value.code


@pytest.mark.parametrize("data", [OK, CHUNKED, INTERIM + OK], ids=["length", "chunked", "interim"])
def test_a_reply_is_the_same_however_it_is_cut(data):
    for cut in range(1, len(data)):
        new = reader()
        new.feed(data[:cut])
        assert not new.complete
        new.feed(data[cut:])
        answer = new.answer()
        assert (new.complete, new.reusable, answer.status) == (True, True, 200)
        assert answer.body == b"hello"


def test_headers_are_those_of_the_reply_itself():
    new = reader()
    new.feed(INTERIM + OK)
    assert new.answer() == Answer(200, {b"content-length": b"5", b"x-name": b"Value"}, b"hello")
    new = reader()
    new.feed(CHUNKED)
    assert new.answer().headers == {b"transfer-encoding": b"chunked", b"trailer": b"x"}


def test_one_reply_after_another():
    new = reader()
    for body in (b"one", b"", b"three"):
        new.expect(cap_bytes=10)
        new.feed(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        assert (new.complete, new.reusable, new.answer().body) == (True, True, body)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        OK + b"more",
        OK + OK,
        OK + b"\x00",
    ],
    ids=["close", "http 1.0", "longer than it said", "two", "garbage behind"],
)
def test_whole_replies_after_which_the_connection_is_not_used(data):
    new = reader()
    new.feed(data)
    assert (new.complete, new.reusable, new.answer().status) == (True, False, 200)


def test_what_stands_behind_a_reply_is_no_part_of_it():
    new = reader()
    new.feed(OK + b"HTTP/1.1 500 X\r\nContent-Length: 3\r\nX-Name: Evil\r\n\r\nbad")
    assert new.answer() == Answer(200, {b"content-length": b"5", b"x-name": b"Value"}, b"hello")


def test_a_reply_without_length_ends_with_the_stream():
    new = reader()
    new.feed(b"HTTP/1.1 503 X\r\n\r\n<html>")
    assert not new.complete
    assert new.end()
    assert new.answer() == Answer(503, {}, b"<html>", measured=False)
    assert not new.reusable


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK\r\n", OK[:-1], CHUNKED[:-2], INTERIM])
def test_a_reply_with_length_does_not(data):
    new = reader()
    new.feed(data)
    assert not new.end()


@pytest.mark.parametrize("status", [200, 404])
def test_the_answer_to_a_head_has_no_body_whatever_its_length(status):
    new = reader(cap_bytes=0, bodiless=True)
    new.feed(b"HTTP/1.1 %d X\r\nContent-Length: 7\r\n\r\n" % status)
    assert (new.complete, new.reusable) == (True, True)
    assert new.answer() == Answer(status, {b"content-length": b"7"}, b"")
    new.expect(cap_bytes=10)  # and the connection reads on
    new.feed(OK)
    assert new.answer().body == b"hello"


def test_a_body_in_answer_to_a_head_spoils_the_connection():
    new = reader(cap_bytes=0, bodiless=True)
    new.feed(b"HTTP/1.1 200 X\r\nContent-Length: 7\r\n\r\n1234567")
    assert (new.complete, new.reusable, new.answer().body) == (True, False, b"")


@pytest.mark.parametrize("status", [204, 304])
def test_some_statuses_have_no_body(status):
    new = reader()
    new.feed(b"HTTP/1.1 %d X\r\n\r\n" % status)
    assert (new.complete, new.reusable, new.answer().body) == (True, True, b"")


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01 this is not HTTP\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBad Name: 1\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 99999 X\r\n\r\n",
    ],
)
def test_what_is_not_http_is_unreadable(data):
    assert broken(data) == "UnreadableReply"


def test_limits():
    assert broken(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n") == "ReplyTooLarge"
    assert (
        broken(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"x" * 1001)
        == "ReplyTooLarge"
    )
    assert broken(b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_HEAD_BYTES) == "ReplyTooLarge"
    exact = reader(cap_bytes=5)
    exact.feed(OK)
    assert exact.answer().body == b"hello"


def test_a_head_is_limited_in_pieces_and_over_interim_replies_too():
    new = reader()
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    for _ in range(MAX_HEAD_BYTES // len(interim)):
        new.feed(interim)
    with pytest.raises(BrokenReplyError):
        new.feed(interim)


def test_what_exceeds_the_cap_is_not_kept():
    new = reader(cap_bytes=10)
    new.feed(b"HTTP/1.1 200 OK\r\n\r\n")
    with pytest.raises(BrokenReplyError):
        new.feed(b"x" * 1_000_000)
    assert len(new.answer().body) <= 10


def test_a_large_body_is_in_memory_once():
    new, piece, size_bytes = reader(cap_bytes=1 << 30), b"x" * 65_536, 16 << 20
    new.feed(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size_bytes)
    tracemalloc.start()
    try:
        for _ in range(size_bytes // len(piece)):
            new.feed(piece)
        body = new.answer().body
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (len(body), type(body)) == (size_bytes, bytes)
    assert kept < 1.1 * size_bytes, "the reader keeps nothing of it"
    assert peak < 1.3 * size_bytes


def test_a_body_that_was_announced_has_its_place_from_the_first_piece_on(monkeypatch):
    """One that grew piece by piece was moved again and again: twice the CPU of a range of 4 MB."""
    moved = []

    class Watched(BytesIO):
        def write(self, data):
            before = len(self.getbuffer())
            written = super().write(data)
            moved.append(len(self.getbuffer()) - before)
            return written

    monkeypatch.setattr(reply_parser, "BytesIO", Watched)
    new, pieces = reader(cap_bytes=1 << 20), [bytes([number]) * 1_000 for number in range(20)]
    new.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n")
    for piece in pieces:
        new.feed(piece)
    assert new.answer().body == b"".join(pieces)
    assert [size for size in moved if size] == [20_000]
    new.expect(cap_bytes=1 << 20)
    moved.clear()
    monkeypatch.setattr(reply_parser, "_ROOM_BYTES", 10_000)
    new.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n")
    for piece in pieces:
        new.feed(piece)
    assert new.answer().body == b"".join(pieces)
    assert max(moved) == 1_000, "what is announced is not always sent"
