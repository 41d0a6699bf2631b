"""Writes how a run goes, and how it ended, to `status.json` and the metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fanout.engine.snapshot import Observer
from fanout.errors import Exit, RunError
from fanout.observability.metrics.exporting import exporting
from fanout.observability.metrics.fold import Fold
from fanout.observability.status_file import EVERY_S, FOLLOW_S, StatusFile
from fanout.runtime.spec import RunSpec


@dataclass(frozen=True, slots=True)
class Monitor:
    """What watches a run on behalf of other programs.

    Attributes:
        observers: Watch the run.
        fold: Counts every outcome; None if no metrics are asked for.
        completed: Call it with the exit code once the output is written.
        ended: Records how the run ended, by the error that ended it; None once its output is there. On leaving, that
            is done at the latest.
    """

    observers: tuple[Observer, ...]
    fold: Fold | None
    completed: Callable[[Exit], None]
    ended: Callable[[BaseException | None], None]


@asynccontextmanager
async def monitoring(
    spec: RunSpec, *, fold: Fold | None, now: Callable[[], float], warn: Callable[[str], None]
) -> AsyncIterator[Monitor]:
    """Yield what watches the run; on leaving, in whatever way, record how the run ended.

    Args:
        spec: The run.
        fold: Counts the outcomes of a shard for the process that started it, which reads them in `status.json`.
        now: The run's clock.
        warn: Called with what does not work; none of it fails the run.
    """

    def counted() -> dict[str, Any]:
        return {} if fold is None else {"counted": fold.dump()}

    status = StatusFile(
        spec.directory.status,
        run_id=spec.run_id,
        now=now,
        every_s=EVERY_S if not spec.is_shard else FOLLOW_S,
        more=counted,
    )

    def ended(error: BaseException | None) -> None:
        if error is None:
            status.finished()
        else:
            status.stopped(str(error) if isinstance(error, RunError) else type(error).__name__)

    try:
        async with exporting(spec.config, now=now, warn=warn) as exporters:
            yield Monitor(
                (status, *exporters.observers),
                fold or exporters.fold,
                lambda code: exporters.completed(code, now=now()),
                ended,
            )
    except BaseException as error:
        ended(error)
        raise
    ended(None)
