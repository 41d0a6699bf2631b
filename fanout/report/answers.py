"""Answers the ten questions with which people open a report, each in a sentence or two, and names where more stands."""

from __future__ import annotations

from dataclasses import dataclass

from fanout.report.document import Report
from fanout.report.next_steps import next_steps
from fanout.report.wording import (
    account_text,
    difference,
    hours_text,
    instances_text,
    ms,
    percent,
    period_text,
    sentence,
)
from fanout.report.wording import dollars as money

SEPARATOR = "; "


@dataclass(frozen=True, slots=True)
class Answer:
    """A question, its answer, and the section of the page that says more."""

    question: str
    answer: str
    section: str


def answers(report: Report) -> tuple[Answer, ...]:
    """Return the ten answers."""
    return (
        Answer("When?", _when(report), "provenance"),
        Answer("Where?", _where(report), "provenance"),
        Answer("Against what?", _against(report), "compared" if report.earlier else "gates"),
        Answer("Did my gate pass?", _gates(report), "gates"),
        Answer("Which size to switch at?", _size(report), "experiment" if report.experiment else "sizes"),
        Answer("Why is the p99 high?", _tail(report), "latency"),
        Answer("What failed?", _failed(report), "outcomes"),
        Answer("What did it cost?", _cost(report), "cost"),
        Answer("Did the client limit it?", _client(report), "client"),
        Answer("What do I do next?", " ".join(next_steps(report)), "outcomes"),
    )


def _when(report: Report) -> str:
    line = report.timeline
    return "Not known: no row was sent." if line is None else period_text(line.start_s, line.seconds) + "."


def _where(report: Report) -> str:
    simulated = " This was the local AWS, not an endpoint of SageMaker." if report.simulated else ""
    names = sorted({file.endpoint for file in report.files if file.endpoint})
    if len(names) != 1:
        return (
            f"{len(names)} endpoints: {', '.join(names)}." if names else "The output does not say."
        ) + simulated
    said = report.place
    if said is None:
        return f"Endpoint {names[0]}. Its account, region and instances are not known.{simulated}"
    account, region = account_text(said), said.region or "a region that is not known"
    return f"Endpoint {names[0]} in {region}, account {account}, {instances_text(said)}.{simulated}"


def _against(report: Report) -> str:
    if report.earlier is not None:
        return f"Against {report.earlier.report.files[0].path}: {comparison_text(report)}"
    against = report.bench.against if report.bench is not None else None
    if against is not None:
        totals = [each for each in against.changes if each.phase == "total" and each.way != "difference"]
        told = SEPARATOR.join(
            f"{each.way} {each.verdict} ({each.change:+,.1f} ms, {each.low:+,.1f} to {each.high:+,.1f})"
            for each in totals
        )
        return f"Against {against.path}: total latency {told or 'not compared, as the service was not measured'}."
    if report.experiment is not None:
        return "Inline against S3, pair by pair. There is no earlier experiment: name one with fanout bench --baseline."
    return "Nothing: no earlier run was named (fanout report EARLIER THIS --compare)."


def comparison_text(report: Report) -> str:
    """Return how whole latencies changed against the earlier run, in a sentence."""
    assert report.earlier is not None
    found = report.earlier.comparison
    told = SEPARATOR.join(
        f"{each.way} {each.verdict} ({' ms, '.join(difference(each.change))})"
        for each in found.changes
        if each.phase == "total" and each.change is not None
    )
    how = (
        f"{found.pairing.shared:,} rows paired by {found.pairing.key}"
        if found.pairing.key
        else "medians, not pairs"
    )
    return f"total latency: {told}, by {how}." if told else "the total latencies cannot be compared."


