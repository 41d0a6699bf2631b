"""Heads are read as they were sent; whatever two readers could read differently is refused."""

from __future__ import annotations

import pytest

from fanout.simulator.http.bodies import ChunkedBody, MalformedRequest, SizedBody
from fanout.simulator.http.head import body_of, parse_head
from fanout.simulator.http.messages import Request


def test_path_and_query_stay_as_they_were_sent():
    request, stays = parse_head(b"PUT /b/%7Ea%2f+?x=%20&y HTTP/1.1\r\nHost: h\r\nX-A:  1 \r\nx-a: 2")
    assert (request.method, request.path, request.query) == ("PUT", "/b/%7Ea%2f+", "x=%20&y")
    assert request.headers == {"host": "h", "x-a": "1,2"}
    assert request.parameters() == {"x": " ", "y": ""}
    assert stays


@pytest.mark.parametrize(
    ("version", "connection", "stays"),
    [
        ("1.1", "", True),
        ("1.1", "Connection: Close", False),
        ("1.0", "", False),
        ("1.0", "Connection: keep-alive", True),
    ],
)
def test_a_connection_stays_open_as_its_version_says(version, connection, stays):
    head = f"GET / HTTP/{version}\r\nHost: h" + (f"\r\n{connection}" if connection else "")
    assert parse_head(head.encode())[1] is stays


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"GET /",
        b"get / HTTP/1.1",
        b"GET http://h/ HTTP/1.1",
        b"GET / HTTP/2",
        b"GET / HTTP/1.1\r\nno colon",
        b"GET / HTTP/1.1\r\n: no name",
        b"GET / HTTP/1.1\r\nbad name: x",
        b"GET / HTTP/1.1\r\n folded: x",
        b"GET / HTTP/1.1\r\nx: a\nb: c",
        b"GET / HTTP/1.1\r\n" + b"\r\n".join(b"h%d: x" % number for number in range(300)),
    ],
)
def test_what_is_no_head_is_refused(head):
    with pytest.raises(MalformedRequest):
        parse_head(head)


def body(**headers):
    return body_of(
        Request("PUT", "/", "", {name.replace("_", "-"): value for name, value in headers.items()})
    )


def test_the_body_is_read_as_announced():
    assert body() is None
    assert body(content_length="0") is None
    assert isinstance(body(content_length="12"), SizedBody)
    assert isinstance(body(transfer_encoding="chunked"), ChunkedBody)


@pytest.mark.parametrize(
    "headers",
    [
        {"content_length": "-1"},
        {"content_length": "1,1"},
        {"content_length": "1e3"},
        {"content_length": str(6 * 1024**3)},
        {"transfer_encoding": "gzip"},
        {"transfer_encoding": "chunked", "content_length": "3"},
    ],
)
def test_a_body_that_could_be_read_two_ways_is_refused(headers):
    with pytest.raises(MalformedRequest):
        body(**headers)
