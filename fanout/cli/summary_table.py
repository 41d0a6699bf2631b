"""Prints the summary of a run for a person: counts, latencies, errors, and where the output is."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from fanout.report.terminal import add_row, grid, say
from fanout.rundir.summary import Summary

ERRORS_SHOWN = 5
EXAMPLE_MAX = 200


def print_summary(summary: Summary, console: Console) -> None:
    """Print the summary on `console`."""
    if not summary.written:
        for text in summary.warnings:
            say(console, text)
        return
    say(console, headline(summary))
    if summary.latency:
        note = " (simulated: they say nothing about SageMaker)" if summary.simulated else ""
        say(console, f"latency in milliseconds{note}")
        console.print(_latencies(summary))
    for line in _errors(summary):
        say(console, line)
    say(console, f"{summary.output} ({_size(summary.output_bytes)})")


def headline(summary: Summary) -> str:
    """Return one line: how many rows ended how, how they went, and how fast."""
    statuses = (
        ", ".join(f"{count:,} {status}" for status, count in sorted(summary.by_status.items())) or "no rows"
    )
    ways = ", ".join(f"{count:,} {way}" for way, count in sorted(summary.by_transport.items()))
    here = summary.ended_here
    since = f"{here:,} since the resume, in " if here is not None and here < summary.rows else ""
    rate = f"{summary.rows_per_s:,.0f} rows/s" if summary.rows_per_s is not None else ""
    parts = [statuses, ways, f"{since}{summary.seconds:,.1f} s", rate]
    for count, name in (
        (summary.throttles, "throttled"),
        (summary.resends_certain, "sent again"),
        (summary.possible_resends, "may have been sent twice"),
    ):
        if count:
            parts.append(f"{count:,} {name}")
    return " · ".join(part for part in parts if part)


def _latencies(summary: Summary) -> Table:
    table = grid()
    table.add_column("phase")
    names = ("p50", "p90", "p99", "max")
    for name in names:
        table.add_column(name, justify="right")
    for phase, values in summary.latency.items():
        add_row(table, phase, *(f"{values[name]:,.1f}" for name in names))
    return table


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
