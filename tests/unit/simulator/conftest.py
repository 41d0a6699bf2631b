"""A world at instant 1,000, and virtual time for the ports on it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import orjson
import pytest
import trio
import trio.testing

from fanout.simulator.ports.cloud import MemoryCloud
from fanout.simulator.settings import SimulatorSettings
from fanout.simulator.world import World

START = 1_000.0


class VirtualClock:
    """`ports.Clock` on trio's clock: the run starts at `START`."""

    def now(self) -> float:
        return START + trio.current_time()

    async def sleep_until(self, instant: float) -> None:
        await trio.sleep_until(instant - START)


@pytest.fixture
def simulate() -> Callable[..., None]:
    """Runs `scenario(cloud, clock)` against a world of these settings, on virtual time."""

    def run(
        scenario: Callable[[MemoryCloud, VirtualClock], Awaitable[None]],
        settings: SimulatorSettings | None = None,
    ) -> None:
        async def main() -> None:
            clock = VirtualClock()
            await scenario(MemoryCloud(World(settings or SimulatorSettings(), now=clock.now()), clock), clock)

        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

    return run


@pytest.fixture
def build_world() -> Callable[..., World]:
    """Makes a world whose endpoint's topics are subscribed, raw and unfiltered, by the queue `inbox`."""

    def build(
        settings: SimulatorSettings | None = None, *, subscription: dict[str, str] | None = None
    ) -> World:
        settings = settings or SimulatorSettings()
        world = World(settings, now=START)
        topics = [arn for arn in (settings.success_topic, settings.error_topic) if arn]
        policy = {
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sns.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Condition": {"ArnEquals": {"aws:SourceArn": topics}},
                }
            ]
        }
        world.queues.create("inbox", {"Policy": orjson.dumps(policy).decode()})
        for arn in dict.fromkeys(topics):
            world.topics.subscribe(
                arn,
                world.queues.arn("inbox"),
                attributes=subscription or {"RawMessageDelivery": "true"},
                now=START,
            )
        return world

    return build


@pytest.fixture
def drain() -> Callable[..., list[str]]:
    """Takes and deletes all messages that `inbox` has at an instant."""

    def take(world: World, *, now: float) -> list[str]:
        world.advance(now)
        bodies: list[str] = []
        while received := world.queues.receive("inbox", max_messages=10, now=now):
            for message in received:
                bodies.append(message.body)
                world.queues.delete_message("inbox", message.receipt, now=now)
        return bodies

    return take
