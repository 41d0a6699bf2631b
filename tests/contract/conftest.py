"""The clouds that the contract suite runs on: memory, the simulator over HTTP, moto, and, if it is named, real AWS.

The simulator is reached by both clients of the data plane, moto by ours.

Real AWS is used when FANOUT_LIVE_ENDPOINT (an asynchronous endpoint) and FANOUT_LIVE_BUCKET (for scratch objects)
are set; FANOUT_LIVE_TOPIC may name a topic that tests may publish to, instead of the endpoint's success topic.
"""

from __future__ import annotations

import functools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import pytest
import pytest_asyncio
from botocore.loaders import create_loader
from support.settings import KEEPING, aws_settings

from fanout.aws.session import AwsCloud, open_cloud
from fanout.concurrency.clock import SystemClock
from fanout.domain.ids import new_run
from fanout.ports import Cloud, RunQueue
from fanout.simulator.http.server import open_server
from fanout.simulator.ports.cloud import MemoryCloud
from fanout.simulator.settings import SimulatorSettings
from fanout.simulator.world import World

LIVE = "FANOUT_LIVE_ENDPOINT" in os.environ
SIMULATED = ("memory", "simulator", "simulator-aiobotocore")
MOTO_KEYS = {"region": "us-east-1", "access_key_id": "AKIDMOTO", "secret_access_key": "secret"}


@dataclass(frozen=True, slots=True)
class Harness:
    """One cloud and what tests need to know of it.

    Attributes:
        bucket: A bucket for scratch objects.
        topics: Topics that `publish` may be given.
        publish: Publish a text to a topic, as SageMaker does.
        endpoint: An asynchronous endpoint in service, "" where there is none.
        world: What is behind the cloud, None where it cannot be looked into.
    """

    name: str
    cloud: Cloud
    bucket: str
    topics: tuple[str, ...]
    publish: Callable[[str, str], Awaitable[None]]
    endpoint: str = ""
    world: World | None = None

    @asynccontextmanager
    async def run_queue(self, run: str) -> AsyncIterator[RunQueue]:
        run_queue = await self.cloud.control.open_run_queue(run, self.topics)
        try:
            yield run_queue
        finally:
            await self.cloud.control.close_run_queue(run_queue)


@asynccontextmanager
async def memory(*, inline: bool = True) -> AsyncIterator[Harness]:
    clock = SystemClock()
    settings = SimulatorSettings(inline=inline)
    world = World(settings, now=clock.now())

    async def publish(topic: str, text: str) -> None:
        world.topics.publish(topic, text, now=clock.now())

    yield _simulated("memory", MemoryCloud(world, clock), world, publish)


@asynccontextmanager
async def simulator(
    client: Literal["wire", "aiobotocore"] = "wire", *, inline: bool = True, **changes: object
) -> AsyncIterator[Harness]:
    async with open_server(SimulatorSettings(verify_signatures=True, inline=inline)) as server:
        settings = aws_settings(
            client=client,
            region=server.identity.region,
            endpoint_url=server.url,
            access_key_id=server.identity.access_key_id,
            secret_access_key=server.identity.secret_access_key,
            session_token=server.identity.session_token,
            **changes,
        )
        async with open_cloud(settings) as cloud:
            yield _simulated("simulator", cloud, server.world, _publisher(cloud))


@asynccontextmanager
async def moto(url: str, **changes: object) -> AsyncIterator[Harness]:
    settings = aws_settings(endpoint_url=url, **MOTO_KEYS, **changes)
    async with open_cloud(settings) as cloud:
        clients = cloud._clients
        await clients["s3"].create_bucket(Bucket="scratch")
        topics = [(await clients["sns"].create_topic(Name=name))["TopicArn"] for name in ("ok", "bad")]
        yield Harness("moto", cloud, "scratch", tuple(topics), _publisher(cloud))


@asynccontextmanager
async def live() -> AsyncIterator[Harness]:
    async with open_cloud(aws_settings()) as cloud:
        endpoint = os.environ["FANOUT_LIVE_ENDPOINT"]
        described = await cloud.control.describe(endpoint)
        topic = os.environ.get("FANOUT_LIVE_TOPIC") or described.topics[0]
        bucket = os.environ["FANOUT_LIVE_BUCKET"]
        yield Harness("live", cloud, bucket, (topic,), _publisher(cloud), endpoint=endpoint)


def _simulated(
    name: str, cloud: Cloud, world: World, publish: Callable[[str, str], Awaitable[None]]
) -> Harness:
    settings = world.settings
    assert settings.success_topic is not None
    assert settings.error_topic is not None
    topics = (settings.success_topic, settings.error_topic)
    bucket = settings.buckets[0]
    return Harness(name, cloud, bucket, topics, publish, endpoint=settings.endpoint_name, world=world)


def _publisher(cloud: AwsCloud) -> Callable[[str, str], Awaitable[None]]:
    async def publish(topic: str, text: str) -> None:
        await cloud._clients["sns"].publish(TopicArn=topic, Message=text)

    return publish


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    from moto.server import ThreadedMotoServer  # two thirds of a second that one worker alone need spend

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


async def _open(request: pytest.FixtureRequest, **changes: object) -> AsyncIterator[Harness]:
    name = request.param
    if name == "live":
        opening = live()
    elif name == "moto":
        opening = moto(request.getfixturevalue("moto_url"), **changes)
    else:
        by_aiobotocore = functools.partial(simulator, "aiobotocore")
        clouds = {"memory": memory, "simulator": simulator, "simulator-aiobotocore": by_aiobotocore}
        opening = clouds[name](**changes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", _shared_loader)
        if name != "live":
            _forget_the_machine(patch)
        async with opening as harness:
            yield harness


_shared_loader = functools.cache(create_loader)


def _forget_the_machine(patch: pytest.MonkeyPatch) -> None:
    """Let no AWS setting and no proxy of the machine reach a test."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            patch.delenv(name)
    patch.setenv("AWS_CONFIG_FILE", os.devnull)
    patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)


def _fixture(*names: str) -> Callable[..., object]:
    params = [*names, "live"] if LIVE else list(names)
    return pytest_asyncio.fixture(scope="module", loop_scope="module", params=params)


@_fixture(*SIMULATED, "moto")
async def storage(request: pytest.FixtureRequest) -> AsyncIterator[Harness]:
    """A cloud with S3, SNS and SQS."""
    async for harness in _open(request):
        yield harness


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=["simulator", "simulator-aiobotocore", "moto"]
)
async def keeping(request: pytest.FixtureRequest) -> AsyncIterator[Harness]:
    """A cloud over HTTP whose uploads are encrypted and tagged (`KEEPING`)."""
    async for harness in _open(request, **KEEPING):
        yield harness


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=SIMULATED)
async def elsewhere(request: pytest.FixtureRequest) -> AsyncIterator[Harness]:
    """A region where payloads do not travel in the request."""
    async for harness in _open(request, inline=False):
        yield harness


@_fixture(*SIMULATED)
async def inference(request: pytest.FixtureRequest) -> AsyncIterator[Harness]:
    """A cloud with an asynchronous endpoint as well."""
    async for harness in _open(request):
        yield harness


@pytest.fixture
def run() -> str:
    """A run of its own for each test: clouds are shared by the tests of a file."""
    return new_run()
