"""Helpers of the exporters' tests: families to show, what a scrape holds, a Pushgateway."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anyio
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from fanout.observability.metrics.facts import Facts

T0 = 1_700_000_000.0


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


def facts(**more):
    return Facts(window_rows=77, held_bytes=1_000, started_at=T0, build={"version": "9"}, **more)


def samples(found):
    """(name, labels) -> value of every sample."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in found
        for sample in family.samples
    }
