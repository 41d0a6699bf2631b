"""Prints an experiment for a person on a terminal: the answer first, then the numbers; `bench.json` has them all."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from fanout.analysis.client_check import TOO_FEW
from fanout.analysis.comparison import Comparison, GroupResult
from fanout.analysis.quantiles import Interval, Quantiles
from fanout.bench.document import Result
from fanout.report.table import NAMES, Row, Table, titled
from fanout.report.terminal import draw, say

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
        draw(console, _by_size(comparison, simulated=ran.simulated))
        draw(console, _by_phase(comparison.everything, simulated=ran.simulated))
        _saved(result, console)
    for line in _notes(result):
        _say(console, line)
    _changes(result, console)
    for check in result.checks:
        _say(console, str(check))
    _say(console, f"{ran.output} · {document}")


def print_failures(result: Result, console: Console) -> None:
    """Print why the experiment exits with 3, and nothing if it does not: what is left of it under `--quiet`."""
    if result.comparison is None:
        for reason in result.verdict.reasons or ("the service was not measured",):
            _say(console, f"NOT MEASURED: {reason}")
    for check in result.checks:
        if check.fails:
            _say(console, str(check))


def _by_size(comparison: Comparison, *, simulated: bool) -> Table:
    rows: list[Row] = []
    for group in (*comparison.groups, comparison.everything):
        if not group.is_told:
            rows.append((group.label, f"{group.pairs:,}", "", "", "", f"none: under {TOO_FEW} pairs"))
            continue
        total = group.phases["total"]
        medians = (_p(total.inline, "p50"), _p(total.s3, "p50"))
        rows.append((group.label, f"{group.pairs:,}", *medians, *_difference(total.difference)))
    title = titled("total latency by size, median in ms", simulated=simulated)
    return Table(title, ("payload", "pairs", "inline", "S3", "inline saves", "95 % interval"), tuple(rows))


def _by_phase(group: GroupResult, *, simulated: bool) -> Table:
    names = {"p50": "p50", "p90": "p90", "p99": "p99", "p999": "p99.9", "max": "max"}
    rows: list[Row] = []
    for phase, result in group.phases.items():
        head, difference = phase, _difference(result.difference)
        for way, found in (("inline", result.inline), ("S3", result.s3)):
            if found is not None:
                rows.append((head, way, *(_p(found, name) for name in names), *difference))
                head, difference = "", ("", "")
    columns = ("phase", "transport", *names.values(), "inline saves", "95 % interval")
    return Table(titled("all sizes, in ms", simulated=simulated), columns, tuple(rows), frozenset({0, 1}))


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
        lines.append(
            f"note: {result.incomplete:,} pairs are left out, as one of their requests failed ({kinds})"
        )
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
    rows = tuple(
        (
            each.phase, NAMES.get(each.way, each.way), _ms(each.before), _ms(each.now), *_difference(each.change),
            each.verdict,
        )
        for each in result.changes
        if each.group == "all sizes"
    )  # fmt: skip
    head = ("phase", "transport", "then", "now", "change", "95 % interval", "")
    draw(console, Table("", head, rows, frozenset({0, 1, 6})))


def _difference(found: Interval | None) -> tuple[str, str]:
    if found is None:
        return "", ""
    return f"{found.median:+,.1f}", f"{found.low:+,.1f} to {found.high:+,.1f}"


def _p(found: Quantiles | None, name: str) -> str:
    value = None if found is None else getattr(found, name)
    return "" if value is None else _ms(value)


def _ms(value: float) -> str:
    return f"{value:,.1f}"


def _say(console: Console, text: str) -> None:
    say(console, text)
