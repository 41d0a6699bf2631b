"""Listens on a port, hands connections their application, and reports what a client must know to call it."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import string
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fanout.concurrency.clock import SystemClock
from fanout.concurrency.interpreter import tuned_gc
from fanout.simulator.http.application import Application
from fanout.simulator.http.connection import Connection
from fanout.simulator.http.sigv4 import Identity
from fanout.simulator.settings import SimulatorSettings
from fanout.simulator.world import World

HOST = "127.0.0.1"
_BACKLOG = 1_024
_KEY_ALPHABET = string.ascii_uppercase + "234567"

Facts = dict[str, str | int | None]
"""What the server prints when it is ready; see `Server.facts`."""


@dataclass(frozen=True, slots=True)
class Server:
    """One running server."""

    world: World
    identity: Identity
    url: str

    def facts(self) -> Facts:
        """Return everything that a client needs; the keys are a contract of `fanout simulate`."""
        settings = self.world.settings
        return {
            "url": self.url,
            "region": self.identity.region,
            "access_key_id": self.identity.access_key_id,
            "secret_access_key": self.identity.secret_access_key,
            "session_token": self.identity.issue(SystemClock().now()),
            "endpoint": settings.endpoint_name,
            "account_id": settings.account_id,
            "input_bucket": settings.buckets[-1],
            "output_bucket": settings.buckets[0],
            "success_topic": settings.success_topic,
            "error_topic": settings.error_topic,
            "pid": os.getpid(),
        }


@asynccontextmanager
async def open_server(settings: SimulatorSettings, *, port: int = 0) -> AsyncIterator[Server]:
    """Serve on 127.0.0.1 while the block runs; port 0 takes a free one.

    Raises:
        OSError: The port is taken.
    """
    now = SystemClock().now
    world = World(settings, now=now())
    identity = _new_identity(settings.region, session_s=settings.session_s)
    application = Application(world, identity=identity if settings.verify_signatures else None, now=now)
    connections: set[Connection] = set()
    listener = await asyncio.get_running_loop().create_server(
        lambda: Connection(application, open_connections=connections), HOST, port, backlog=_BACKLOG
    )
    try:
        yield Server(world, identity, f"http://{HOST}:{listener.sockets[0].getsockname()[1]}")
    finally:
        listener.close()
        application.clockwork.stop()
        for connection in list(connections):
            connection.abort()
        await asyncio.gather(*(connection.closed for connection in connections))
        await listener.wait_closed()


def serve(
    settings: SimulatorSettings, *, port: int, ready: Callable[[Facts], None], until_eof: bool = False
) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP, or until stdin ends if `until_eof`; `ready` is called once it listens.

    Raises:
        OSError: The port is taken.
    """
    # With a hundred thousand objects a collection would stop the server for 70 ms, which AWS never does.
    with asyncio.Runner(loop_factory=_loop_factory()) as runner, tuned_gc():
        runner.run(_serve(settings, port=port, ready=ready, until_eof=until_eof))


async def _serve(
    settings: SimulatorSettings, *, port: int, ready: Callable[[Facts], None], until_eof: bool
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            loop.add_signal_handler(number, stop.set)
    async with open_server(settings, port=port) as server:
        if until_eof:
            threading.Thread(target=_wait_for_eof, args=(loop, stop), daemon=True).start()
        ready(server.facts())
        await stop.wait()


def _wait_for_eof(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Set `stop` when stdin ends: the parent has closed it, or has died.

    A thread, because stdin may be a file; `os.read`, because `sys.stdin` holds a lock that the interpreter needs
    to shut down.
    """
    while os.read(0, 4096):
        pass
    try:
        loop.call_soon_threadsafe(stop.set)
    except RuntimeError:
        return  # the loop has been closed by a signal meanwhile


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not made for every platform
    except ImportError:
        return None  # asyncio's own loop serves as well, slower
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _new_identity(region: str, *, session_s: float | None) -> Identity:
    """Return fresh credentials, so that no request meant for another server is ever taken."""
    key = "ASIA" + "".join(secrets.choice(_KEY_ALPHABET) for _ in range(16))
    return Identity(key, secrets.token_urlsafe(30), secrets.token_urlsafe(60), region, session_s)
