"""Sends requests to one service at one server, and signs each when its connection is there.

Signing comes last, so that no signature ages in a queue; one bound holds for everything, from the wait for a
connection to the last byte. A reply that is no success is raised as the `CallError` of its service.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from fanout.aws.errors import skew_s
from fanout.aws.http.clock_skew import ClockSkew
from fanout.aws.http.endpoint_lookup import Route
from fanout.aws.http.keys import SigningKeys
from fanout.aws.http.pool import Pool
from fanout.aws.http.reply_parser import Answer
from fanout.aws.http.sigv4 import Keys, Signer, Template
from fanout.domain.failures import EXPIRED, TOLERATED_SKEW_S
from fanout.errors import CallError

_log = logging.getLogger(__name__)


class HttpChannel:
    """Sends requests to one service at one server.

    Args:
        route: Where to, and how to sign.
        pool: Connections to that server.
        signing_keys: What to sign with.
        skew: How far our clock is off; shared with the other channels.
        refusal: Reads a reply that is no success.
        wall: Our clock, in seconds since the epoch.
    """

    def __init__(
        self,
        route: Route,
        *,
        pool: Pool,
        signing_keys: SigningKeys,
        skew: ClockSkew,
        refusal: Callable[[Answer], CallError],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.route = route
        self.pool = pool
        self._signing_keys = signing_keys
        self._skew = skew
        self._refusal = refusal
        self._wall = wall
        self._signer: Signer | None = None
        self._now = asyncio.get_running_loop().time

    def __repr__(self) -> str:
        return f"HttpChannel({self.route.service} at {self.route.host}, {self.pool!r})"

    async def send(
        self,
        template: Template,
        values: Sequence[str],
        *,
        payload: str,
        timeout_s: float,
        cap_bytes: int,
        body: bytes | memoryview = b"",
    ) -> Answer:
        """Return the reply, a success.

        Args:
            template: The kind of request.
            values: What varies in it; see `Signer.head`.
            payload: The body's hash, or what stands for it.
            timeout_s: Bound of the call as a whole; a large reply gets more, by its size.
            cap_bytes: A reply with a larger body is a failure.
            body: What follows the head.

        Raises:
            CallError: It failed, or the reply is a refusal.
        """
        deadline = self._now() + timeout_s
        answer, keys, signed_at = await self._exchange(
            template, values, payload=payload, deadline=deadline, cap_bytes=cap_bytes, body=body
        )
        if answer.status < 300:
            return answer
        refused = self._refusal(answer)
        known_s = self._skew.offset_s
        if self._skew.learn(refused.code, answer, signed_at=signed_at, now=self._wall()):
            if abs(self._skew.offset_s - known_s) >= TOLERATED_SKEW_S:  # else another call has said it
                text = (
                    "the clock of %s is %+.0f s from this machine's, and requests are signed by it: set yours"
                )
                _log.warning(text, self.route.host, self._skew.offset_s)
            answer, keys, _ = await self._exchange(
                template, values, payload=payload, deadline=deadline, cap_bytes=cap_bytes, body=body
            )
            if answer.status < 300:
                return answer
            refused = self._refusal(answer)
        if refused.code in EXPIRED:
            self._signing_keys.distrust(keys)
        date = answer.headers.get(b"date", b"").decode("latin-1")
        refused.skew_s = skew_s({"date": date}, now=self._wall())
        raise refused

    async def _exchange(
        self,
        template: Template,
        values: Sequence[str],
        *,
        payload: str,
        deadline: float,
        cap_bytes: int,
        body: bytes | memoryview,
    ) -> tuple[Answer, Keys, float]:
        """Return a reply, whatever it says, and the keys and the instant that its request was signed with."""
        keys = self._signing_keys.keys_nowait() or await self._signing_keys.keys(deadline=deadline)
        signer = self._signer
        if signer is None or signer.keys is not keys:
            signer = self._signer = Signer(keys, region=self.route.region, service=self.route.service)
        connection = self.pool.take_nowait(self._now()) or await self.pool.take(deadline)
        signed_at = self._wall() + self._skew.offset_s
        try:
            head = signer.head(template, values, payload=payload, length=len(body), now=signed_at)
        except CallError:
            self.pool.give_back(connection)
            raise
        future = connection.send(
            head, body, deadline=deadline, cap_bytes=cap_bytes, bodiless=template.method == "HEAD"
        )
        try:
            return await future, keys, signed_at
        except BaseException:
            connection.abandon(future)
            raise
