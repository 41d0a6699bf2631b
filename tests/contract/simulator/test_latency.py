"""The server's sockets: requests in pieces and in a row, Expect, HEAD, what is malformed, what is cut off."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest
from support.simulator_http import serving

PUT = b"PUT /simulated/k HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n"
GET = b"GET /simulated/k HTTP/1.1\r\nHost: h\r\n"
CLOSE = b"Connection: close\r\n"


@pytest.fixture(scope="module")
def served():
    with serving(verify_signatures=False) as served:
        yield served


@pytest.fixture(autouse=True)
def empty(served):
    served.world.objects.delete("simulated", "k")


def stored(served):
    found = served.world.objects.find("simulated", "k")
    return None if found is None else found.body


def test_requests_in_a_row_are_answered_in_their_order(served):
    reply = served.exchange(
        PUT + b"\r\npayload" + GET + b"\r\n" + GET.replace(b"GET", b"HEAD") + CLOSE + b"\r\n"
    )
    nothing, first, second, third = reply.split(b"HTTP/1.1 200 OK\r\n")
    assert nothing == b""
    assert b"Content-Length: 0\r\n" in first
    assert second.endswith(b"\r\n\r\npayload")
    assert b"Content-Length: 7\r\n" in third
    assert third.endswith(b"\r\n\r\n")


def test_a_request_may_come_byte_by_byte(served):
    with closing(socket.create_connection(served.address, timeout=5)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in PUT + CLOSE + b"\r\npayload":
            connection.sendall(bytes([byte]))
        assert connection.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")
    assert stored(served) == b"payload"


def test_a_client_that_asks_is_told_to_go_on(served):
    with closing(socket.create_connection(served.address, timeout=5)) as connection:
        connection.sendall(PUT + b"Expect: 100-continue\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert stored(served) is None
        connection.sendall(b"payload")
        assert connection.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")
    assert stored(served) == b"payload"


def test_chunks_make_up_a_body(served):
    head = b"PUT /simulated/k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n" + CLOSE + b"\r\n"
    reply = served.exchange(head + b"3\r\npay\r\n4\r\nload\r\n0\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
    assert stored(served) == b"payload"


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"PUT /simulated/k HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        b"PUT /simulated/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nnot hex\r\n",
        b"GET /" + b"x" * 70_000,
    ],
)
def test_what_is_malformed_is_answered_once_and_ended(served, data):
    reply = served.exchange(data)
    assert reply.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert reply.count(b"HTTP/1.1 ") == 1
    assert b"Connection: close\r\n" in reply
    assert stored(served) is None


def test_an_unfinished_request_changes_nothing(served):
    with closing(socket.create_connection(served.address, timeout=5)) as connection:
        connection.sendall(PUT + b"\r\npay")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""
    assert stored(served) is None


def test_an_old_client_is_let_go_after_its_reply(served):
    assert served.exchange(b"GET /simulated/none HTTP/1.0\r\nHost: h\r\n\r\n").startswith(
        b"HTTP/1.1 404 Not Found\r\n"
    )


def test_a_reset_is_a_reset():
    with (
        serving(verify_signatures=False, faults={"reset_before_share": 1.0}) as served,
        pytest.raises(ConnectionResetError),
    ):
        served.exchange(b"POST /endpoints/simulated/async-invocations HTTP/1.1\r\nHost: h\r\n\r\n")


def test_a_truncated_reply_announces_more_than_it_brings():
    with serving(verify_signatures=False, faults={"s3_truncated_get_share": 1.0}) as served:
        served.exchange(PUT + CLOSE + b"\r\npayload")
        head, _, body = served.exchange(GET + b"\r\n").partition(b"\r\n\r\n")
        assert b"Content-Length: 7" in head
        assert body == b"pay"


def test_a_bug_is_a_500_and_no_end(served, monkeypatch, caplog):
    def broken(*arguments, **keywords):
        raise RuntimeError("planted")

    monkeypatch.setattr(served.world.objects, "get", broken)
    assert b"<Code>InternalError</Code>" in served.exchange(GET + CLOSE + b"\r\n")
    assert "planted" in caplog.text
    monkeypatch.undo()
    assert served.exchange(GET + CLOSE + b"\r\n").startswith(b"HTTP/1.1 404 ")
