"""The lines of one service, found on first use: a name (endpoint, bucket, queue) enters, its `Line` leaves.

None leaves for what `fanout.aws` is to do: a proxy, another way of signing, a bucket of another region.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Any

from fanout.aws.http.channel import Line
from fanout.aws.http.clock_skew import Skew
from fanout.aws.http.dialer import Dialer
from fanout.aws.http.endpoint_lookup import Route, Scout
from fanout.aws.http.keys import Keyring
from fanout.aws.http.pool import Pool
from fanout.aws.http.reply_parser import Answer
from fanout.aws.timeouts import bounded
from fanout.errors import CallError

_log = logging.getLogger(__name__)


class Lines:
    """Finds and keeps the lines of one service.

    Args:
        client: The service's aiobotocore client, asked for routes only.
        keyring: What to sign with.
        skew: How far our clock is off.
        tls: Returns how to verify servers; called when the first of them speaks TLS.
        refusal: Reads a reply that is no success.
        limit: Connections to one server at most.
        connect_timeout_s: Longest time to open one.
        call_timeout_s: Bound of the search for a route, which may have to fetch credentials.
    """

    def __init__(
        self,
        client: Any,
        *,
        keyring: Keyring,
        skew: Skew,
        tls: Callable[[], ssl.SSLContext],
        refusal: Callable[[Answer], CallError],
        limit: int,
        connect_timeout_s: float,
        call_timeout_s: float,
    ) -> None:
        self._scout = Scout(client)
        self._service: str = client.meta.service_model.service_name
        self._keyring = keyring
        self._skew = skew
        self._tls = tls
        self._refusal = refusal
        self._limit = limit
        self._connect_timeout_s = connect_timeout_s
        self._call_timeout_s = call_timeout_s
        self._lines: dict[str, Line | None] = {}
        self._pools: dict[tuple[str, int, bool], Pool] = {}
        self._one_at_a_time = asyncio.Lock()
        if self._scout.behind_proxy:
            _log.info("%s is behind a proxy: its calls are made by aiobotocore", self._service)
            self._open = False
        else:
            self._open = True

    def known(self, name: str) -> Line | None:
        """Return the line to `name` if it was found before."""
        return self._lines.get(name)

    async def find(self, name: str, operation: str, **parameters: object) -> Line | None:
        """Return the line to `name`, None if there is none.

        Args:
            name: What the line is kept under.
            operation: A method of the client, and what it is called with.
            parameters: See `operation`.
        """
        if not self._open:
            return None
        async with self._one_at_a_time:
            if name not in self._lines:
                try:
                    async with bounded(self._call_timeout_s):
                        route = await self._scout.route(operation, **parameters)
                except CallError:  # the call itself will say it, in full
                    return None
                if route is None:
                    _log.info("%s: the calls to %s are made by aiobotocore", self._service, name)
                self._lines[name] = None if route is None else self._line(route)
        return self._lines[name]

    def forget(self, name: str, *, because: str) -> None:
        """Leave the calls to `name` to aiobotocore from now on."""
        _log.info("%s: the calls to %s are made by aiobotocore: %s", self._service, name, because)
        self._lines[name] = None

    async def aclose(self) -> None:
        """Close all connections; calls under way fail."""
        self._open = False
        self._lines.clear()
        for pool in self._pools.values():
            await pool.aclose()

    def _line(self, route: Route) -> Line:
        return Line(
            route,
            pool=self._pool(route),
            keyring=self._keyring,
            skew=self._skew,
            refusal=self._refusal,
        )

    def _pool(self, route: Route) -> Pool:
        server = (route.hostname, route.port, route.tls)
        pool = self._pools.get(server)
        if pool is None:
            dial = Dialer(
                route.hostname,
                port=route.port,
                tls=self._tls() if route.tls else None,
                timeout_s=self._connect_timeout_s,
            )
            pool = self._pools[server] = Pool(dial, limit=self._limit)
        return pool
