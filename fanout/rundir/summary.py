"""Sums up what a run came to: the `--json` of the command line and `summary.json` of the run directory.

Schema version 1, described in `docs/summary.md`: counts are rows, sizes bytes, durations milliseconds in `latency_ms`
and seconds elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fanout.domain.tally import Tally
from fanout.errors import Exit, JournalError
from fanout.files import read_json, write_json
from fanout.text import iso

VERSION = 1
PHASES = ("wait_ms", "upload_ms", "invoke_ms", "service_ms", "notify_ms", "fetch_ms", "total_ms")
QUANTILES = (0.5, 0.9, 0.99, 1.0)
_QUANTILE_NAMES = ("p50", "p90", "p99", "max")


@dataclass(frozen=True, slots=True)
class Summary:
    """A finished run.

    Attributes:
        resends: Requests that were sent, or may have been, while an earlier one might have been accepted.
        possible_resends: Those of them before which no request certainly left: an earlier process was killed.
        ended_here: Rows that ended in the process that finished the run; the others had ended before it began.
        started_at: When the process that finished the run began, as an ISO 8601 text in UTC.
        seconds: How long that process took, in whole milliseconds: what is printed is what is read back later.
        latency: For each phase that occurred: p50, p90, p99 and max in milliseconds, over all rows.
        simulated: The endpoint was the local AWS: latencies say nothing about SageMaker.
    """

    run_id: str
    endpoint: str
    output: str
    run_dir: str
    rows: int
    by_status: Mapping[str, int]
    by_transport: Mapping[str, int]
    errors: Mapping[str, int]
    examples: Mapping[str, str]
    payload_bytes: int
    response_bytes: int
    output_bytes: int
    resends: int
    throttles: int
    started_at: str
    seconds: float
    latency: Mapping[str, Mapping[str, float]]
    simulated: bool
    warnings: tuple[str, ...] = ()
    possible_resends: int = 0
    ended_here: int | None = None

    @property
    def resends_certain(self) -> int:
        """Requests that left while an earlier one that had certainly left might have been accepted."""
        return self.resends - self.possible_resends

    @property
    def rows_per_s(self) -> float | None:
        """Rows that ended a second, of the process that finished the run: its rows by its seconds."""
        here = self.rows if self.ended_here is None else self.ended_here
        return here / self.seconds if self.seconds > 0 else None

    @property
    def written(self) -> bool:
        """Whether there is an output: a run that found nothing new has none."""
        return self.output_bytes > 0

    @property
    def exit(self) -> Exit:
        """The exit code that this run deserves."""
        return Exit.OK if self.by_status.get("succeeded", 0) == self.rows else Exit.ROWS_FAILED

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON values."""
        return {
            "version": VERSION,
            "run": self.run_id,
            "endpoint": self.endpoint,
            "simulated": self.simulated,
            "output": self.output,
            "run_dir": self.run_dir,
            "exit_code": int(self.exit),
            "rows": self.rows,
            "by_status": dict(self.by_status),
            "by_transport": dict(self.by_transport),
            "errors": [
                {"code": code, "count": count, "example": self.examples.get(code)}
                for code, count in sorted(self.errors.items(), key=lambda item: (-item[1], item[0]))
            ],
            "payload_bytes": self.payload_bytes,
            "response_bytes": self.response_bytes,
            "output_bytes": self.output_bytes,
            "resends": self.resends,
            "possible_resends": self.possible_resends,
            "throttles": self.throttles,
            "started_at": self.started_at,
            "seconds": self.seconds,
            "ended_here": self.rows if self.ended_here is None else self.ended_here,
            "rows_per_s": None if self.rows_per_s is None else round(self.rows_per_s, 1),
            "latency_ms": {phase: dict(values) for phase, values in self.latency.items()},
            "warnings": list(self.warnings),
        }


