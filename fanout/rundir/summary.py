"""Sums up what a run came to: the `--json` of the command line and `summary.json` of the run directory.

Schema version 1, described in `docs/summary.md`: counts are rows, sizes bytes, durations milliseconds in `latency_ms`
and seconds elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fanout.domain.percentiles import P999_MIN, between, place
from fanout.domain.tally import Tally
from fanout.errors import Exit, JournalError
from fanout.files import read_json, write_json
from fanout.text import iso, quoted

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = 1
MEND = "mend the rejected rows in the input, then start a new run of them"
"""A retry reads the same input and rejects the same rows."""
PHASES = ("wait_ms", "retry_ms", "upload_ms", "invoke_ms", "service_ms", "notify_ms", "fetch_ms", "total_ms")
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999, "max": 1.0}
_MANY_ROWS = 2_000_000


@dataclass(frozen=True, slots=True)
class Summary:
    """A finished run.

    Attributes:
        resends: Requests that were sent, or may have been, while an earlier one might have been accepted.
        possible_resends: Those of them before which no request certainly left: an earlier process was killed.
        ended_here: Rows that ended in the process that finished the run; the others had ended before it began.
        started_at: When the process that finished the run began, as an ISO 8601 text in UTC.
        seconds: How long that process took, in whole milliseconds: what is printed is what is read back later.
        rows_seconds: From the first row that was due to the last that ended, over all processes of the run, as its
            report says; None if none was sent, or where an earlier version wrote the summary.
        latency: For each phase that occurred: p50, p90, p99, p999 (of 1,000 rows or more) and max in milliseconds,
            over all rows.
        simulated: The endpoint was the local AWS: latencies say nothing about SageMaker.
        finished_before: The run had finished before this process began, which sent nothing. No file says it.
        nothing_to_retry: It was to be retried, and every row of it had succeeded. No file says it.
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
    rows_seconds: float | None = None
    finished_before: bool = field(default=False, compare=False)
    nothing_to_retry: bool = field(default=False, compare=False)

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

    @property
    def next_step(self) -> str | None:
        """What can be done about the rows that did not succeed; None where all did."""
        return self.next_step_at(self.run_dir if self.run_dir.startswith("s3://") else self.output)

    def next_step_at(self, where: str) -> str | None:
        """Return what can be done about the rows that did not succeed of this run, which a command names by `where`."""
        rejected, failed = self.by_status.get("rejected", 0), self.rows - self.by_status.get("succeeded", 0)
        return f"fanout retry {quoted(where)} -o FILE" if failed > rejected else MEND if rejected else None

    def lasted(self, *, started_at: float, seconds: float) -> Summary:
        """Return it with when the process began, in seconds since the epoch, and how long it took."""
        return replace(self, started_at=iso(started_at), seconds=round(seconds, 3))

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
            "rows_seconds": self.rows_seconds,
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
    run_dir: Path | str,
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
        rows_seconds=rows_seconds(built),
    )


def nothing_new(
    *,
    run_id: str,
    endpoint: str,
    output: str,
    run_dir: Path | str,
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
    """Return quantiles of each phase in milliseconds, read from an output file or dataset a column at a time.

    What lies before the last request of a row that took several is `retry`, not `wait`: the client did not stall.
    """
    import pyarrow.compute as pc

    from fanout.concurrency.interpreter import release_memory

    found: dict[str, dict[str, float]] = {}
    for phase in PHASES:
        name, again = {"wait_ms": ("wait_ms", False), "retry_ms": ("wait_ms", True)}.get(phase, (phase, None))
        column = _column(output, name, again=again)
        present = len(column) - column.null_count
        bounds = [
            pc.quantile(column, q=list(QUANTILES.values()), interpolation=side)
            for side in ("lower", "higher")
        ]
        if len(column) > _MANY_ROWS:  # the next column takes as much: of ten million rows, 40 MB and its copy
            del column
            release_memory()
        if present:
            found[phase.removesuffix("_ms")] = {
                name: round(between(lower.as_py(), upper.as_py(), place(present, q)[1]), 3)
                for (name, q), lower, upper in zip(QUANTILES.items(), *bounds, strict=True)
                if name != "p999" or present >= P999_MIN
            }
    return found


def ended_since(output: str, instant: float) -> int:
    """Return how many rows of an output ended at `instant` or later, in seconds since the epoch."""
    import pyarrow.compute as pc

    since = round(instant * 1e6)
    ended = _column(output, "ended_at").chunks
    return sum(pc.sum(pc.greater_equal(chunk.cast("int64"), since)).as_py() or 0 for chunk in ended)


def _column(output: str, name: str, *, again: bool | None = None) -> pa.ChunkedArray:
    """Return one column of an output file or of a directory of files; nothing else is held for it.

    Durations of very many rows are cut to seven digits, which takes half of the memory.

    Args:
        output: The file or directory.
        name: The column.
        again: Of rows that took several requests alone, or of the others alone; None for all.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    path = Path(output)
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    many = sum(pq.read_metadata(file).num_rows for file in files) > _MANY_ROWS
    chunks: list[pa.Array] = []
    for file in files:
        with pq.ParquetFile(file, pre_buffer=False, memory_map=False) as opened:
            kind = opened.schema_arrow.field(name).type
            kind = pa.float32() if many and kind == pa.float64() else kind
            names = [name] if again is None else [name, "attempts"]
            for batch in opened.iter_batches(columns=names, use_threads=False):
                column = batch.column(name)
                if again is not None:
                    several = pc.fill_null(pc.greater(batch.column("attempts"), 1), False)  # noqa: FBT003 - pyarrow's
                    column = column.filter(several if again else pc.invert(several))
                chunks.append(column.cast(kind, safe=False))
    return pa.chunked_array(chunks, type=kind)


def rows_seconds(output: str) -> float | None:
    """Return the seconds from the first row of an output that was due, or ended, to the last; None without any."""
    import pyarrow.compute as pc

    names = ("due_at", "sent_at", "ended_at")
    bounds = [pc.min_max(_column(output, name).cast("int64")).as_py() for name in names]
    firsts = [each["min"] for each in bounds if each["min"] is not None]
    lasts = [each["max"] for each in bounds if each["max"] is not None]
    return (max(lasts) - min(firsts)) / 1e6 if firsts else None


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
        rows_seconds=content.get("rows_seconds"),
        **{name: content[name] for name in _PLAIN},
    )


_PLAIN = (
    "endpoint", "output", "run_dir", "rows", "by_status", "by_transport", "payload_bytes", "response_bytes",
    "output_bytes", "resends", "throttles", "started_at", "seconds", "simulated",
)  # fmt: skip
