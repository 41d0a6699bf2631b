"""Holds what a run would come to: the `--json` of `fanout plan`, and the calls by service.

Version 1, described in `docs/plan.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fanout.analysis.forecast import Forecast, ServiceTime
from fanout.analysis.planned_rows import PlannedRows, Sample
from fanout.analysis.prices import Requests
from fanout.domain.response_fields import TAKES_ANY, Responses
from fanout.errors import Exit
from fanout.ports import Endpoint
from fanout.text import count

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run would come to.

    Attributes:
        endpoint: Its name; None if none is named.
        region: Where it is; None if that is not known.
        described: What AWS says of it; None if it could not be asked, or refused.
        rows: The input.
        requests: What the rows that would be sent cause in the account, if each is served once.
        uploads_kept: Whether uploaded payloads stay in S3.
        dollars: What `requests` cost by `[prices]`.
        dollars_most: The same where messages trickle, and each poll brings one.
        service: The model's time; None if it is not known.
        forecast: How long it takes.
        refused: Why the endpoint would take no row; None if nothing is known against it.
        not_asked: What could not be asked of AWS, and why, a sentence each.
        lacking: What a run must be told besides.
        warnings: What else a person should know before the first row; logged, too.
        responses: What is wanted of every response.
    """

    endpoint: str | None
    region: str | None
    described: Endpoint | None
    rows: PlannedRows
    requests: Requests
    uploads_kept: bool
    dollars: float
    dollars_most: float
    service: ServiceTime | None
    forecast: Forecast
    refused: str | None
    not_asked: tuple[str, ...]
    lacking: tuple[str, ...]
    warnings: tuple[str, ...]
    responses: Responses = TAKES_ANY

    @property
    def exit(self) -> Exit:
        """4 if the endpoint would take no row, 3 if it would end with rows rejected, else 0."""
        if self.refused is not None:
            return Exit.PRECONDITION
        return Exit.ROWS_FAILED if self.rows.rejected else Exit.OK

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values: `docs/plan.md` describes the keys."""
        rows, sizes, times = self.rows, self.rows.sizes, self.forecast
        return {
            "version": VERSION,
            "exit_code": int(self.exit),
            "endpoint": self.endpoint,
            "region": self.region,
            "instances": None if self.described is None else self.described.instances,
            "instance_types": {} if self.described is None else dict(self.described.instance_types),
            "rows": rows.rows,
            "sendable": rows.sendable,
            "by_transport": dict(rows.by_transport),
            "payload_bytes": rows.payload_bytes,
            "payload_bytes_by_transport": dict(rows.bytes_by_transport),
            "sizes": {
                "p50": sizes.quantile(0.5),
                "p99": sizes.quantile(0.99),
                "p999": sizes.p999,
                "max": sizes.quantile(1.0),
            },
            "rejected": [
                {"code": code, "count": number, "example": rows.examples[code]}
                for code, number in rows.ranked()
            ],
            "requests": {call.name: call.count for call in self.calls()},
            "dollars": round(self.dollars, 6),
            "dollars_most": round(self.dollars_most, 6),
            "rate_seconds": _rounded(times.rate_s),
            "service_seconds": None if self.service is None else _rounded(self.service.seconds),
            "service_from": None if self.service is None else self.service.source,
            "seconds": _rounded(times.seconds),
            "instance_hours": _rounded(times.instance_hours),
            "instance_dollars": _rounded(times.instance_dollars),
            "unknown": list(times.unknown),
            "refused": self.refused,
            "not_asked": list(self.not_asked),
            "lacking": list(self.lacking),
            "warnings": list(self.warnings),
            "response": self.responses.form,
            "fields": [
                {"name": each.name, "path": each.path, "type": str(each.kind), "optional": each.optional}
                for each in self.responses.fields
            ],
            "first_rows": [_shown(sample) for sample in rows.samples],
        }

    def calls(self) -> Sequence[Call]:
        """Return the calls by service, those of SageMaker and SNS included."""
        asked, uploads = self.requests, self.rows.by_transport["s3"]
        rows = asked.invocations
        messages = asked.publishes if asked.sqs else 0  # no queue of ours listens
        polls = (asked.sqs - messages) // 2
        deletes = 0 if self.uploads_kept else asked.deletes
        parts = f" in parts ({self.rows.parts:,} calls more)" if self.rows.parts else ""
        outputs, payloads = count(rows, "output"), count(asked.gets - rows, "payload")
        return (
            Call("sagemaker:InvokeEndpointAsync", rows, ""),
            Call("s3:PutObject", asked.puts, f"{count(uploads, 'upload')}{parts}, {outputs} by SageMaker"),
            Call("s3:GetObject", asked.gets, f"{outputs}, {payloads} by SageMaker"),
            Call("s3:DeleteObjects", deletes, "of uploads, a thousand a call"),
            Call("sns:Publish", asked.publishes, "by SageMaker"),
            Call("sqs:SendMessage", messages, "by SNS"),
            Call(
                "sqs:ReceiveMessage",
                polls,
                f"at best: ten messages a call; up to {messages:,} where they arrive one by one",
            ),
            Call("sqs:DeleteMessageBatch", polls, "estimated: ten messages a call"),
        )


@dataclass(frozen=True, slots=True)
class Call:
    """One kind of call: `SERVICE:OPERATION`, how many of it, and of what they are."""

    name: str
    count: int
    note: str


def _shown(sample: Sample) -> dict[str, Any]:
    options = {name: value for name, value in asdict(sample.options).items() if value is not None}
    text, encoding = sample.text()
    return {
        "row": sample.row,
        "id": sample.id,
        "transport": sample.transport,
        "location": sample.location,
        "payload_bytes": sample.payload_bytes,
        "payload": text,
        "payload_encoding": encoding,
        "options": options,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
