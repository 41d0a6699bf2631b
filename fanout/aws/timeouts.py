"""Bounds one call in time as a whole, and turns whatever it raises into a `CallError`.

aiobotocore has no total timeout and none on waiting for a connection, and a server that dribbles bytes never
trips its read timeout.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fanout.errors import CallError, Phase

TIMED_OUT = "CallTimeout"
SLOWEST_BYTES_PER_S = 1024 * 1024
"""A transfer slower than this is given up: 8 Mbit/s, far below what S3 does for one connection."""


@asynccontextmanager
async def bounded(seconds: float) -> AsyncIterator[asyncio.Timeout]:
    """Bound the body by `seconds`; only the call belongs in it: what it raises is taken for the call's.

    Yields:
        The timeout, to be rescheduled when the size of a transfer is known.

    Raises:
        CallError: For every exception; `CallTimeout` is `Phase.EXCHANGE`, as the request may have been read.
    """
    timeout = asyncio.timeout(seconds)
    try:
        async with timeout:
            yield timeout
    except Exception as error:
        if isinstance(error, TimeoutError) and timeout.expired():
            message = "the call as a whole took too long"
            raise CallError(Phase.EXCHANGE, TIMED_OUT, message=message) from error
        if isinstance(error, CallError):
            raise
        from fanout.aws.call_errors import to_call_error

        raise to_call_error(error) from error


def transfer_s(size_bytes: int) -> float:
    """Return how long moving `size_bytes` may take, in seconds, beyond the bound of a call."""
    return size_bytes / SLOWEST_BYTES_PER_S
