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
from fanout.aws.http.connection import Announced
from fanout.aws.http.endpoint_lookup import Route
from fanout.aws.http.keys import SigningKeys
from fanout.aws.http.pool import Pool
from fanout.aws.http.reply_parser import Answer
from fanout.aws.http.sigv4 import Keys, Signer, Template
from fanout.domain.failures import EXPIRED, TOLERATED_SKEW_S
from fanout.errors import CallError, not_released
from fanout.ports import Admit

HOLD_BYTES = 256 * 1024
"""A body up to this size is read with its head: asyncio reads as much at once, whatever is to be admitted."""

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
        admit: Admit | None = None,
        may_leave: Callable[[], bool] | None = None,
    ) -> Answer:
        """Return the reply, a success.

        Args:
            template: The kind of request.
            values: What varies in it; see `Signer.head`.
            payload: The body's hash, or what stands for it.
            timeout_s: Bound of the call as a whole; a large reply gets more, by its size.
            cap_bytes: A reply with a larger body is a failure.
            body: What follows the head.
            admit: Awaited with the size of the reply's body before that is read, if it is large.
            may_leave: Asked right before the request is written whether it may still be sent; None if it always may.

        Raises:
            CallError: It failed, or the reply is a refusal; `NOT_RELEASED` if it might not be sent any more.
        """
        deadline = self._now() + timeout_s
        answer, keys, signed_at = await self._exchange(
            template,
            values,
            payload=payload,
            deadline=deadline,
            cap_bytes=cap_bytes,
            body=body,
            admit=admit,
            may_leave=may_leave,
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
                template,
                values,
                payload=payload,
                deadline=deadline,
                cap_bytes=cap_bytes,
                body=body,
                admit=admit,
                may_leave=may_leave,
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
        admit: Admit | None,
        may_leave: Callable[[], bool] | None,
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
        if may_leave is not None and not may_leave():
            self.pool.give_back(connection)
            raise not_released()
        future = connection.send(
            head,
            body,
            deadline=deadline,
            cap_bytes=cap_bytes,
            hold_bytes=None if admit is None else HOLD_BYTES,
            bodiless=template.method == "HEAD",
        )
        try:
            answer = await future
            if isinstance(answer, Announced):
                assert admit is not None, "only what is to be admitted is held"
                await admit(answer.length)
                answer = await connection.proceed(answer)
            elif admit is not None and answer.status < 300:
                await admit(len(answer.body))
        except BaseException:
            connection.abandon(future)
            raise
        return answer, keys, signed_at