def _gates(report: Report) -> str:
    gates = report.gates
    if gates is None:
        record = "; bench.json does not stand beside the output" if report.experiment is not None else ""
        return f"No condition was given (--fail-if){record}."
    if not gates.failed:
        return f"Yes: all {len(gates.checks)} conditions passed."
    told = SEPARATOR.join(f"{each.text}: {each.found}" for each in gates.failed)
    return f"No: {len(gates.failed)} of {len(gates.checks)} conditions failed. {told}."


def _size(report: Report) -> str:
    if report.experiment is None:
        return "A run cannot tell, as no row went both ways: fanout bench finds the size."
    comparison = report.experiment.comparison
    if comparison is None:
        return "Not told: the service was not measured."
    return sentence(str(comparison.crossing))


def _tail(report: Report) -> str:
    if report.withheld:
        return "Not told: the service was not measured."
    found = report.tail
    if found is None:
        return "Not told: under 100 rows succeeded, or all took equally long."
    phase, share = found.worst
    name = phase if phase.startswith("between") else f"in {phase}"
    text = (
        f"The {found.rows:,} slowest rows ({ms(found.from_ms)} ms or more) take {ms(found.excess_ms)} ms longer than "
        f"the others on average, {percent(share)} of that {name}."
    )
    shifts = report.over_time.shifts if report.over_time is not None else ()
    return " ".join([text, *(shift_text(report, each.kind) for each in shifts)])


def shift_text(report: Report, kind: str) -> str:
    """Return what is told of a cold start or a drift, in a sentence."""
    assert report.over_time is not None
    shift = next(each for each in report.over_time.shifts if each.kind == kind)
    which = "first tenth of the rows" if kind == "cold start" else "last tenth of the rows"
    other = "the others" if kind == "cold start" else "the second tenth"
    return (
        f"{kind.capitalize()}: the {which} took {shift.ratio:.1f} times as long as {other} "
        f"(medians {ms(shift.median_ms)} and {ms(shift.against_ms)} ms)."
    )


def _failed(report: Report) -> str:
    counts = report.counts
    failed = counts.rows - counts.by_status.get("succeeded", 0)
    if not failed:
        return f"Nothing: all {counts.rows:,} rows succeeded."
    told = SEPARATOR.join(f"{each.count:,} x {each.code} ({each.status})" for each in counts.errors[:3])
    more = f" and {counts.error_codes - 3} more kinds" if counts.error_codes > 3 else ""
    return f"{failed:,} of {counts.rows:,} rows ({percent(failed / counts.rows)}): {told}{more}."


def _cost(report: Report) -> str:
    cost, used = report.cost, report.cost.instances
    text = f"{money(cost.dollars)} for requests to S3, SNS and SQS, without the endpoint's instances"
    if used is None:
        return f"{text}, which are not known."
    priced = f", {money(used.dollars)} by [prices.instances]" if used.dollars is not None else ""
    return f"{text} (about {hours_text(used.hours)}{priced})."


def _client(report: Report) -> str:
    if report.experiment is not None:
        verdict = report.experiment.verdict
        if verdict.limit is None:
            late = f"{percent(verdict.late_share)} of the requests left more than {verdict.late_ms:g} ms late"
            return f"No: {late}."
        return (
            f"{sentence({'client': 'yes'}.get(verdict.limit, 'not the client, but ' + verdict.limit))} "
            + " ".join(map(sentence, verdict.reasons))
        )
    found = report.client
    if found is None:
        return "Nothing was sent."
    late = f"{percent(found.late_share)} of the requests left more than 10 ms after they were due"
    if found.limit == "client":
        return f"Yes: {late}, so latencies hold waiting in this client."
    if found.limit == "throttling":
        return f"Not the client, but throttling: {late}; the endpoint said to slow down {report.throttles:,} times."
    if found.limit == "window":
        return (
            f"The window did: {found.in_flight_max:,} rows were in flight and {found.window:,} may be, so new rows "
            "waited for results."
        )
    unsure = ", so the upper percentiles hold waiting in this client" if found.warns else ""
    return f"No: {late}{unsure}."
