"""Prints an experiment for a person on a terminal: the answer first, then the numbers; `bench.json` has them all."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from fanout.analysis.client_check import TOO_FEW
from fanout.analysis.comparison import Comparison, GroupResult
from fanout.analysis.quantiles import Interval, Quantiles
from fanout.bench.document import Result
from fanout.report.terminal import say

SIMULATED = "simulated: these numbers are of the local AWS and say nothing about SageMaker"


def print_result(result: Result, console: Console, *, document: Path) -> None:
    """Print the result on `console`."""
    ran, comparison = result.ran, result.comparison
    _say(console, f"{result.pairs:,} pairs in {ran.seconds:,.0f} s on {ran.endpoint}")
    if ran.simulated:
        _say(console, SIMULATED)
    if comparison is None:
        headline = {
            "client": "NOT MEASURED: this client was the limit, not the service",
            "throttling": "NOT MEASURED: throttling was the limit, not the service",
            "failures": "NOT MEASURED: too many requests failed",
            "pairs": "NOT MEASURED: too few pairs for a figure",
        }
        _say(console, headline.get(result.verdict.limit or "", "NOT MEASURED"))
    else:
        _say(console, str(comparison.crossing))
        console.print(_by_size(comparison, simulated=ran.simulated))
        console.print(_by_phase(comparison.everything, simulated=ran.simulated))
        _saved(result, console)
    for line in _notes(result):
        _say(console, line)
    _changes(result, console)
    for check in result.checks:
        _say(console, f"{'FAILED' if check.fails else 'passed'}: --fail-if {check.text!r}: {check.found}")
    _say(console, f"{ran.output} · {document}")


def _by_size(comparison: Comparison, *, simulated: bool) -> Table:
    title = "total latency by size, median in ms" + (" (simulated)" if simulated else "")
    table = Table(box=box.SIMPLE, pad_edge=False, title=title, title_justify="left", title_style="")
    for name in ("payload", "pairs", "inline", "S3", "inline saves", "95 % interval"):
        table.add_column(name, justify="left" if name == "payload" else "right")
    for group in (*comparison.groups, comparison.everything):
        if not group.is_told:
            table.add_row(group.label, f"{group.pairs:,}", "", "", "", f"none: under {TOO_FEW} pairs")
            continue
        total = group.phases["total"]
        median, reach = _difference(total.difference)
        table.add_row(
            group.label, f"{group.pairs:,}", _p(total.inline, "p50"), _p(total.s3, "p50"), median, reach
        )
    return table


def _by_phase(group: GroupResult, *, simulated: bool) -> Table:
    title = "all sizes, in ms" + (" (simulated)" if simulated else "")
    table = Table(box=box.SIMPLE, pad_edge=False, title=title, title_justify="left", title_style="")
    table.add_column("phase")
    table.add_column("way")
    names = ("p50", "p90", "p99", "max")
    for name in (*names, "inline saves", "95 % interval"):
        table.add_column(name, justify="right")
    for phase, result in group.phases.items():
        head, difference = phase, _difference(result.difference)
        for way, found in (("inline", result.inline), ("S3", result.s3)):
            if found is not None:
                table.add_row(head, way, *(_p(found, name) for name in names), *difference)
                head, difference = "", ("", "")
    return table


def _saved(result: Result, console: Console) -> None:
    saved = result.savings
    if saved is None:
        return
    _say(
        console,
        f"per million rows, inline saves {saved.puts:,} PUTs, {saved.gets:,} GETs by SageMaker and "
        f"${saved.dollars:,.2f} (${saved.inline_dollars:,.2f} instead of ${saved.s3_dollars:,.2f} in requests)",
    )


def _notes(result: Result) -> list[str]:
    ran = result.ran
    lines = [
        *result.verdict.reasons,
        *(f"note: {text}" for text in (*result.verdict.warnings, *result.notes)),
    ]
    if ran.stopped:
        lines.append(f"note: stopped early: {ran.stopped}")
    if result.incomplete:
        kinds = ", ".join(f"{count:,} x {code}" for code, count in ran.errors.items())
        lines.append(f"note: {result.incomplete:,} pairs are left out, a request of theirs failed ({kinds})")
    if ran.skipped:
        kinds = ", ".join(f"{count:,} {reason}" for reason, count in ran.skipped.items())
        lines.append(f"note: rows of the input left out: {kinds}")
    return lines


def _changes(result: Result, console: Console) -> None:
    if result.baseline is None:
        return
    if result.comparison is None:
        _say(console, f"not compared with {result.baseline.path}: the service was not measured")
        return
    _say(console, f"against {result.baseline.path}, medians in ms:")
    if result.unlike:
        _say(console, f"note: the two differ in {'; '.join(map(str, result.unlike))}")
    table = Table(box=box.SIMPLE, pad_edge=False)
    for name in ("phase", "way", "then", "now", "change", "95 % interval", ""):
        table.add_column(name, justify="left" if name in {"phase", "way", ""} else "right")
    for change in result.changes:
        if change.group == "all sizes":
            median, reach = _difference(change.change)
            table.add_row(
                change.phase, change.way, _ms(change.before), _ms(change.now), median, reach, change.verdict
            )
    console.print(table)


def _difference(found: Interval | None) -> tuple[str, str]:
    if found is None:
        return "", ""
    return f"{found.median:+,.1f}", f"{found.low:+,.1f} to {found.high:+,.1f}"


def _p(found: Quantiles | None, name: str) -> str:
    return "" if found is None else _ms(getattr(found, name))


def _ms(value: float) -> str:
    return f"{value:,.1f}"


def _say(console: Console, text: str) -> None:
    say(console, text)
