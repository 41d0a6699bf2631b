"""The Pushgateway: one push at the end, which neither fails a run nor holds it up."""

from __future__ import annotations

import socket
import threading

import pytest

from fanout.observability.metrics.push import push

from .conftest import gateway, run, says, take, values


def test_the_last_word_is_added_to_its_job():
    said = []

    async def main(address):
        await push(take, gateway=address, job="nightly", warn=said.append)

    with gateway(says(202)) as (address, came):
        run(lambda: main(address))
    assert said == []
    [(method, path, body)] = came
    assert (method, path) == ("POST", "/metrics/job/nightly"), "POST keeps what earlier pushes said besides"
    assert values(body)["fanout_answer"] == 42


@pytest.mark.parametrize("status", [400, 500])
def test_a_gateway_that_refuses_is_a_warning(status):
    said = []
    with gateway(says(status)) as (address, _):
        run(lambda: push(take, gateway=address, job="j", warn=said.append))
    assert str(status) in said[0]


def test_a_gateway_that_is_not_there_is_a_warning():
    said = []
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        run(lambda: push(take, gateway=f"127.0.0.1:{nobody.getsockname()[1]}", job="j", warn=said.append))
    assert "refused" in said[0]


def test_a_gateway_that_dribbles_holds_nobody_up(monkeypatch):
    """Each byte restarts urllib's timeout: only a bound on the whole ends it."""
    monkeypatch.setattr("fanout.observability.metrics.push.TIMEOUT_S", 0.3)
    said = []
    over = threading.Event()

    def dribble(handler):
        for _ in range(200):
            try:
                handler.wfile.write(b"HTTP/1.1 200 OK\r\n"[:1])
                handler.wfile.flush()
            except OSError:
                return
            if over.wait(0.05):
                return

    with gateway(dribble) as (address, _):
        run(lambda: push(take, gateway=address, job="j", warn=said.append))
        over.set()
    assert said == [f"metrics not pushed to {address}: no answer within 0.3 s"]
