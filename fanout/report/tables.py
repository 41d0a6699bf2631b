"""Builds the tables of a report as text cells; terminal, Markdown and HTML share them, so that they cannot disagree."""

from __future__ import annotations

from dataclasses import dataclass

from fanout.analysis.comparison import Comparison, GroupResult
from fanout.analysis.quantiles import Interval, Quantiles
from fanout.report.document import Report
from fanout.report.figures.theme import NAMES
from fanout.text import escape

Row = tuple[str, ...]
_YES_NO = {True: "yes", False: "no", None: "unknown"}
_BY = {"inline": "inline", "s3": "via S3", "existing": "via S3, where they were before"}


@dataclass(frozen=True, slots=True)
class Table:
    """One table: `left` are the columns of words, which are aligned to the left.

    Its texts are those of files: a model, a topic or a name may have put into them what commands a terminal, or what
    turns the direction of a line. No form of the table holds that.
    """

    title: str
    head: Row
    rows: tuple[Row, ...]
    left: frozenset[int] = frozenset({0})

    def __post_init__(self) -> None:
        """Escape every text."""
        object.__setattr__(self, "title", escape(self.title))
        object.__setattr__(self, "rows", tuple(tuple(map(escape, row)) for row in self.rows))


def tiles(report: Report) -> tuple[tuple[str, str], ...]:
    """Return the few numbers that stand above everything, with their names."""
    counts, line = report.counts, report.timeline
    succeeded = counts.by_status.get("succeeded", 0)
    found = [
        ("rows", f"{counts.rows:,}"),
        ("succeeded", f"{succeeded:,}"),
        ("not succeeded", f"{counts.rows - succeeded:,}"),
    ]
    if line is not None:
        found.append(("duration", seconds_text(line.seconds)))
        if line.seconds > 0:
            found.append(("rows a second", f"{sum(line.ended) / line.seconds:,.1f}"))
    found.append(("throttled", "not recorded" if report.throttles is None else f"{report.throttles:,}"))
    again = counts.resends - counts.possible_resends
    found.append(("sent again", f"{again:,}"))
    if counts.possible_resends:
        found.append(("may have been sent twice", f"{counts.possible_resends:,}"))
    if counts.repeated > again:  # a row that the model failed and that was sent once more, too
        found.append(("rows with more than one request", f"{counts.repeated:,}"))
    found.append(("requests cost", dollars(report.cost.dollars)))
    return tuple(found)


def outcomes(report: Report) -> Table:
    """How many rows ended how."""
    counts = report.counts
    lines = [
        (kind, name, f"{number:,}", f"{100 * number / counts.rows:.2f} %" if counts.rows else "")
        for kind, numbers in (
            ("status", counts.by_status),
            ("transport", {NAMES.get(way, way): number for way, number in counts.by_way.items()}),
            ("noticed by", counts.by_source),
        )
        for name, number in sorted(numbers.items(), key=lambda item: -item[1])
    ]
    return Table("rows", ("", "", "rows", "share"), tuple(lines), frozenset({0, 1}))


def errors(report: Report) -> Table | None:
    """What went wrong, the most frequent first, with an example of each."""
    counts = report.counts
    if not counts.errors:
        return None
    lines = tuple(
        (
            f"{group.count:,}",
            group.code,
            group.status,
            f"row {group.row:,}: {' '.join(group.example.split())}",
        )
        for group in counts.errors
    )
    more = counts.error_codes - len(lines)
    title = "errors, with the first of each" + (f"; {more:,} rarer kinds are left out" if more else "")
    return Table(title, ("rows", "error", "status", "example"), lines, frozenset({1, 2, 3}))


