"""Builds the tables of a run's report; terminal, Markdown and HTML share them, so that they cannot disagree."""

from __future__ import annotations

import shlex

from fanout.analysis.units import size_text
from fanout.report.answers import shift_text
from fanout.report.cost import NOT_COUNTED
from fanout.report.document import Report
from fanout.report.next_steps import BY_PHASE
from fanout.report.table import NAMES, Row, Table, titled
from fanout.report.wording import (
    account_text,
    dollars,
    hours_text,
    instances_text,
    ms,
    percent,
    period_text,
    seconds_text,
    sentence,
    setting_text,
)
from fanout.text import escape

_YES_NO = {True: "yes", False: "no", None: "unknown"}
_BY = {"inline": "inline", "s3": "via S3", "existing": "via S3, where they were before"}
UNKNOWN = "not known"
QUANTILES = ("p50", "p90", "p99", "p99.9", "max")


def tiles(report: Report) -> tuple[tuple[str, str], ...]:
    """Return the few numbers that stand above everything, with their names."""
    counts, line = report.counts, report.timeline
    succeeded = counts.by_status.get("succeeded", 0)
    found = [
        ("rows", f"{counts.rows:,}"),
        ("succeeded", f"{succeeded:,}"),
        ("not succeeded", f"{counts.rows - succeeded:,}"),
    ]
    if counts.warmup:
        found.append(("of them warm-up", f"{counts.warmup:,}"))
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


def provenance(report: Report) -> Table:
    """When, where, by which command and settings."""
    said, place, line = report.provenance, report.place, report.timeline
    endpoints = ", ".join(dict.fromkeys(file.endpoint or UNKNOWN for file in report.files))
    lines: list[Row] = [
        ("when", UNKNOWN if line is None else period_text(line.start_s, line.seconds)),
        ("endpoint", endpoints),
        ("account", UNKNOWN if place is None else account_text(place)),
        ("region", UNKNOWN if place is None else place.region or UNKNOWN),
        ("instances at the start", UNKNOWN if place is None else instances_text(place)),
    ]
    commands = [shlex.join(command) for command in said.commands] if said is not None else []
    unsaid = UNKNOWN if said is None else "none: a program called the library"
    lines += [
        ("command" if number == 0 else "then", text) for number, text in enumerate(commands or [unsaid])
    ]
    made = "an earlier version of fanout, which recorded neither command nor settings"
    if said is not None:
        made = f"fanout {said.fanout}" + (f", Python {said.python}" if said.python else "")
    elif len(report.files) > 1:
        made = "several runs: report on one of them to see its command and settings"
    lines.append(("made by", made))
    if said is not None and said.retry_of is not None:
        lines.append(("failed rows of", f"run {said.retry_of}"))
    return Table("", ("", ""), tuple(lines), frozenset({0, 1}), frozenset({1}))


def settings(report: Report) -> Table | None:
    """The settings in force; None where they were not recorded."""
    said = report.provenance
    if said is None:
        return None
    changed = {
        f"{section}.{key}": value for section, keys in said.settings.items() for key, value in keys.items()
    }
    lines = [
        (
            name,
            setting_text(changed.get(name, said.in_force.get(name))),
            "set" if name in changed else "default",
        )
        for name in dict.fromkeys((*said.in_force, *changed))
    ]
    return Table("", ("setting", "value", ""), tuple(lines), frozenset({0, 1, 2}), frozenset({1}))


def gates(report: Report) -> Table | None:
    """The conditions of `--fail-if`, with what was found."""
    if report.gates is None:
        return None
    lines = tuple(
        (
            "FAILED" if each.fails and each.measured else "NOT MEASURED" if each.fails else "passed",
            each.text,
            each.found,
        )
        for each in report.gates.checks
    )
    return Table("conditions", ("verdict", "condition", "found"), lines, frozenset({0, 1, 2}), frozenset({2}))


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
    return Table("how rows ended", ("", "", "rows", "share"), tuple(lines), frozenset({0, 1}))


def errors(report: Report) -> Table | None:
    """What went wrong, the most frequent first, with rows, an example and the next step of each."""
    counts = report.counts
    if not counts.errors:
        return None
    lines = []
    for group in counts.errors:
        named = ", ".join(_named(each.row, each.id) for each in group.rows)
        more = f" and {group.count - len(group.rows):,} more" if group.count > len(group.rows) else ""
        example = f"row {group.row:,}: {' '.join(group.example.split())}"
        lines.append((f"{group.count:,}", group.code, group.status, f"{named}{more}", example, group.next))
    rarer = counts.error_codes - len(lines)
    title = "errors, with the first rows of each" + (f"; {rarer:,} rarer kinds are left out" if rarer else "")
    head = ("rows", "error", "status", "which", "example", "next step")
    return Table(title, head, tuple(lines), frozenset({1, 2, 3, 4, 5}), frozenset({3, 4, 5}))


def latencies(report: Report) -> Table | None:
    """Quantiles of every phase and transport, in milliseconds."""
    lines = []
    for phase in report.phases:
        for way in report.ways:
            spread = report.spread(phase, way)
            if spread is not None:
                values = (spread.p50, spread.p90, spread.p99, spread.p999, spread.max)
                lines.append((phase, NAMES[way], f"{spread.n:,}", *(ms(value) for value in values)))
    if not lines:
        return None
    head = ("phase", "transport", "rows", *QUANTILES)
    named = ", warm-up left out" if report.counts.warmup else ""
    return Table(_titled(f"latency in milliseconds{named}", report), head, tuple(lines), frozenset({0, 1}))


