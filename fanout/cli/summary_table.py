"""Prints the summary of a run for a person: counts, latencies, errors, and where the output is."""

from __future__ import annotations

from rich.console import Console

from fanout.report.table import Table
from fanout.report.terminal import draw, say
from fanout.rundir.summary import Summary

ERRORS_SHOWN = 5
EXAMPLE_MAX = 200
NONE = "\u2013"  # as in reports: of fewer than 1,000 rows, a p99.9 would be the largest one


def print_summary(summary: Summary, console: Console) -> None:
    """Print the summary on `console`."""
    if not summary.written:
        for text in summary.warnings:
            say(console, text)
        return
    if summary.nothing_to_retry:
        say(console, f"nothing to retry: every row of {summary.output} succeeded. Nothing was sent.")
        return
    if summary.finished_before:
        say(console, f"{summary.output} was finished before, by run {summary.run_id}. Nothing was sent now.")
    say(console, headline(summary))
    if summary.latency:
        draw(console, _latencies(summary))
    for line in _errors(summary):
        say(console, line)
    say(console, f"{summary.output} ({_size(summary.output_bytes)})")
    if (step := summary.next_step) is not None:
        say(console, f"next: {step}")


def headline(summary: Summary) -> str:
    """Return one line: how many rows ended how, how they went, and how fast."""
    # What succeeded first, then the most frequent.
    ends = sorted(summary.by_status.items(), key=lambda item: (item[0] != "succeeded", -item[1], item[0]))
    statuses = ", ".join(f"{number:,} {status}" for status, number in ends) or "no rows"
    ways = ", ".join(f"{count:,} {way}" for way, count in sorted(summary.by_transport.items()))
    parts = [statuses, ways, *_speed(summary)]
    for count, name in (
        (summary.throttles, "throttled"),
        (summary.resends_certain, "sent again"),
        (summary.possible_resends, "may have been sent twice"),
    ):
        if count:
            parts.append(f"{count:,} {name}")
    return " · ".join(part for part in parts if part)


def _speed(summary: Summary) -> list[str]:
    """Return how long the rows took and how fast that was, as the report says it, and how long this process took."""
    here, rows_s = summary.ended_here, summary.rows_seconds
    if here is not None and here < summary.rows:
        in_s = f"{here:,} since the resume, in {summary.seconds:,.1f} s"
        return [in_s if summary.rows_per_s is None else f"{in_s} ({summary.rows_per_s:,.0f} rows/s)"]
    if rows_s is None:  # an earlier version's, or none was sent
        rate = [f"{summary.rows_per_s:,.0f} rows/s"] if summary.rows_per_s is not None else []
        return [f"{summary.seconds:,.1f} s", *rate]
    fast = [f"{summary.rows / rows_s:,.1f} rows/s"] if rows_s else []
    return [f"{rows_s:,.1f} s from the first row to the last", *fast, f"{summary.seconds:,.1f} s in all"]


def _latencies(summary: Summary) -> Table:
    names = {"p50": "p50", "p90": "p90", "p99": "p99", "p999": "p99.9", "max": "max"}
    rows = [
        (phase, *(f"{values[name]:,.1f}" if name in values else NONE for name in names))
        for phase, values in summary.latency.items()
    ]
    note = " (simulated: they say nothing about SageMaker)" if summary.simulated else ""
    return Table(f"latency in milliseconds{note}", ("phase", *names.values()), tuple(rows))


def _errors(summary: Summary) -> list[str]:
    ranked = sorted(summary.errors.items(), key=lambda item: (-item[1], item[0]))
    lines = [
        f"{count:,} x {code}: {' '.join(summary.examples.get(code, '').split())[:EXAMPLE_MAX]}"
        for code, count in ranked[:ERRORS_SHOWN]
    ]
    if len(ranked) > ERRORS_SHOWN:
        lines.append(f"and {len(ranked) - ERRORS_SHOWN} more kinds of error: see error_code in the output")
    return lines


def _size(size_bytes: int) -> str:
    size = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if size < 1_000:
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1_000
    return f"{size:,.1f} GB"
