"""Bodies arrive in pieces of any size and come out whole, with what follows them untouched."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.simulator.http.bodies import ChunkedBody, MalformedRequest, SizedBody


def feed(body, data, cuts):
    """Feed `data` cut at `cuts`; return what follows the body."""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(edges) if end > start]
    for position, piece in enumerate(pieces):
        rest = body.feed(piece)
        if rest is not None:
            return rest + b"".join(pieces[position + 1 :])
    return None


def chunked(chunks, trailers=()):
    data = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return data + b"0\r\n" + b"".join(b"%s: %s\r\n" % pair for pair in trailers) + b"\r\n"


cuts = st.lists(st.integers(0, 10_000), max_size=20)


@given(st.binary(min_size=1), st.binary(), cuts)
def test_a_sized_body_ends_after_its_length(content, following, cuts):
    body = SizedBody(len(content))
    assert feed(body, content + following, cuts) == following
    assert body.whole() == content


@given(st.lists(st.binary(min_size=1)), st.binary(), cuts)
def test_a_chunked_body_ends_after_its_last_chunk(chunks, following, cuts):
    body = ChunkedBody()
    assert feed(body, chunked(chunks, [(b"X-Sum", b" 1 ")]) + following, cuts) == following
    assert body.whole() == b"".join(chunks)
    assert body.trailers == {"x-sum": "1"}


@pytest.mark.parametrize(
    "data", [b"3\r\nabc", b"3\r\nabc\r\n", b"3\r\nabc\r\n0\r\n", b"3\r\nabc\r\n0\r\nx: y\r\n"]
)
def test_a_chunked_body_without_its_end_is_incomplete(data):
    assert ChunkedBody().feed(data) is None


@pytest.mark.parametrize(
    "data",
    [
        b"-1\r\n",
        b"0x3\r\nabc\r\n",
        b"\r\n",
        b"3_0\r\n",
        b"3\r\nabcd\r\n",
        b"0\r\nnot a trailer\r\n",
        b"1" * 9000,
    ],
)
def test_what_is_no_chunk_is_refused(data):
    with pytest.raises(MalformedRequest):
        ChunkedBody().feed(data)
