"""Credentials that expire: one refresh at a time, what is valid is used, failures are paced and shared."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
from aiobotocore.credentials import AioDeferredRefreshableCredentials, AioRefreshableCredentials
from botocore.exceptions import CredentialRetrievalError

from fanout.aws.credentials import SharedCredentials, SharedResolver

pytestmark = pytest.mark.asyncio

BLOCKED_S = 0.05
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Provider:
    """A source of credentials whose time, duration and outcome the test sets."""

    def __init__(self):
        self.now = NOW
        self.calls = 0
        self.fails = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self):
        self.calls += 1
        await self.gate.wait()
        if self.fails:
            raise OSError("metadata service is gone")
        return self.metadata(f"new-{self.calls}", 3600)

    def metadata(self, key, seconds):
        expiry = (self.now + timedelta(seconds=seconds)).isoformat()
        return {"access_key": key, "secret_key": "s", "token": "t", "expiry_time": expiry, "account_id": "1"}

    def shared(self, valid_s):
        inner = AioRefreshableCredentials(
            "old",
            "s",
            "t",
            self.now + timedelta(seconds=valid_s),
            self,
            "iam-role",
            time_fetcher=lambda: self.now,
        )
        return SharedCredentials(inner, monotonic=self.monotonic)

    def monotonic(self):
        return (self.now - NOW).total_seconds()

    def pass_time(self, seconds):
        self.now += timedelta(seconds=seconds)


async def keys(shared, count):
    results = await asyncio.gather(
        *(shared.get_frozen_credentials() for _ in range(count)), return_exceptions=True
    )
    return {type(found).__name__ if isinstance(found, Exception) else found.access_key for found in results}


@pytest.mark.parametrize("valid_s", [800, 300, 1])  # botocore's advisory window, and its mandatory one
async def test_a_failing_refresh_is_one_attempt_and_everybody_goes_on(valid_s):
    provider = Provider()
    provider.fails = True
    shared = provider.shared(valid_s)
    assert await keys(shared, 200) == {"old"}
    assert await keys(shared, 200) == {"old"}
    assert provider.calls == 1


async def test_a_failing_refresh_is_tried_again_later():
    provider = Provider()
    provider.fails = True
    shared = provider.shared(800)
    await keys(shared, 200)
    provider.pass_time(31)
    provider.fails = False
    await keys(shared, 1)
    assert await keys(shared, 200) == {"new-2"}
    assert provider.calls == 2


async def test_a_slow_refresh_holds_up_only_the_call_that_makes_it():
    provider = Provider()
    provider.gate.clear()
    shared = provider.shared(300)
    first = asyncio.create_task(shared.get_frozen_credentials())
    while not provider.calls:
        await asyncio.sleep(0)
    assert await keys(shared, 200) == {"old"}
    provider.gate.set()
    assert (await first).access_key == "new-1"


async def test_once_expired_all_wait_for_one_refresh():
    provider = Provider()
    assert await keys(provider.shared(-1), 200) == {"new-1"}
    assert provider.calls == 1


async def test_once_expired_all_share_one_failure():
    provider = Provider()
    provider.fails = True
    shared = provider.shared(-1)
    assert await keys(shared, 200) == {"CredentialRetrievalError"}
    assert await keys(shared, 200) == {"CredentialRetrievalError"}
    assert provider.calls == 1
    provider.pass_time(6)
    provider.fails = False
    assert await keys(shared, 200) == {"new-2"}


async def test_the_failure_says_why():
    provider = Provider()
    provider.fails = True
    with pytest.raises(CredentialRetrievalError, match="OSError: metadata service is gone"):
        await provider.shared(-1).get_frozen_credentials()


async def test_refreshed_credentials_that_have_expired_are_a_failure():
    provider = Provider()
    provider.metadata = lambda *_: Provider.metadata(provider, "stale", -5)
    assert await keys(provider.shared(-1), 3) == {"CredentialRetrievalError"}
    assert provider.calls == 1


async def test_a_cancelled_refresh_is_made_by_the_next_in_line():
    provider = Provider()
    provider.gate.clear()
    shared = provider.shared(-1)
    first, second = (asyncio.create_task(shared.get_frozen_credentials()) for _ in range(2))
    while not provider.calls:
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    provider.gate.set()
    assert (await second).access_key == "new-2"


async def test_aws_calling_them_expired_refreshes_once():
    provider = Provider()
    shared = provider.shared(3600)
    assert await keys(shared, 1) == {"old"}
    shared.distrust()
    assert await keys(shared, 200) == {"new-1"}
    shared.distrust()  # the last calls that were signed with the old ones
    assert await keys(shared, 200) == {"new-1"}
    assert provider.calls == 1


async def test_a_failing_refresh_of_distrusted_credentials_keeps_them():
    provider = Provider()
    provider.fails = True
    shared = provider.shared(3600)
    shared.distrust()
    assert await keys(shared, 200) == {"old"}
    assert provider.calls == 1


async def test_deferred_credentials_are_fetched_once_on_first_use():
    provider = Provider()
    deferred = AioDeferredRefreshableCredentials(provider, "assume-role", time_fetcher=lambda: provider.now)
    shared = SharedCredentials(deferred, monotonic=provider.monotonic)
    assert await keys(shared, 200) == {"new-1"}
    assert (provider.calls, await shared.get_account_id(), shared.method) == (1, "1", "assume-role")


async def test_only_refreshable_credentials_are_wrapped():
    provider = Provider()

    class Chain:
        found = None

        async def load_credentials(self):
            return self.found

        def get_provider(self, name):
            return f"provider {name}"

    chain = Chain()
    resolver = SharedResolver(chain)
    assert await resolver.load_credentials() is None
    chain.found = static = object()
    assert await resolver.load_credentials() is static
    chain.found = AioRefreshableCredentials("k", "s", "t", provider.now, provider, "iam-role")
    assert isinstance(await resolver.load_credentials(), SharedCredentials)
    assert resolver.get_provider("env") == "provider env"


async def test_a_person_may_take_the_time_to_type_a_code(monkeypatch):
    """A prompt holds up the loop; what is asked of STS afterwards must not be over already."""
    monkeypatch.setattr("fanout.aws.credentials.REFRESH_WITHIN_S", BLOCKED_S / 5)
    provider = Provider()

    async def typed():
        time.sleep(BLOCKED_S)  # the person's
        await asyncio.sleep(0)  # STS's
        return await provider()

    deferred = AioDeferredRefreshableCredentials(typed, "assume-role", time_fetcher=lambda: provider.now)
    assert (await SharedCredentials(deferred).get_frozen_credentials()).access_key == "new-1"
