"""Opens the metric exporters of a configuration around a run: an HTTP endpoint, a text file, a Pushgateway, or none."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from fanout.config.model import Config
from fanout.engine.snapshot import Observer, Snapshot
from fanout.errors import Exit, NothingNew
from fanout.observability.metrics.facts import Facts
from fanout.observability.metrics.fold import Fold

if TYPE_CHECKING:
    from prometheus_client.core import Metric

Warn = Callable[[str], None]


class Metrics:
    """Builds the families of one run; an observer, so that it receives the run's snapshots."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.fold = Fold()
        self._look: Callable[[], Snapshot] | None = None

    async def watch(self, look: Callable[[], Snapshot], *, now: Callable[[], float]) -> None:  # noqa: ARG002 - Observer's
        """Keep `look`; it stays valid when the run has ended."""
        self._look = look
        await anyio.sleep_forever()

    def collect(self) -> tuple[Metric, ...]:
        """Return the families of this moment."""
        from fanout.observability.metrics.families import families

        look = self._look() if self._look is not None else None
        return tuple(families(self.facts, self.fold, look))


@dataclass(frozen=True, slots=True)
class Exporters:
    """What a run does for its metrics.

    Attributes:
        observers: Watch the run.
        fold: Counts every outcome; None where no metrics are exported.
        facts: Keeps how the run ended; None likewise.
        port: Where metrics are served, if they are.
    """

    observers: tuple[Observer, ...] = ()
    fold: Fold | None = None
    facts: Facts | None = None
    port: int | None = None

    def completed(self, code: Exit, *, now: float) -> None:
        """Note that the output is written."""
        if self.facts is not None:
            self.facts.completed(code, now=now)


@asynccontextmanager
async def exporting(config: Config, *, now: Callable[[], float], warn: Warn) -> AsyncIterator[Exporters]:
    """Yield what the run must do for its metrics; on leaving, however that is, write and push the last ones.

    Args:
        config: `[metrics]` of it, and the bounds that metrics show.
        now: The run's clock.
        warn: Called with what does not work; none of it fails the run.
    """
    settings = config.metrics
    if not settings.wanted:
        yield Exporters()
        return
    from fanout.observability.metrics.http import serving
    from fanout.observability.metrics.push import push
    from fanout.observability.metrics.textfile import TextFile

    textfile = Path(settings.textfile) if settings.textfile is not None else None
    metrics = Metrics(_facts(config, textfile, now=now))
    observers: list[Observer] = [metrics]
    async with AsyncExitStack() as stack:
        port = None
        if settings.port is not None:
            server = serving(metrics.collect, address=settings.address, port=settings.port, warn=warn)
            port = await stack.enter_async_context(server)
        if settings.pushgateway is not None:
            last = functools.partial(
                push, metrics.collect, gateway=settings.pushgateway, job=settings.job, warn=warn
            )
            stack.push_async_callback(_shielded, last)
        if textfile is not None:
            file = TextFile(
                textfile,
                take=metrics.collect,
                every_s=settings.textfile_s,
                labels={"job": settings.job},
                warn=warn,
            )
            observers.append(file)
            stack.push_async_callback(_shielded, file.write)
        try:
            yield Exporters(tuple(observers), metrics.fold, metrics.facts, port)
        except NothingNew:  # an alert that waits for a success must not take an empty night for a dead job
            metrics.facts.completed(Exit.OK, now=now())
            raise
        except BaseException as error:
            metrics.facts.failed(error)
            raise


async def _shielded(last: Callable[[], Awaitable[None]]) -> None:
    """Let the last metrics go out although the run was cancelled; each export is bounded in time."""
    with anyio.CancelScope(shield=True):
        await last()


def _facts(config: Config, textfile: Path | None, *, now: Callable[[], float]) -> Facts:
    facts = Facts(window_rows=config.pacing.window, held_bytes=config.pacing.held_bytes, started_at=now())
    if textfile is not None:
        from fanout.observability.metrics.textfile import remembered

        facts.completed_at = remembered(textfile, "fanout_last_completion_timestamp_seconds")
        facts.succeeded_at = remembered(textfile, "fanout_last_success_timestamp_seconds")
    return facts
