"""A server on loopback that does to a request whatever a test wants, and aiobotocore's clients pointed at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import raw_server
from support.raw_server import INVOCATION, Peer, Script, Served, reply, serve
from support.settings import aws_settings

from fanout.aws.session import AwsCloud, AwsSettings, open_cloud
from fanout.domain.records import Invocation


def answering(*replies: bytes) -> Script:
    """Give each request, on whatever connection, the next of `replies`, and the last one ever after."""
    remaining = list(replies)

    async def script(peer: Peer) -> None:
        while True:
            await peer.read()
            await peer.send(remaining.pop(0) if len(remaining) > 1 else remaining[0])

    return script


def settings_for(url: str, **changes: object) -> AwsSettings:
    values: dict[str, object] = {
        "client": "aiobotocore",
        "region": "us-east-1",
        "endpoint_url": url,
        "access_key_id": "AKIDEXAMPLE",
        "secret_access_key": "secret",
        "connect_timeout_s": 2.0,
        "call_timeout_s": 5.0,
    }
    return aws_settings(**(values | changes))  # type: ignore[arg-type]


@asynccontextmanager
async def cloud_against(script: Script, **changes: object) -> AsyncIterator[tuple[AwsCloud, Served]]:
    async with serve(script) as served, open_cloud(settings_for(served.url, **changes)) as cloud:
        yield cloud, served


@dataclass(frozen=True, slots=True)
class Wire:
    """The tools of this folder, handed to tests as one fixture: nothing can be imported from a conftest."""

    serve = staticmethod(serve)
    answering = staticmethod(answering)
    reply = staticmethod(reply)
    cloud_against = staticmethod(cloud_against)
    settings_for = staticmethod(settings_for)
    invocation: Invocation = INVOCATION


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    raw_server.bare_environment(monkeypatch, tmp_path)
