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
            "throttles": self.throttles,
            "started_at": self.started_at,
            "seconds": self.seconds,
            "rows_per_s": round(self.rows / self.seconds, 1) if self.seconds > 0 else None,
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
        **{name: content[name] for name in _PLAIN},
    )


_PLAIN = (
    "endpoint", "output", "run_dir", "rows", "by_status", "by_transport", "payload_bytes", "response_bytes",
    "output_bytes", "resends", "throttles", "started_at", "seconds", "simulated",
)  # fmt: skip
