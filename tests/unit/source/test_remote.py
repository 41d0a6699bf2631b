"""Objects read as files: the same bytes whatever is asked for, a block ahead and no more."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.remote import DictRemote

from fanout.domain.location import Location
from fanout.errors import InputError
from fanout.source.remote import TAIL_BYTES, RemoteFile, RemoteStream

HERE = Location("lake", "k")


def opened(body, kind=RemoteStream, **more):
    remote = DictRemote({HERE: body})
    info = remote.find(HERE)
    assert info is not None
    return kind(remote, info, check=more.pop("check", lambda: None), **more), remote


@given(st.binary(max_size=200), st.integers(1, 50), st.lists(st.integers(1, 70), min_size=1))
def test_a_stream_gives_every_byte_once_in_order(body, block_bytes, sizes):
    stream, remote = opened(body, block_bytes=block_bytes)
    pieces = []
    for size in sizes * (len(body) + 1):
        piece = stream.read(size)
        assert len(piece) <= size
        if not piece:
            break
        pieces.append(piece)
    assert b"".join(pieces) == body
    assert [start for _, start, _ in remote.reads] == list(range(0, len(body), block_bytes))


def test_one_block_is_read_ahead():
    stream, remote = opened(bytes(100), block_bytes=10)
    assert len(remote.reads) == 1, "the first is asked for at once"
    stream.read(3)
    assert len(remote.reads) == 2
    stream.read(7)
    assert len(remote.reads) == 2
    stream.close()
    assert remote.begun[-1].cancelled
    assert stream.read(5) == b""


class ShortRemote(DictRemote):
    """Sends of each range what stands before byte 25."""

    def begin(self, location, *, start, size_bytes, etag):
        return super().begin(location, start=start, size_bytes=min(size_bytes, max(25 - start, 0)), etag=etag)


def test_a_stream_whose_bytes_do_not_all_come_does_not_end_as_if_they_had():
    """A server that ignores If-Match gave a shorter object, and the rows behind its end were lost without a word."""
    remote = ShortRemote({HERE: bytes(40)})
    stream = RemoteStream(remote, remote.find(HERE), check=lambda: None, block_bytes=10)
    assert (stream.read(10), stream.read(10)) == (bytes(10), bytes(10))
    with pytest.raises(InputError, match="S3 sent 5 of 10 bytes"):
        stream.read(10)


def test_who_waits_can_be_stopped():
    def stop():
        raise KeyboardInterrupt

    stream, _ = opened(b"abc", check=stop)
    with pytest.raises(KeyboardInterrupt):
        stream.read(1)


@given(
    st.integers(0, TAIL_BYTES + 200),
    st.lists(
        st.one_of(
            st.tuples(st.just("read"), st.integers(-1, 300)),
            st.tuples(st.just("seek"), st.integers(0, TAIL_BYTES + 300)),
            st.tuples(st.just("back"), st.integers(-TAIL_BYTES - 300, 0)),
        )
    ),
)
def test_a_file_reads_as_one_on_disk_does(size, moves):
    body = bytes(index % 251 for index in range(size))
    file, _ = opened(body, kind=RemoteFile)
    model = io.BytesIO(body)
    for move, value in moves:
        if move == "read":
            assert file.read(value) == model.read(value)
        elif move == "seek":
            assert file.seek(value) == model.seek(value)
        elif value >= -size:
            assert file.seek(value, 2) == model.seek(value, 2)
        assert file.tell() == model.tell()


def test_the_end_of_a_file_is_fetched_once():
    file, remote = opened(bytes(3 * TAIL_BYTES), kind=RemoteFile)
    for back in (8, 4_000, 64):
        file.seek(-back, 2)
        file.read(8)
    assert remote.reads == [("k", 2 * TAIL_BYTES, TAIL_BYTES)]


def test_a_file_that_comes_short_is_no_file():
    file, remote = opened(bytes(10), kind=RemoteFile)
    remote.begin = lambda *_, **__: type("Short", (), {"result": lambda *_: b"abc"})()
    with pytest.raises(InputError, match="s3://lake/k: S3 sent 3 of 10 bytes"):
        file.read()
