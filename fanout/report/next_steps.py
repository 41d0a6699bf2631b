"""Says what a person can do next about what a report found, the most urgent first."""

from __future__ import annotations

from fanout.report.document import Report
from fanout.report.wording import sentence
from fanout.text import count, quoted

BY_PHASE = {
    "wait": "This client kept rows waiting: raise `--concurrency`, or give this machine less to do.",
    "retry": "Rows were sent again after a failure: look for them in the model's log, and see `retry.patterns`.",
    "upload": "Uploads are slow: raise `transport.uploads`, or run in the bucket's region.",
    "invoke": "Requests are slow to be accepted: run in the endpoint's region, and look at this machine's network.",
    "service": "The endpoint takes the time, its queue included: give it more instances, or lower `--rate`.",
    "notify": "Results are announced late: SNS and SQS take this time. It also holds the difference of two clocks.",
    "fetch": "Results are slow to fetch: raise `collect.fetches`, or run in the bucket's region.",
}
"""What can be done about the phase in which rows spend their time."""


def next_steps(report: Report) -> list[str]:
    """Return the next steps as sentences; one that says that there is none, if so."""
    found = [*_limits(report), *_failures(report), *_gates(report), *_size(report)]
    if report.tail is not None and not report.withheld and (found or report.gates is not None):
        step = BY_PHASE.get(report.tail.worst[0])
        found += [f"For a lower p99: {step}"] if step else []
    return found or ["Nothing is left to do: every row succeeded."]


def _limits(report: Report) -> list[str]:
    if report.withheld and report.experiment is not None:
        return [sentence(each) for each in report.experiment.verdict.reasons]
    limit = report.client.limit if report.client is not None else None
    return {
        "client": ["Lower `--rate`, raise `--concurrency`, or give this machine less to do."],
        "throttling": ["Lower `--rate`, or give the endpoint more instances."],
        "window": [
            "Raise `--window` if the endpoint is idle between rows; otherwise give it more instances."
        ],
    }.get(limit or "", [])


def _failures(report: Report) -> list[str]:
    errors = report.counts.errors
    if not errors:
        return []
    if report.experiment is not None:
        return [f"{errors[0].code}: {errors[0].next}"]
    most = "the most frequent error, " if report.counts.error_codes > 1 else ""
    first = f"First deal with {most}{errors[0].code} ({count(errors[0].count, 'row')}): {errors[0].next}"
    if report.counts.by_status.keys() <= {"succeeded", "rejected"}:
        return [first]  # a retry would read and reject the same rows
    failed = report.counts.rows - report.counts.by_status.get("succeeded", 0)
    again = "it" if failed == 1 else f"all {failed:,} rows that did not succeed"
    return [f"{first} To send {again} again, run: `fanout retry {quoted(report.files[0].path)} -o FILE`."]


def _gates(report: Report) -> list[str]:
    failed = report.gates.failed if report.gates is not None else ()
    return [f"A gate failed ({failed[0].text}): {failed[0].found}."] if failed else []


def _size(report: Report) -> list[str]:
    comparison = report.experiment.comparison if report.experiment is not None else None
    if comparison is None:
        return []
    crossing = comparison.crossing
    if crossing.kind == "crosses" and crossing.below == "inline":
        most = crossing.at_bytes
        return [f"Send payloads of up to {most:,} bytes inline: `transport.inline_max_bytes = {most}`."]
    if crossing.kind == "inline":
        return ["Leave `--transport` at `auto`: it sends inline what fits into a request."]
    if crossing.kind == "s3":
        return ["Send via S3: `--transport s3`. It takes more requests (see Cost)."]
    return ["Measure more pairs: `--pairs`, or `--until 2ms`."]
