"""Port, text file and Pushgateway: what they show, and that none of them can fail or hold up a run."""

from __future__ import annotations

import socket
import stat
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anyio
import pytest
import trio
import trio.testing
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from fanout.config.load import load_config
from fanout.config.model import Config
from fanout.domain.records import Outcome
from fanout.errors import Exit, Interrupted, UsageError
from fanout.observability.metrics.exporting import exporting
from fanout.observability.metrics.http import serving
from fanout.observability.metrics.push import push
from fanout.observability.metrics.textfile import TextFile, remembered

T0 = 1_700_000_000.0
TIMESTAMP = "fanout_last_success_timestamp_seconds"


def config(**metrics):
    return Config.model_validate({"metrics": metrics})


def run(main):
    return anyio.run(main, backend="asyncio")


def take():
    return (GaugeMetricFamily("fanout_answer", "Of everything.", value=42),)


def values(text):
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def get(port, *, host="127.0.0.1"):
    with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=5) as reply:
        return values(reply.read().decode())


@contextmanager
def gateway(answer):
    """A Pushgateway that does `answer(handler)` for each push; yields its address and what came."""
    came = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            came.append(
                (self.command, self.path, self.rfile.read(int(self.headers["Content-Length"])).decode())
            )
            answer(self)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def says(status):
    def answer(handler):
        handler.send_response(status)
        handler.end_headers()

    return answer


# The port


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


# The text file


def test_the_file_is_replaced_atomically_readable_by_others_and_labelled(tmp_path):
    path = tmp_path / "fanout.prom"
    path.write_text("something else")
    before = path.stat().st_ino
    file = TextFile(path, take=take, every_s=15, labels={"job": "nightly"}, warn=pytest.fail)
    run(file.write)
    assert 'fanout_answer{job="nightly"} 42.0' in path.read_text()
    assert path.stat().st_ino != before, "another file under the name, not the same one rewritten"
    assert stat.S_IMODE(path.stat().st_mode) & stat.S_IRGRP, "node_exporter is another user"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_one_warning(tmp_path):
    said = []
    file = TextFile(tmp_path / "nowhere" / "f.prom", take=take, every_s=15, labels={}, warn=said.append)
    run(file.write)
    run(file.write)
    assert len(said) == 1
    assert "nowhere" in said[0]


def test_it_is_written_at_once_and_at_intervals(tmp_path):
    file = TextFile(tmp_path / "f.prom", take=take, every_s=15, labels={}, warn=pytest.fail)
    written = []

    async def write():
        written.append(trio.current_time())

    file.write = write

    async def main():
        with trio.move_on_after(40):
            await file.watch(pytest.fail, now=pytest.fail)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert written == [0, 15, 30]


@pytest.mark.parametrize("content", [None, b"", b"{{{ not metrics", b"\xff\xfe", b"another_gauge 3\n"])
def test_a_file_that_remembers_nothing(tmp_path, content):
    path = tmp_path / "f.prom"
    if content is not None:
        path.write_bytes(content)
    assert remembered(path, TIMESTAMP) is None


# The Pushgateway


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


# All together


def test_nothing_is_counted_unless_somebody_asks():
    async def main():
        async with exporting(Config(), now=lambda: T0, warn=pytest.fail) as exporters:
            return exporters

    exporters = run(main)
    assert (exporters.observers, exporters.fold, exporters.facts, exporters.port) == ((), None, None, None)
    exporters.completed(Exit.OK, now=T0)  # and this is harmless


def test_the_last_file_has_the_last_row_and_the_next_run_remembers(tmp_path):
    path = tmp_path / "f.prom"

    async def main(now, code):
        async with exporting(config(textfile=str(path)), now=lambda: now, warn=pytest.fail) as exporters:
            fold = exporters.fold.add
            fold(Outcome(row=0, id=None, passthrough=(), status="failed", transport="inline"))
            if code is not None:
                exporters.completed(code, now=now + 1)
            else:
                raise Interrupted("SIGTERM")

    run(lambda: main(T0, Exit.OK))
    assert 'fanout_records_total{job="fanout",status="failed",transport="inline"} 1.0' in path.read_text()
    run(lambda: main(T0 + 100, Exit.ROWS_FAILED))
    found = values(path.read_text())
    assert (found["fanout_exit_code"], found[TIMESTAMP]) == (3, T0 + 1)
    assert found["fanout_last_completion_timestamp_seconds"] == T0 + 101
    with pytest.raises(Interrupted):
        run(lambda: main(T0 + 200, None))
    found = values(path.read_text())
    assert (found["fanout_exit_code"], found[TIMESTAMP], found["fanout_running"]) == (75, T0 + 1, 0)
    assert found["fanout_last_completion_timestamp_seconds"] == T0 + 101


def test_the_last_word_is_said_even_when_the_run_is_cancelled(tmp_path):
    path = tmp_path / "f.prom"

    async def main(address):
        settings = config(textfile=str(path), pushgateway=address, port=0)
        with anyio.CancelScope() as scope:
            async with exporting(settings, now=lambda: T0, warn=pytest.fail):
                scope.cancel()
                await anyio.sleep_forever()

    with gateway(says(200)) as (address, came):
        run(lambda: main(address))
    assert values(path.read_text())["fanout_exit_code"] == 1
    assert values(came[0][2])["fanout_exit_code"] == 1


def test_a_password_in_the_gateways_url_is_refused():
    with pytest.raises(UsageError, match="credentials"):
        load_config(None, environ={}, flags={"metrics": {"pushgateway": "http://me:secret@gateway"}})


def test_a_textfile_path_is_relative_to_the_configuration(tmp_path):
    (tmp_path / "job.toml").write_text('[metrics]\ntextfile = "f.prom"\n')
    loaded = load_config(tmp_path / "job.toml", environ={"FANOUT_METRICS_PORT": "9000"}, flags={})
    assert loaded.metrics.textfile == str(tmp_path / "f.prom")
    assert loaded.metrics.port == 9000
