"""The simulator's server in a thread of the test, and botocore clients of it; its world is at hand for assertions."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import botocore.session
from botocore.config import Config

from fanout.simulator.http.server import Server, open_server
from fanout.simulator.settings import SimulatorSettings
from fanout.simulator.world import World

_session = botocore.session.Session()  # loading service models takes longer than most tests


@dataclass
class Served:
    """A running server; clients made here are closed with it."""

    server: Server
    clients: list[Any] = field(default_factory=list)

    @property
    def world(self) -> World:
        return self.server.world

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    def client(self, service: str, **changes: Any) -> Any:
        """Return a botocore client with one attempt a call."""
        identity = self.server.identity
        arguments = {
            "endpoint_url": self.url,
            "region_name": identity.region,
            "aws_access_key_id": identity.access_key_id,
            "aws_secret_access_key": identity.secret_access_key,
            "aws_session_token": identity.session_token,
            "config": Config(retries={"total_max_attempts": 1, "mode": "standard"}, read_timeout=10),
            **changes,
        }
        client = _session.create_client(service, **arguments)
        self.clients.append(client)
        return client

    def exchange(self, data: bytes, *, timeout_s: float = 5.0) -> bytes:
        """Send bytes on a fresh connection and return everything until the server closes it."""
        with closing(socket.create_connection(self.address, timeout=timeout_s)) as connection:
            connection.sendall(data)
            received = b""
            while piece := connection.recv(65_536):
                received += piece
            return received

    def subscribe(self, name: str, **attributes: str) -> str:
        """Return the URL of a new queue that the success topic may send to, and does."""
        topic = self.world.settings.success_topic
        sqs, sns = self.client("sqs"), self.client("sns")
        arn = f"arn:aws:sqs:{self.world.settings.region}:{self.world.settings.account_id}:{name}"
        policy = {
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sns.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": arn,
                    "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
                }
            ]
        }
        url = sqs.create_queue(QueueName=name, Attributes={"Policy": json.dumps(policy)})["QueueUrl"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
        return url


@contextmanager
def serving(**settings: Any) -> Iterator[Served]:
    """Serve a world with these settings; signatures are verified unless they say otherwise."""
    parsed = SimulatorSettings.model_validate({"verify_signatures": True, **settings})
    ready, stop = threading.Event(), asyncio.Event()
    running: list[tuple[asyncio.AbstractEventLoop, Server]] = []

    async def run() -> None:
        async with open_server(parsed) as server:
            running.append((asyncio.get_running_loop(), server))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert ready.wait(10)
    loop, server = running[0]
    served = Served(server)
    try:
        yield served
    finally:
        for client in served.clients:
            client.close()
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        assert not thread.is_alive()