def latencies(report: Report) -> Table | None:
    """Quantiles of every phase and transport, in milliseconds."""
    lines = []
    for phase in report.phases:
        for way in report.ways:
            spread = report.spread(phase, way)
            if spread is not None:
                values = (spread.p50, spread.p90, spread.p99, spread.max)
                lines.append((phase, NAMES[way], f"{spread.n:,}", *(ms(value) for value in values)))
    if not lines:
        return None
    head = ("phase", "transport", "rows", "p50", "p90", "p99", "max")
    return Table(_titled("latency in milliseconds", report), head, tuple(lines), frozenset({0, 1}))


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
    names = ("p50", "p90", "p99", "max")
    lines = []
    for phase, result in group.phases.items():
        head, saved = phase, difference(result.difference)
        for way, found in (("inline", result.inline), ("S3", result.s3)):
            if found is not None:
                lines.append((head, way, *(ms(getattr(found, name)) for name in names), *saved))
                head, saved = "", ("", "")
    title = _titled(f"{group.label}, {group.pairs:,} pairs, in milliseconds", report)
    columns = ("phase", "transport", *names, "inline saves", "95 % interval")
    return Table(title, columns, tuple(lines), frozenset({0, 1}))


def costs(report: Report) -> Table:
    """Dollars for requests."""
    cost = report.cost
    lines = [(f"rows that went {_BY[way]}", dollars(value)) for way, value in cost.by_way.items()]
    lines.append(("all requests", dollars(cost.dollars)))
    if cost.saved:
        lines.append(("saved, because they did not go via S3", dollars(cost.saved)))
    if cost.saveable:
        lines.append(("could be saved: went via S3 and would fit into a request", dollars(cost.saveable)))
    return Table(_titled("requests to S3, SNS and SQS", report), ("", "US dollars"), tuple(lines))


def files(report: Report) -> Table:
    """Where the rows come from."""
    lines = tuple(
        (file.path, file.run, file.endpoint or "", _YES_NO[file.simulated], f"{file.rows:,}")
        for file in report.files
    )
    return Table("files", ("file", "run", "endpoint", "simulated", "rows"), lines, frozenset({0, 1, 2, 3}))


def notes(report: Report) -> list[str]:
    """What a reader should know before anything else."""
    found = []
    if report.simulated:
        found.append("Simulated: these numbers are of the local AWS and say nothing about SageMaker.")
        unsaid = [file.path for file in report.files if file.simulated is None]
        found += [f"{path} does not say whether it is simulated, too." for path in unsaid]
    found += [f"Left out: {each.path} {each.why}." for each in report.left_out]
    experiment = report.experiment
    if experiment is not None:
        if experiment.verdict.limit == "client":
            found.append("Not measured: the client was the limit, not the service.")
        elif experiment.verdict.limit == "throttling":
            found.append("Not measured: throttling was the limit, not the service.")
        found += [_sentence(text) for text in (*experiment.verdict.reasons, *experiment.verdict.warnings)]
        if experiment.incomplete:
            found.append(f"{experiment.incomplete:,} pairs are left out: a request of theirs failed.")
    return [escape(note) for note in found]


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


def ms(value: float) -> str:
    """Return milliseconds for a table."""
    return f"{value:,.1f}"


def quantile(found: Quantiles | None) -> str:
    """Return a median, or nothing."""
    return "" if found is None else ms(found.p50)


def difference(found: Interval | None) -> tuple[str, str]:
    """Return a median difference and its interval."""
    if found is None:
        return "", ""
    return f"{found.median:+,.1f}", f"{found.low:+,.1f} to {found.high:+,.1f}"


def dollars(value: float) -> str:
    """Return money, with more digits where cents say nothing."""
    return f"${value:,.2f}" if value >= 1 or value == 0 else f"${value:.4f}"


def seconds_text(seconds: float) -> str:
    """Return a duration as people say it."""
    if seconds < 120:
        return f"{seconds:,.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _comparison(report: Report) -> Comparison | None:
    return report.experiment.comparison if report.experiment else None


def _titled(title: str, report: Report) -> str:
    return f"{title} (simulated)" if report.simulated else title


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
