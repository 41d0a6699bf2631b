"""Keeps the keys that calls sign with, so that a call gets them at no cost.

`fanout.aws.credentials` looks them up and refreshes them, one at a time and in time. This module asks for them again
every second, and at once when AWS has called them expired.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from fanout.aws.http.sigv4 import Keys
from fanout.aws.timeouts import TIMED_OUT
from fanout.errors import CallError, Phase

ASK_AGAIN_S = 1.0
"""Far below the 15 minutes before their end in which botocore refreshes; asking costs 10 us."""


class SigningKeys:
    """The keys of one account.

    Args:
        credentials: botocore's, or `SharedCredentials`.
        monotonic: Seconds, never going back.
    """

    def __init__(self, credentials: Any, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._credentials = credentials
        self._monotonic = monotonic
        self._keys: Keys | None = None
        self._asked_at = 0.0

    def keys_nowait(self) -> Keys | None:
        """Return the keys if they were asked for a moment ago, else None."""
        if self._keys is None or self._monotonic() - self._asked_at >= ASK_AGAIN_S:
            return None
        return self._keys

    async def keys(self, *, deadline: float) -> Keys:
        """Return the keys, refreshed if need be.

        Args:
            deadline: When to give up, by the loop's clock.

        Raises:
            CallError: `Phase.CONNECT`: there is nothing to sign with.
        """
        timeout = asyncio.timeout_at(deadline)
        try:
            async with timeout:
                frozen = await self._credentials.get_frozen_credentials()
        except Exception as error:
            if timeout.expired():
                message = "the credentials were not there in time"
                raise CallError(Phase.CONNECT, TIMED_OUT, message=message) from error
            raise _unsigned(error) from error
        keys = Keys(frozen.access_key, frozen.secret_key, frozen.token)
        if keys != self._keys:  # the same keys stay the same object: signers are kept by it
            self._keys = keys
        self._asked_at = self._monotonic()
        assert self._keys is not None
        return self._keys

    def distrust(self, keys: Keys) -> None:
        """Take note that AWS called `keys` expired: the next call has them refreshed, once for all.

        Static credentials cannot be refreshed; theirs stay as they are.
        """
        if keys is not self._keys:
            return  # a call that was sent before the last refresh
        self._asked_at = self._monotonic() - ASK_AGAIN_S
        distrust = getattr(self._credentials, "distrust", None)
        if distrust is not None:
            distrust()


def _unsigned(error: Exception) -> CallError:
    from fanout.aws.call_errors import to_call_error

    told = to_call_error(error)
    return CallError(Phase.CONNECT, told.code, message=told.message)
