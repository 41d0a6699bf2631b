"""The port: it serves what is true now, and what does not work is a warning."""

from __future__ import annotations

import logging
import socket
import threading
import urllib.error
import urllib.request

import anyio
import pytest
from prometheus_client.core import GaugeMetricFamily

from fanout.observability.metrics.http import serving

from .conftest import run, take, values


def get(port, *, host="127.0.0.1"):
    with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=5) as reply:
        return values(reply.read().decode())


def test_it_serves_what_is_true_now_on_the_loop_and_on_loopback_only():
    threads = set()
    count = 0

    def counted():
        nonlocal count
        count += 1
        threads.add(threading.get_ident())
        return (GaugeMetricFamily("fanout_answer", "Of everything.", value=count),)

    async def main():
        async with serving(counted, address="127.0.0.1", port=0, warn=pytest.fail) as port:
            answers = [(await anyio.to_thread.run_sync(get, port))["fanout_answer"] for _ in range(2)]
            open_run_queue = socket.create_connection(("127.0.0.1", port))
            open_run_queue.close()
            with pytest.raises(OSError):  # noqa: PT011 - refused, whatever the platform calls it
                socket.create_connection(("127.0.0.2", port), timeout=1)
        with pytest.raises(urllib.error.URLError):
            await anyio.to_thread.run_sync(get, port)
        return answers, threading.get_ident()

    answers, loop_thread = run(main)
    assert answers == [1, 2]
    assert threads == {loop_thread}, "statistics are read where they are written"


@pytest.mark.parametrize(("asked", "level"), [(False, logging.WARNING), (True, logging.INFO)])
def test_a_port_that_nobody_named_is_told_without_being_asked(caplog, asked, level):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        named = free.getsockname()[1] if asked else 0

    async def main():
        async with serving(take, address="127.0.0.1", port=named, warn=pytest.fail) as port:
            return port

    with caplog.at_level(logging.INFO, "fanout"):
        port = run(main)
    said = [
        (record.levelno, record.getMessage())
        for record in caplog.records
        if "metrics at" in record.getMessage()
    ]
    assert said == [(level, f"metrics at http://127.0.0.1:{port}/metrics")]


def test_a_taken_port_is_a_warning():
    said = []

    async def main():
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            async with serving(
                take, address="127.0.0.1", port=taken.getsockname()[1], warn=said.append
            ) as port:
                return port

    assert run(main) is None
    assert "in use" in said[0]


def test_an_address_that_is_nowhere_is_a_warning():
    said = []

    async def main():
        async with serving(take, address="no.such.host.invalid", port=0, warn=said.append) as port:
            return port

    assert run(main) is None
    assert len(said) == 1
