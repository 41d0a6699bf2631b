"""Builds the tables of what stands side by side: inline and S3, an experiment and its baseline, two runs."""

from __future__ import annotations

from fanout.analysis.comparison import Comparison, GroupResult
from fanout.analysis.quantiles import Quantiles
from fanout.report.document import Report
from fanout.report.table import NAMES, Row, Table, titled
from fanout.report.tables import QUANTILES, tiles
from fanout.report.wording import difference, dollars, ms


def pairs_by_size(report: Report) -> Table | None:
    """The experiment's whole latencies, size by size."""
    comparison = _comparison(report)
    if comparison is None:
        return None
    lines = []
    for group in (*comparison.groups, comparison.everything):
        total = group.phases["total"]
        medians = (quantile(total.inline), quantile(total.s3))
        lines.append((group.label, f"{group.pairs:,}", *medians, *difference(total.difference)))
    head = ("payload", "pairs", "inline p50", "S3 p50", "inline saves", "95 % interval")
    return Table(_titled("whole latency by payload, in milliseconds", report), head, tuple(lines))


def pairs_by_phase(report: Report, group: GroupResult) -> Table:
    """The experiment's phases for one group of pairs."""
    names = ("p50", "p90", "p99", "p999", "max")
    lines = []
    for phase, result in group.phases.items():
        head, saved = phase, difference(result.difference)
        for way, found in (("inline", result.inline), ("S3", result.s3)):
            if found is not None:
                lines.append((head, way, *(ms(getattr(found, name)) for name in names), *saved))
                head, saved = "", ("", "")
    title = _titled(f"{group.label}, {group.pairs:,} pairs, in milliseconds", report)
    columns = ("phase", "transport", *QUANTILES, "inline saves", "95 % interval")
    return Table(title, columns, tuple(lines), frozenset({0, 1}))


def saved_text(report: Report) -> str | None:
    """What a million rows save, in a sentence."""
    saved = report.experiment.savings if report.experiment else None
    if saved is None:
        return None
    return (
        f"Per million rows, inline saves {saved.puts:,} PUTs, {saved.gets:,} GETs by SageMaker and "
        f"{dollars(saved.dollars)}: {dollars(saved.inline_dollars)} for requests instead of "
        f"{dollars(saved.s3_dollars)}."
    )


def baseline(report: Report) -> tuple[Table, ...]:
    """An experiment's medians against those of its baseline, and in what the two differ besides."""
    against = report.bench.against if report.bench is not None else None
    if against is None:
        return ()
    lines = tuple(
        (
            each.phase, NAMES.get(each.way, each.way), ms(each.before), ms(each.now), f"{each.change:+,.1f}",
            f"{each.low:+,.1f} to {each.high:+,.1f}", each.verdict,
        )
        for each in against.changes
    )  # fmt: skip
    head = ("phase", "transport", "then", "now", "change", "95 % interval", "verdict")
    title = _titled(f"medians against {against.path}, in milliseconds", report)
    return (Table(title, head, lines, frozenset({0, 1, 6})), *_differing(against.differs_in))


def compared_runs(report: Report) -> tuple[Table, ...]:
    """A run against an earlier one: what became of the rows, latencies, statuses that changed, settings."""
    if report.earlier is None:
        return ()
    then, found = report.earlier.report, report.earlier.comparison
    one, other = dict(tiles(then)), dict(tiles(report))
    both = tuple((name, one.get(name, ""), other.get(name, "")) for name in dict.fromkeys((*one, *other)))
    made = [Table("both runs", ("", "then", "now"), both), _changes(report)]
    if found.pairing.moved:
        lines = tuple((then_, now, f"{number:,}") for then_, now, number in found.pairing.moved)
        made.append(
            Table(
                "rows that ended differently in the two runs",
                ("then", "now", "rows"),
                lines,
                frozenset({0, 1}),
            )
        )
    return (*made, *_differing(found.settings))


def pairing_text(report: Report) -> str:
    """Which rows were compared, in a sentence; nothing without an earlier run."""
    if report.earlier is None:
        return ""
    pairing = report.earlier.comparison.pairing
    if pairing.key is None:
        return f"Medians are compared, not rows: {pairing.why}. Differences of a few rows can look like a change."
    alone = f"{pairing.only_before:,} are only in the earlier one, {pairing.only_now:,} only in this one"
    return f"{pairing.shared:,} rows are in both runs, matched by {pairing.key}; {alone}."


def _changes(report: Report) -> Table:
    assert report.earlier is not None
    then, found = report.earlier.report, report.earlier.comparison
    lines: list[Row] = []
    for each in found.changes:
        sides = then.spread(each.phase, each.way), report.spread(each.phase, each.way)
        if sides == (None, None):
            continue
        quantiles = [
            ms(getattr(side, name)) if side is not None else ""
            for name in ("p50", "p99", "p999")
            for side in sides
        ]
        pairs = "" if each.pairs is None else f"{each.pairs:,}"
        lines.append((each.phase, NAMES[each.way], *difference(each.change), each.verdict, pairs, *quantiles))
    head = (
        "phase", "transport", "change", "95 % interval", "verdict", "pairs", "p50 then", "p50 now", "p99 then",
        "p99 now", "p99.9 then", "p99.9 now",
    )  # fmt: skip
    title = _titled("latency then and now, in milliseconds; change of the median", report)
    return Table(title, head, tuple(lines), frozenset({0, 1, 4}))


def _differing(lines: tuple[tuple[str, str, str], ...]) -> tuple[Table, ...]:
    if not lines:
        return ()
    head = ("setting", "then", "now")
    return (
        Table("settings in which the two runs differ", head, lines, frozenset({0, 1, 2}), frozenset({1, 2})),
    )


def quantile(found: Quantiles | None) -> str:
    """Return a median, or nothing."""
    return "" if found is None else ms(found.p50)


def _comparison(report: Report) -> Comparison | None:
    return report.experiment.comparison if report.experiment else None


def _titled(title: str, report: Report) -> str:
    return titled(title, simulated=report.simulated)
