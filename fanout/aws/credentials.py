"""Refreshes credentials by one call at a time, while the others go on with what is still valid.

botocore refreshes from the last ten minutes on by force: with a provider that fails, 200 concurrent calls
made 200 refreshes one after the other, and all of them failed although the credentials were still good.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from aiobotocore.credentials import AioCredentialResolver, AioRefreshableCredentials
from botocore.exceptions import CredentialRetrievalError

REFRESH_WITHIN_S = 15.0
"""A provider that has not answered by then has failed; well below the bound of the call that waits for it."""
FIRST_WITHIN_S = 300.0
"""The same for the first time, when a person may have to look for the code of an MFA device and type it."""
AGAIN_AFTER_S = 30.0
"""Between two refreshes while the credentials are valid: 30 tries in botocore's window of 15 minutes."""
AGAIN_AFTER_EXPIRY_S = 5.0
"""Between two refreshes once they have expired; calls in between fail at once, with the last failure."""


class SharedCredentials(AioRefreshableCredentials):  # type: ignore[misc]  # aiobotocore is untyped
    """botocore's refreshable credentials with another way to refresh, wherever a client signs.

    Args:
        found: The credentials as the provider made them; not used by itself any more.
        monotonic: Seconds, never going back; paces the refreshes.
    """

    def __init__(
        self, found: AioRefreshableCredentials, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        for name, value in vars(found).items():  # keys, expiry, provider: a copy of it, whatever its class
            setattr(self, name, value)
        self._monotonic = monotonic
        self._one_at_a_time = asyncio.Lock()
        self._attempts = 0
        self._tried_at: float | None = None
        self._failure: Exception | None = None
        self._distrusted = False

    def distrust(self) -> None:
        """Take note that AWS called the credentials expired although they look valid here: refresh, once."""
        self._distrusted = True

    def refresh_needed(self, refresh_in: float | None = None) -> bool:
        """Whether the credentials end within `refresh_in` seconds (botocore's window), or never were fetched."""
        return self._frozen_credentials is None or bool(super().refresh_needed(refresh_in))

    async def _refresh(self) -> None:
        """Return once the credentials are valid; called by every getter.

        Raises:
            CredentialRetrievalError: They have expired and the last refresh failed.
        """
        if not self._due():
            return
        if not self._expired():
            under_way = self._one_at_a_time.locked() and not self._distrusted
            if under_way or not self._may_try(AGAIN_AFTER_S):
                return
        seen = self._attempts
        async with self._one_at_a_time:
            # A call that waited takes the outcome of the attempt that it waited for, good or bad.
            if self._attempts == seen and self._due() and self._may_try(AGAIN_AFTER_EXPIRY_S):
                await self._attempt()
        if self._expired():
            raise CredentialRetrievalError(
                provider=self.method, error_msg=_reason(self._failure)
            ) from self._failure

    async def _attempt(self) -> None:
        """Refresh; a cancelled attempt leaves no trace, so that the next in line makes it again."""
        within_s = FIRST_WITHIN_S if self._frozen_credentials is None else REFRESH_WITHIN_S
        try:
            async with asyncio.timeout(within_s):
                await self._protected_refresh(is_mandatory=True)
        except Exception as error:  # noqa: BLE001 - providers raise anything; botocore logs it
            self._failure = error
        else:
            self._failure = None
        self._tried_at = self._monotonic()
        self._distrusted = False
        self._attempts += 1

    def _due(self) -> bool:
        return self._distrusted or self.refresh_needed()

    def _may_try(self, after_s: float) -> bool:
        return self._tried_at is None or self._monotonic() - self._tried_at >= after_s

    def _expired(self) -> bool:
        return self.refresh_needed(0)


class SharedResolver:
    """botocore's chain of credential providers, its refreshable result wrapped in `SharedCredentials`.

    Args:
        chain: The chain; the first provider that has credentials wins.
    """

    def __init__(self, chain: AioCredentialResolver) -> None:
        self._chain = chain

    async def load_credentials(self) -> Any:
        """Return the credentials, None if no provider has any."""
        found = await self._chain.load_credentials()
        return SharedCredentials(found) if isinstance(found, AioRefreshableCredentials) else found

    def __getattr__(self, name: str) -> Any:
        """Pass on what else botocore asks of the chain (`get_provider`, `insert_before`)."""
        return getattr(self._chain, name)


def _reason(error: Exception | None) -> str:
    if error is None:
        return "expired"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