def sizes(report: Report) -> Table | None:
    """Whole latencies by payload size."""
    if len({(each.from_bytes, each.to_bytes) for each in report.sizes}) < 2:
        return None
    lines = tuple(
        (
            size_text(each.to_bytes)
            if each.from_bytes == each.to_bytes
            else f"up to {size_text(each.to_bytes)}",
            NAMES[each.way],
            f"{each.n:,}",
            *(ms(value) for value in (each.p50, each.p90, each.p99, each.p999)),
        )
        for each in report.sizes
    )
    head = ("payload", "transport", "rows", *QUANTILES[:4])
    return Table(_titled("whole latency by payload, in milliseconds", report), head, lines, frozenset({0, 1}))


def slowest(report: Report) -> Table | None:
    """The slowest rows, with the phase that took the most of each."""
    if not report.slowest:
        return None
    named = any(each.id for each in report.slowest)
    lines = tuple(
        (
            f"{each.row:,}",
            *((each.id or "",) if named else ()),
            each.status,
            NAMES.get(each.way or "", ""),
            size_text(each.payload_bytes),
            ms(each.total_ms),
            f"{each.phase}, {ms(each.phase_ms)} ms",
            each.inference_id or "",
        )
        for each in report.slowest
    )
    rest = ("status", "transport", "payload", "total ms", "longest phase", "inference id")
    title = _titled("the slowest rows", report)
    if not named:
        return Table(title, ("row", *rest), lines, frozenset({1, 2, 5, 6}))
    return Table(title, ("row", "id", *rest), lines, frozenset({1, 2, 3, 6, 7}), frozenset({1}))


def single_rows(report: Report) -> Table | None:
    """How long each phase of the rows took whose phases are drawn one by one."""
    if not report.waterfalls:
        return None
    phases = list(dict.fromkeys(bar.phase for each in report.waterfalls for bar in each.bars))
    lines = []
    for each in report.waterfalls:
        took = {bar.phase: ms(bar.to_ms - bar.from_ms) for bar in each.bars}
        spent = (took.get(phase, "") for phase in phases)
        size = size_text(each.payload_bytes)
        lines.append((each.which, NAMES[each.way], f"{each.row:,}", size, *spent, ms(each.total_ms)))
    head = ("", "transport", "row", "payload", *phases, "total")
    title = _titled("milliseconds of each phase", report)
    return Table(title, head, tuple(lines), frozenset({0, 1}))


def slowest_steps(report: Report) -> tuple[str, ...]:
    """What can be done about the slowest rows, by the phase that took the longest of each."""
    phases = dict.fromkeys(each.phase for each in report.slowest)
    steps = tuple(f"{phase}: {BY_PHASE[phase]}" for phase in phases)
    return ("Next step, by the longest phase:", *steps) if steps else ()


def tail(report: Report) -> Table | None:
    """What the slowest hundredth takes longer than the others, phase by phase."""
    found = report.tail
    if found is None:
        return None
    lines = tuple(
        (phase, f"{more:+,.1f}", percent(more / found.excess_ms))
        for phase, more in found.by_phase
        if abs(more) >= 0.05
    )
    title = f"what the {found.rows:,} slowest rows take longer than the others, on average"
    return Table(_titled(title, report), ("phase", "ms", "share"), lines)


def shifts(report: Report) -> list[str]:
    """What is told of a cold start and of drift, in sentences."""
    found = report.over_time
    if found is None:
        return []
    if not found.judged:
        return ["Under 200 rows succeeded: too few to tell a cold start or a drift from chance."]
    told = [shift_text(report, each.kind) for each in found.shifts]
    return told or [
        "No cold start and no drift: the first and the last tenth of the rows took as long as others."
    ]


def by_time(report: Report) -> Table | None:
    """Whole latencies by when rows were due, step by step."""
    found = report.over_time
    if found is None or len(found.steps) < 2:
        return None
    lines = tuple(
        (
            seconds_text(step.from_s),
            f"{step.n:,}",
            *(ms(value) for value in (step.p50, step.p90, step.p99, step.p999)),
        )
        for step in found.steps
    )
    title = f"whole latency in milliseconds, by when rows were due, {seconds_text(found.step_s)} a step"
    return Table(_titled(title, report), ("since the start", "rows", *QUANTILES[:4]), lines)


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


def not_counted(report: Report) -> list[str]:
    """What the dollars leave out, the instances first."""
    used = report.cost.instances
    if used is None:
        return ["the endpoint's instances, which are not known", *NOT_COUNTED]
    types = ", ".join(f"{number} x {kind}" for kind, number in used.types.items())
    priced = f": {dollars(used.dollars)} by [prices.instances]" if used.dollars is not None else ""
    return [f"the endpoint's instances: {types}, {hours_text(used.hours)}{priced}", *NOT_COUNTED]


def files(report: Report) -> Table:
    """Where the rows come from."""
    lines = tuple(
        (file.path, file.run, file.endpoint or "", _YES_NO[file.simulated], f"{file.rows:,}")
        for file in report.files
    )
    head = ("file", "run", "endpoint", "simulated", "rows")
    return Table("", head, lines, frozenset({0, 1, 2, 3}), frozenset({0}))


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
        found += [sentence(text) for text in (*experiment.verdict.reasons, *experiment.verdict.warnings)]
        if experiment.incomplete:
            found.append(f"{experiment.incomplete:,} pairs are left out: a request of theirs failed.")
    if report.client is not None and report.client.limit == "client":
        found.append(
            f"{report.client.late_share:.0%} of the requests left more than 10 ms after they were due: latencies hold "
            "waiting in this client, and say less about the service."
        )
    return [escape(note) for note in found]


def _named(row: int, ident: str | None) -> str:
    return f"{row:,}" if ident is None else f"{row:,} ({ident})"


def _titled(title: str, report: Report) -> str:
    return titled(title, simulated=report.simulated)
