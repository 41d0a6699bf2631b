"""The last step of a run: its durable parts become the output, the summary is written, and the parts go.

An `Ended` enters, a `Summary` and an output file leave. Killed anywhere, it is simply done again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa

from fanout.config import Config
from fanout.errors import Exit
from fanout.failpoints import failpoint
from fanout.memory import give_back
from fanout.output import finish
from fanout.output.parts import Part
from fanout.rundir import RunDirectory
from fanout.summary import Summary, summarize, write_summary
from fanout.tally import Tally

T_co = TypeVar("T_co", covariant=True)
Conclude = Callable[["Ended", Callable[[], float]], T_co]
"""What is done with a run that has ended, the clock at hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run, or a shard of one, whose rows have all ended and are durable.

    Attributes:
        endpoint: The endpoint's name.
        parts: Every part.
        kept_schema: Types of the kept columns.
        whole: Whether these are all rows of the input.
        throttles: Replies that said to slow down.
        started_at: When the process that finished the run began, in seconds since the epoch.
        simulated: The endpoint was the local AWS.
        warnings: What a person was warned of.
    """

    run: str
    config: Config
    directory: RunDirectory
    endpoint: str
    parts: Sequence[Part]
    kept_schema: pa.Schema
    whole: bool
    tally: Tally
    throttles: int
    started_at: float
    simulated: bool
    warnings: tuple[str, ...]

    @property
    def exit(self) -> Exit:
        """The exit code that the run deserves."""
        return Exit.OK if self.tally.by_status["succeeded"] == self.tally.rows else Exit.ROWS_FAILED


def conclude(ended: Ended, now: Callable[[], float]) -> Summary:
    """Write the output and the summary, and remove the parts; blocks.

    Raises:
        UsageError: The output exists and may not be replaced.
        StorageError: The disk is full or failed, or a part is damaged.
    """
    give_back()
    config, output = ended.config, ended.config.output.path or ""
    finished = finish(
        ended.parts,
        output,
        run=ended.run,
        kept_schema=ended.kept_schema,
        expected_rows=ended.tally.rows if ended.whole else None,
        metadata={
            "fanout:endpoint": ended.endpoint,
            "fanout:simulated": str(ended.simulated).lower(),
            "fanout:throttles": str(ended.throttles),
        },
        overwrite=config.output.overwrite,
    )
    summary = summarize(
        run=ended.run,
        endpoint=ended.endpoint,
        output=output,
        run_dir=ended.directory.path,
        output_bytes=finished.size_bytes,
        tally=ended.tally,
        throttles=ended.throttles,
        started_at=ended.started_at,
        seconds=now() - ended.started_at,
        simulated=ended.simulated,
        warnings=ended.warnings,
    )
    write_summary(summary, ended.directory.summary)
    failpoint("summary.written")
    if not config.run.keep_dir:  # the output holds every row of them
        for directory in {part.path.parent for part in ended.parts} | {ended.directory.parts}:
            shutil.rmtree(directory, ignore_errors=True)
    return summary
