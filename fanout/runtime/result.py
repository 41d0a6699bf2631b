"""Holds the result of a run's work, and of a run whose rows have all ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

import pyarrow as pa

from fanout.config.model import Config
from fanout.domain.tally import Tally
from fanout.errors import Exit
from fanout.output.parts import Part
from fanout.rundir.paths import RunDirectory

if TYPE_CHECKING:
    from fanout.runtime.session import Session

T_co = TypeVar("T_co", covariant=True)


class FinishRun(Protocol[T_co]):
    """Makes the final result of a run whose rows have ended."""

    async def __call__(self, result: RunResult, session: Session, /) -> T_co:
        """Return it; `session` is the run's."""
        ...


@dataclass(frozen=True, slots=True)
class WorkResult:
    """Rows that have all ended and are durable.

    Attributes:
        parts: Every part.
        throttles: Replies that said to slow down.
        warnings: What a person was warned of by other processes.
    """

    parts: Sequence[Part]
    tally: Tally
    throttles: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """A run, or a shard of one, whose rows have all ended and are durable.

    Attributes:
        endpoint: The endpoint's name.
        parts: Every part.
        passthrough_schema: Types of the passthrough columns.
        whole: Whether these are all rows of the input.
        throttles: Replies that said to slow down.
        started_at: When the process that finished the run began, in seconds since the epoch.
        simulated: The endpoint was the local AWS.
        warnings: What a person was warned of.
    """

    run_id: str
    config: Config
    directory: RunDirectory
    endpoint: str
    parts: Sequence[Part]
    passthrough_schema: pa.Schema
    whole: bool
    tally: Tally
    throttles: int
    started_at: float
    simulated: bool
    warnings: tuple[str, ...]

    def warned(self, warnings: Sequence[str]) -> RunResult:
        """Return the result with `warnings` too, each once."""
        return replace(self, warnings=tuple(dict.fromkeys((*self.warnings, *warnings))))

    @property
    def exit(self) -> Exit:
        """The exit code that the run deserves."""
        return Exit.OK if self.tally.by_status["succeeded"] == self.tally.rows else Exit.ROWS_FAILED
