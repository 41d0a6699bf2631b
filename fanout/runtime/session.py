"""Opens AWS as a configuration names it, and on demand the endpoint, the input and a queue; closes all of it again.

Every verb that talks to AWS uses a `Session`: a run, a shard of one, an experiment, a rebuild.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio.from_thread import BlockingPortal

from fanout._version import __version__
from fanout.aws.session import AwsCloud, open_cloud
from fanout.concurrency.clock import SystemClock
from fanout.config.model import Config
from fanout.domain.queues import queue_tags
from fanout.domain.routing import Routing
from fanout.engine.settings import EngineSettings
from fanout.errors import DeadlineReached, RunError, unwrapped
from fanout.observability.warnings import WarningLog
from fanout.ports import Clock, Endpoint, Queue
from fanout.runtime import settings as compose
from fanout.runtime.descriptors import ensure_descriptors
from fanout.runtime.endpoint import START_PATIENCE_S, EndpointCheck, discover, endpoint_check
from fanout.runtime.endpoint_warnings import endpoint_warnings
from fanout.runtime.input import open_input
from fanout.runtime.object_claim import ObjectClaim
from fanout.runtime.remote_input import RemoteInput
from fanout.runtime.run_queue import Beside, check_queue_region, open_run_queue
from fanout.runtime.simulated import SimulatorAddress, local_aws
from fanout.source.source import Source
from fanout.source.stdin import STDIN, kept_stdin
from fanout.source.units import InputPart

if TYPE_CHECKING:
    from fanout.runtime.kept_place import KeptPlace


@asynccontextmanager
async def open_session(
    config: Config,
    *,
    clock: Clock | None = None,
    warnings: WarningLog | None = None,
    simulator: SimulatorAddress | None = None,
    deadline_at: float | None = None,
    chosen: Path | None = None,
    part: InputPart | None = None,
) -> AsyncIterator[Session]:
    """Yield AWS, opened; whatever the session opens is closed when the block ends, the last first.

    Args:
        config: Names all of it.
        clock: Of a run that began before; by default the session reads the machine's.
        warnings: Of a caller that collects warnings already; by default the session opens a log of its own.
        simulator: The local AWS of the process that started this one; by default the session starts one if the
            configuration asks for it.
        deadline_at: When to give up opening, by the clock; None for never. What is open stays open.
        chosen: Where a run keeps which files it reads; None for what is no run.
        part: The part of the input that a shard reads; None for all of it.

    Raises:
        UsageError: The local AWS's settings do not fit, this process may not open so many connections, or standard
            input is read by another run of this process.
        RunError: The local AWS does not start, or AWS cannot be reached as configured; says what to do.
        DeadlineReached: `deadline_at` has passed; also of what is opened on demand.
    """
    clock = clock or SystemClock()
    in_time = partial(by_deadline, clock, deadline_at)
    if config.run.shard_count == 1:  # else each of them sees to its own
        ensure_descriptors(compose.descriptors(config))
    with unwrapped():
        async with AsyncExitStack() as stack:
            if STDIN in config.input.paths:  # before a provider of credentials can read it
                stack.enter_context(kept_stdin())
            if warnings is None:
                warnings = stack.enter_context(WarningLog())
            if simulator is None:
                simulator = await stack.enter_async_context(local_aws(config))
            with in_time("AWS was opened (region, credentials)"):
                cloud = await stack.enter_async_context(open_cloud(compose.aws_settings(config, simulator)))
            # Opened here and not when the input or a queue is: they hold task groups, which must not outlive a scope
            # that is opened around these alone.
            portal = await stack.enter_async_context(BlockingPortal())
            beside = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(beside.cancel_scope.cancel)
            yield Session(
                config,
                cloud,
                portal=portal,
                beside=beside.start_soon,
                clock=clock,
                simulator=simulator,
                warnings=warnings,
                stack=stack,
                in_time=in_time,
                chosen=chosen,
                part=part,
            )


@contextmanager
def by_deadline(clock: Clock, deadline_at: float | None, during: str) -> Iterator[None]:
    """Cancel the block at a deadline.

    Args:
        clock: The run's clock.
        deadline_at: The deadline by that clock; None for none.
        during: What happens in the block, as the end of a sentence.

    Raises:
        DeadlineReached: It came before the block was done.
    """
    if deadline_at is None:
        yield
        return
    error = DeadlineReached(
        f"the deadline (run.deadline_s) has passed while {during}, before this process sent a row: give it more "
        "time, or see what took so long (--verbose)"
    )
    left_s = deadline_at - clock.now()
    if left_s <= 0.0:  # what does not wait would not be cancelled
        raise error
    with anyio.move_on_after(left_s) as scope:
        yield
    if scope.cancelled_caught:
        raise error


class Session:
    """AWS, and what is opened of it on demand; made by `open_session`.

    Each resource has a method of its own and is opened when it is first asked for: a verb waits for nothing that it
    does not use and cannot fail for it, and the order of its calls decides which of several mistakes it reports
    first. The endpoint and the input are opened once; each call of `queue` opens another.

    Attributes:
        config: What the session was opened with.
        cloud: One account and region of AWS, or the local AWS.
        clock: The run's clock.
        simulator: The local AWS, if that is what it is.
        warnings: What a person was warned of; `warn` adds to it.
        claim: That of a run on its output in S3; None without one.
        kept: The place of a run whose state is in S3; None without one.
    """

    claim: ObjectClaim | None = None
    kept: KeptPlace | None = None

    def __init__(
        self,
        config: Config,
        cloud: AwsCloud,
        *,
        portal: BlockingPortal,
        beside: Beside,
        clock: Clock,
        simulator: SimulatorAddress | None,
        warnings: WarningLog,
        stack: AsyncExitStack,
        in_time: Callable[[str], AbstractContextManager[None]],
        chosen: Path | None,
        part: InputPart | None = None,
    ) -> None:
        self.config = config
        self.cloud = cloud
        self.clock = clock
        self.simulator = simulator
        self.warnings = warnings
        self._portal = portal
        self._beside = beside
        self._queues: list[AsyncExitStack] = []
        self._stack = stack
        self._in_time = in_time
        self._chosen = chosen
        self._part = part
        self._found: tuple[Endpoint | None] | None = None  # a role that may not describe it is an answer, too
        self._source: Source | None = None

    @property
    def endpoint_name(self) -> str:
        """The endpoint's name.

        Raises:
            UsageError: The configuration names none.
        """
        if self.simulator is not None:
            return self.simulator.endpoint
        return compose.required(
            self.config.endpoint.name, "no endpoint: name it with --endpoint, or try --local"
        )

    async def endpoint(self, *, patience_s: float = START_PATIENCE_S) -> Endpoint | None:
        """Return what is known of the endpoint, None if this role may not describe it.

        Args:
            patience_s: Seconds in which AWS is asked again that does not answer or refuses the credentials.

        Raises:
            UsageError: The configuration names none.
            RunError: There is no such endpoint, it is not asynchronous, or it takes no requests now.
        """
        if self._found is None:
            with self._in_time("the endpoint was described"):
                control, name = self.cloud.control, self.endpoint_name
                self._found = (await discover(control, name, clock=self.clock, patience_s=patience_s),)
        return self._found[0]

    async def is_simulated(self) -> bool:
        """Whether the endpoint is a local AWS's, started here or elsewhere; raises as `endpoint` does."""
        endpoint = await self.endpoint()
        return endpoint.simulated if endpoint is not None else self.simulator is not None

    def endpoint_check(self) -> EndpointCheck:
        """Return the check of the endpoint for the middle of a run: see `runtime.endpoint`."""
        return endpoint_check(self.cloud.control, self.endpoint_name, clock=self.clock)

    async def source(self) -> Source:
        """Return the input that the configuration names.

        Raises:
            NothingNew: The run takes what is new, and nothing is.
            InputError: It is not there, cannot be read, is not what it should be, or lacks a column.
            UsageError: The selection contradicts itself.
            RunError: It is in S3, and S3 does not permit it or does not answer.
        """
        if self._source is None:
            with self._in_time("the input was looked at"):
                self._source = await open_input(
                    self.config,
                    self.cloud.objects,
                    portal=self._portal,
                    clock=self.clock,
                    chosen=self._chosen,
                    part=self._part,
                )
            self._stack.push_async_callback(self._source.aclose)
            for text in self._source.warnings:
                self.warnings.warn(text)
        return self._source

    def remote(self) -> RemoteInput:
        """Return S3 as threads see it, as long as the session is open."""
        return RemoteInput(self.cloud.objects, portal=self._portal, clock=self.clock)

    async def queue(self, run_id: str, *, resumable: Callable[[], bool] = lambda: False) -> Queue | None:
        """Return the queue that run listens to; None if its results are found by listing.

        Args:
            run_id: Names the queue.
            resumable: Asked when the session closes: whether a later process of the run needs the queue.

        Raises:
            RunError: The endpoint is not there, the queue cannot be made, or the one that is named is elsewhere.
        """
        check_queue_region(self.config.collect.queue_url, region=self.cloud.region)
        endpoint = await self.endpoint()
        if endpoint is not None:
            for text in endpoint_warnings(endpoint, self.config.collect):
                self.warnings.warn(text)
        opening = open_run_queue(
            self.cloud,
            endpoint,
            self.config.collect,
            run_id=run_id,
            tags=queue_tags(
                run_id, endpoint=self.endpoint_name, created_at=self.clock.now(), version=__version__
            ),
            warn=self.warnings.warn,
            resumable=resumable,
            clock=self.clock,
            beside=self._beside,
        )
        with self._in_time("the run's queue was opened"):
            closing = await self._stack.enter_async_context(AsyncExitStack())
            self._queues.append(closing)
            return await closing.enter_async_context(opening)
        raise AssertionError("unreachable: a block that its deadline ended has raised")

    async def close_queue(self) -> None:
        """Close what `queue` has opened: no more messages are wanted."""
        for closing in self._queues:
            await closing.aclose()

    async def routing(self, run_id: str) -> Routing:
        """Return how rows travel: in the request, where this region and SDK allow it, or via S3.

        Raises:
            RunError: They do not allow it, and the configuration asks for nothing else.
        """
        inline = await self.cloud.control.supports_inline()
        mode, region = self.config.transport.mode, self.cloud.region
        if not inline and mode == "inline":
            raise RunError(f"inline payloads are not available in {region}: use --transport auto")
        if not inline and mode == "auto":
            self.warnings.warn(f"inline payloads are not available in {region}: every payload goes via S3")
        return compose.routing(self.config, run_id, inline=inline, simulator=self.simulator)

    async def engine_settings(self, run_id: str, *, parts: Path | None, notified: bool) -> EngineSettings:
        """Return the settings of an engine.

        Args:
            run_id: The run's id.
            parts: Directory of its part files; None if outcomes are delivered.
            notified: Whether notifications come.

        Raises:
            RunError: As `endpoint` and `routing` do.
        """
        return compose.job(
            self.config,
            run_id,
            name=self.endpoint_name,
            endpoint=await self.endpoint(),
            routing=await self.routing(run_id),
            parts=parts,
            notified=notified,
        )