def summarize(
    *,
    run_id: str,
    endpoint: str,
    output: str,
    built: str,
    run_dir: Path,
    output_bytes: int,
    tally: Tally,
    throttles: int,
    started_at: float,
    seconds: float,
    simulated: bool,
    warnings: tuple[str, ...],
) -> Summary:
    """Return the summary of a run whose output is written.

    Latencies are computed from the output itself, which stands at `built` on this machine.
    """
    return Summary(
        run_id=run_id,
        endpoint=endpoint,
        output=output,
        run_dir=str(run_dir),
        rows=tally.rows,
        by_status=dict(tally.by_status),
        by_transport=dict(tally.by_transport),
        errors=dict(tally.errors),
        examples=dict(tally.examples),
        payload_bytes=tally.payload_bytes,
        response_bytes=tally.response_bytes,
        output_bytes=output_bytes,
        resends=tally.resends,
        throttles=throttles,
        started_at=iso(started_at),
        seconds=round(seconds, 3),
        latency=latencies(built),
        simulated=simulated,
        warnings=warnings,
        possible_resends=tally.possible_resends,
        ended_here=ended_since(built, started_at),
    )


def nothing_new(
    *,
    run_id: str,
    endpoint: str,
    output: str,
    run_dir: Path,
    started_at: float,
    simulated: bool,
    why: str,
) -> Summary:
    """Return the summary of a run that found nothing new to send: no rows, and no output was written."""
    return Summary(
        run_id=run_id,
        endpoint=endpoint,
        output=output,
        run_dir=str(run_dir),
        rows=0,
        by_status={},
        by_transport={},
        errors={},
        examples={},
        payload_bytes=0,
        response_bytes=0,
        output_bytes=0,
        resends=0,
        throttles=0,
        started_at=iso(started_at),
        seconds=0.0,
        latency={},
        simulated=simulated,
        warnings=(why,),
        ended_here=0,
    )


def latencies(output: str) -> dict[str, dict[str, float]]:
    """Return quantiles of each phase in milliseconds, read from an output file or dataset a column at a time."""
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    rows = ds.dataset(output, format="parquet")
    found: dict[str, dict[str, float]] = {}
    for phase in PHASES:
        column = rows.to_table(columns=[phase]).column(phase)
        values = pc.quantile(column, q=list(QUANTILES)).to_pylist()
        if values[0] is not None:
            found[phase.removesuffix("_ms")] = {
                name: round(value, 3) for name, value in zip(_QUANTILE_NAMES, values, strict=True)
            }
    return found


def ended_since(output: str, instant: float) -> int:
    """Return how many rows of an output ended at `instant` or later, in seconds since the epoch."""
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    ended = ds.dataset(output, format="parquet").to_table(columns=["ended_at"]).column("ended_at")
    return int(pc.sum(pc.greater_equal(ended.cast("int64"), round(instant * 1e6))).as_py() or 0)


def write_summary(summary: Summary, path: Path) -> None:
    """Write `summary.json`, durably and at once: its presence says that the run has finished.

    Raises:
        StorageError: The disk is full or failed.
    """
    write_json(path, summary.as_dict())


def read_summary(path: Path) -> Summary:
    """Return the summary of a finished run.

    Raises:
        JournalError: The file is damaged or of another version.
    """
    return read_json(path, _summary_of, version=VERSION, error=JournalError)


def _summary_of(content: dict[str, Any]) -> Summary:
    errors = content["errors"]
    return Summary(
        run_id=content["run"],
        errors={error["code"]: error["count"] for error in errors},
        examples={error["code"]: error["example"] for error in errors if error["example"] is not None},
        latency=content["latency_ms"],
        warnings=tuple(content["warnings"]),
        possible_resends=content.get("possible_resends", 0),  # an earlier version told neither
        ended_here=content.get("ended_here"),
        **{name: content[name] for name in _PLAIN},
    )


_PLAIN = (
    "endpoint", "output", "run_dir", "rows", "by_status", "by_transport", "payload_bytes", "response_bytes",
    "output_bytes", "resends", "throttles", "started_at", "seconds", "simulated",
)  # fmt: skip
