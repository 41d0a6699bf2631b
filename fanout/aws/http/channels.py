"""Finds and keeps the channels of one service, one for each endpoint, bucket or queue that is called.

There is no channel for what aiobotocore has to do: behind a proxy, signed in another way, a bucket of another region.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable

from fanout.aws.http.channel import HttpChannel
from fanout.aws.http.clock_skew import ClockSkew
from fanout.aws.http.dialer import Dialer
from fanout.aws.http.endpoint_lookup import Lookup, Route
from fanout.aws.http.keys import SigningKeys
from fanout.aws.http.pool import Pool
from fanout.aws.http.reply_parser import Answer
from fanout.aws.reach import Reach
from fanout.aws.timeouts import bounded
from fanout.errors import CallError

_log = logging.getLogger(__name__)


class HttpChannels:
    """The channels of one service.

    Args:
        lookup: Says where calls go.
        signing_keys: What to sign with.
        skew: How far our clock is off.
        reach: Which servers were reached.
        tls: Returns how to verify servers; called when the first of them speaks TLS.
        refusal: Reads a reply that is no success.
        limit: Connections to one server at most.
        connect_timeout_s: Longest time to open one.
        call_timeout_s: Bound of the search for a route, which may have to fetch credentials.
    """

    def __init__(
        self,
        lookup: Lookup,
        *,
        signing_keys: SigningKeys,
        skew: ClockSkew,
        reach: Reach,
        tls: Callable[[], ssl.SSLContext],
        refusal: Callable[[Answer], CallError],
        limit: int,
        connect_timeout_s: float,
        call_timeout_s: float,
    ) -> None:
        self._lookup = lookup
        self._service = lookup.service
        self._signing_keys = signing_keys
        self._skew = skew
        self._reach = reach
        self._tls = tls
        self._refusal = refusal
        self._limit = limit
        self._connect_timeout_s = connect_timeout_s
        self._call_timeout_s = call_timeout_s
        self._channels: dict[str, HttpChannel | None] = {}
        self._pools: dict[tuple[str, int, bool], Pool] = {}
        self._one_at_a_time = asyncio.Lock()
        if lookup.behind_proxy:
            _log.info("%s is behind a proxy: its calls are made by aiobotocore", self._service)
            self._open = False
        else:
            self._open = True

    def known(self, name: str) -> HttpChannel | None:
        """Return the channel to `name` if it was found before."""
        return self._channels.get(name)

    async def find(self, name: str, operation: str, **parameters: object) -> HttpChannel | None:
        """Return the channel to `name`, None if there is none.

        Args:
            name: What the channel is kept under.
            operation: A method of the client, and what it is called with.
            parameters: See `operation`.
        """
        if not self._open:
            return None
        async with self._one_at_a_time:
            if name not in self._channels:
                try:
                    async with bounded(self._call_timeout_s):
                        route = await self._lookup.route(operation, **parameters)
                except CallError:  # the call itself will report it, in full
                    return None
                if route is None:
                    _log.info("%s: the calls to %s are made by aiobotocore", self._service, name)
                self._channels[name] = None if route is None else self._channel(route)
        return self._channels[name]

    def forget(self, name: str, *, because: str) -> None:
        """Leave the calls to `name` to aiobotocore from now on."""
        _log.info("%s: the calls to %s are made by aiobotocore: %s", self._service, name, because)
        self._channels[name] = None

    async def aclose(self) -> None:
        """Close all connections; calls under way fail."""
        self._open = False
        self._channels.clear()
        for pool in self._pools.values():
            await pool.aclose()

    def _channel(self, route: Route) -> HttpChannel:
        return HttpChannel(
            route,
            pool=self._pool(route),
            signing_keys=self._signing_keys,
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
            watched = self._reach.watched(dial, f"{route.hostname}:{route.port}")
            pool = self._pools[server] = Pool(watched, limit=self._limit)
        return pool
