"""Serves a run's metrics over HTTP: prometheus_client's server on a thread, families made on the event loop."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
from anyio.from_thread import BlockingPortal
from prometheus_client import start_http_server
from prometheus_client.core import Metric

from fanout.errors import unwrapped
from fanout.observability.metrics.registry import Take, registry

_log = logging.getLogger(__name__)


@asynccontextmanager
async def serving(
    take: Take, *, address: str, port: int, warn: Callable[[str], None]
) -> AsyncIterator[int | None]:
    """Serve `/metrics` inside the block; yield the port, or None, with a warning, if it is not to be had.

    Args:
        take: Returns the families; called on the event loop, so that nothing changes while it reads.
        address: Interface to listen on; an empty one would be all of them.
        port: 0 picks a free one.
        warn: Called with the reason why nothing is served.
    """

    async def on_loop() -> tuple[Metric, ...]:
        return tuple(take())

    with unwrapped():  # a portal is a task group, and the run goes on inside
        async with BlockingPortal() as portal:
            made = registry(lambda: portal.call(on_loop))
            try:
                server, _ = await anyio.to_thread.run_sync(start_http_server, port, address, made)
            except OSError as error:
                warn(f"no metrics at {address}:{port} ({error.strerror or error}): the run goes on without")
                yield None
                return
            try:
                found = int(server.server_port)
                # With a port of the kernel's choice, this line alone says where to look.
                _log.log(
                    logging.INFO if port else logging.WARNING,
                    "metrics at http://%s:%d/metrics",
                    address,
                    found,
                )
                yield found
            finally:
                # It looks for this every half second; meanwhile a scrape may still want the loop.
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(server.shutdown)
                server.server_close()
