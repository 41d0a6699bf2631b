"""Opens aiobotocore's clients when they are first called: importing it costs more CPU than a small run."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import orjson

from fanout.aws.http.endpoint_lookup import EndpointLookup

if TYPE_CHECKING:
    from fanout.aws.sdk_session import Sdk


class LazyClient:
    """An aiobotocore client that is opened by its first call.

    Args:
        open_client: Returns the open client, always the same.
    """

    def __init__(self, open_client: Callable[[], Awaitable[Any]]) -> None:
        self._open_client = open_client

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        """Return the method that makes one call."""
        if name.startswith("_"):
            raise AttributeError(name)

        async def call(**parameters: Any) -> Any:
            return await getattr(await self._open_client(), name)(**parameters)

        return call


class LazyClients:
    """The clients of one account, each opened once and closed at the end of the `async with`.

    Args:
        start: Imports aiobotocore and returns its session; called at most once.
    """

    def __init__(self, start: Callable[[], Awaitable[Sdk]]) -> None:
        self._start = start
        self._sdk: Sdk | None = None
        self._stack = AsyncExitStack()
        self._opened: dict[str, Any] = {}
        self._lookups: dict[str, EndpointLookup] = {}
        self._one_at_a_time = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._stack.aclose()

    async def open(self, service: str) -> Any:
        """Return the open client of `service`."""
        async with self._one_at_a_time:
            if service not in self._opened:
                if self._sdk is None:
                    self._sdk = await self._start()
                self._opened[service] = await self._sdk.open_client(self._stack, service)
        return self._opened[service]

    async def open_lookup(self, service: str) -> EndpointLookup:
        """Return what asks botocore where calls to `service` go."""
        client = await self.open(service)
        if service not in self._lookups:
            self._lookups[service] = EndpointLookup(client)
        return self._lookups[service]

    def client(self, service: str) -> LazyClient:
        """Return what opens the client of `service` when it is called."""
        return LazyClient(partial(self.open, service))


def installed_model(service: str) -> Mapping[str, Any]:
    """Return the newest model of `service` that the installed botocore brings, without importing botocore.

    As its loader finds it where the user has no models of their own.
    """
    found = find_spec("botocore")
    assert found is not None
    assert found.submodule_search_locations is not None
    folder = Path(next(iter(found.submodule_search_locations))) / "data" / service
    newest = max(folder.iterdir())
    plain = newest / "service-2.json"
    text = (
        plain.read_bytes() if plain.exists() else gzip.decompress((newest / "service-2.json.gz").read_bytes())
    )
    model: Mapping[str, Any] = orjson.loads(text)
    return model
