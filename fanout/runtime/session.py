"""Opens AWS as a configuration names it, and on demand the endpoint, the input and a queue; closes all of it again.

Every verb that talks to AWS uses a `Session`: a run, a shard of one, an experiment, a rebuild.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from fanout.aws.session import AwsCloud, open_cloud
from fanout.concurrency.clock import SystemClock
from fanout.config.model import Config
from fanout.domain.routing import Routing
from fanout.engine.settings import EngineSettings
from fanout.errors import RunError
from fanout.observability.warnings import WarningLog
from fanout.ports import Clock, Endpoint, Queue
from fanout.runtime import settings as compose
from fanout.runtime.descriptors import ensure_descriptors
from fanout.runtime.endpoint import discover, endpoint_check
from fanout.runtime.input import open_input
from fanout.runtime.run_queue import open_run_queue
from fanout.runtime.simulated import SimulatorAddress, local_aws
from fanout.source.source import Source


@asynccontextmanager
async def open_session(
    config: Config,
    *,
    clock: Clock | None = None,
    warnings: WarningLog | None = None,
    simulator: SimulatorAddress | None = None,
) -> AsyncIterator[Session]:
    """Yield AWS, opened; whatever the session opens is closed when the block ends, the last first.

    Args:
        config: Names all of it.
        clock: Of a run that began before; by default the session reads the machine's.
        warnings: Of a caller that collects warnings already; by default the session opens a log of its own.
        simulator: The local AWS of the process that started this one; by default the session starts one if the
            configuration asks for it.

    Raises:
        UsageError: The local AWS's settings do not fit, or this process may not open so many connections.
        RunError: The local AWS does not start, or AWS cannot be reached as configured; says what to do.
    """
    if config.run.processes == 1:  # else each of them sees to its own
        ensure_descriptors(compose.descriptors(config))
    async with AsyncExitStack() as stack:
        if warnings is None:
            warnings = stack.enter_context(WarningLog())
        if simulator is None:
            simulator = await stack.enter_async_context(local_aws(config))
        cloud = await stack.enter_async_context(open_cloud(compose.aws_settings(config, simulator)))
        yield Session(
            config,
            cloud,
            clock=clock or SystemClock(),
            simulator=simulator,
            warnings=warnings,
            stack=stack,
        )


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
    """

    def __init__(
        self,
        config: Config,
        cloud: AwsCloud,
        *,
        clock: Clock,
        simulator: SimulatorAddress | None,
        warnings: WarningLog,
        stack: AsyncExitStack,
    ) -> None:
        self.config = config
        self.cloud = cloud
        self.clock = clock
        self.simulator = simulator
        self.warnings = warnings
        self._stack = stack
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

    async def endpoint(self) -> Endpoint | None:
        """Return what is known of the endpoint, None if this role may not describe it.

        Raises:
            UsageError: The configuration names none.
            RunError: There is no such endpoint, it is not asynchronous, or it takes no requests now.
        """
        if self._found is None:
            self._found = (await discover(self.cloud.control, self.endpoint_name, clock=self.clock),)
        return self._found[0]

    async def is_simulated(self) -> bool:
        """Whether the endpoint is a local AWS's, started here or elsewhere; raises as `endpoint` does."""
        endpoint = await self.endpoint()
        return endpoint.simulated if endpoint is not None else self.simulator is not None

    def endpoint_check(self) -> Callable[[float], Awaitable[None]]:
        """Return the check of the endpoint for the middle of a run: see `runtime.endpoint`."""
        return endpoint_check(self.cloud.control, self.endpoint_name, clock=self.clock)

    async def source(self) -> Source:
        """Return the input that the configuration names.

        Raises:
            InputError: It is not there, cannot be read, is not what it should be, or lacks a column.
            UsageError: The selection contradicts itself.
            RunError: It is in S3, and the credentials have expired and cannot be refreshed.
        """
        if self._source is None:
            self._source = await open_input(self.config, self.cloud)
            self._stack.push_async_callback(self._source.aclose)
            for text in self._source.warnings:
                self.warnings.warn(text)
        return self._source

    async def queue(self, run_id: str, *, resumable: Callable[[], bool] = lambda: False) -> Queue | None:
        """Return the queue that run listens to; None if its results are found by listing.

        Args:
            run_id: Names the queue.
            resumable: Asked when the session closes: whether a later process of the run needs the queue.

        Raises:
            RunError: The endpoint is not there, or the queue cannot be made.
        """
        return await self._stack.enter_async_context(
            open_run_queue(
                self.cloud,
                await self.endpoint(),
                self.config.collect,
                run_id=run_id,
                warn=self.warnings.warn,
                resumable=resumable,
            )
        )

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
