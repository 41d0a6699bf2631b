"""Describes a plan for a person: sentences, a few short tables, and the first rows as they would be sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fanout.analysis.plan import Plan
from fanout.analysis.planned_rows import Sample
from fanout.report.wording import dollars, seconds_text
from fanout.text import count, escape

PAYLOAD_SHOWN = 500  # characters
_EXAMPLE_SHOWN = 200
_WAYS = {"inline": "inline", "s3": "via S3", "existing": "in S3 already"}
_HEX_SHOWN = 16  # bytes


def describe(plan: Plan) -> str:
    """Return what a run would come to, in lines that a terminal takes for nothing but text."""
    lines = [
        *_rows(plan),
        *_sizes(plan),
        *_calls(plan),
        *_time(plan),
        *_responses(plan),
        *(f"not known: {said}" for said in plan.not_asked),
        *(f"a run also needs: {said}" for said in plan.lacking),
        *(line for sample in plan.rows.samples for line in _sample(sample)),
    ]
    if plan.refused is not None:
        lines.append(f"a run would not begin: {plan.refused}")
    return "\n".join(map(escape, lines))


def _rows(plan: Plan) -> Iterator[str]:
    rows = plan.rows
    yield f"{count(rows.rows, 'row')}: {rows.sendable:,} would be sent, {rows.rejected.total():,} rejected"
    for code, number in rows.ranked():
        example = " ".join(rows.examples[code].split())[:_EXAMPLE_SHOWN]
        yield f"  {number:,} x {code}: {example}"


def _sizes(plan: Plan) -> Iterator[str]:
    rows = plan.rows
    lines = [
        (_WAYS[way], f"{number:,}", f"{rows.bytes_by_transport[way]:,}" if way != "existing" else "not known")
        for way, number in sorted(rows.by_transport.items())
    ]
    yield from _aligned(("transport", "rows", "payload bytes"), lines)
    p50, p99, largest = (rows.sizes.quantile(q) for q in (0.5, 0.99, 1.0))
    if p50 is not None:
        p999 = f", p99.9 {rows.sizes.p999:,}" if rows.sizes.p999 is not None else ""
        yield f"payloads: p50 {p50:,} bytes, p99 {p99:,}{p999}, largest {largest:,}"


def _calls(plan: Plan) -> Iterator[str]:
    lines = [(call.name, f"{call.count:,}", call.note) for call in plan.calls() if call.count]
    yield from _aligned(("call", "number", "of what"), lines, left=(2,))
    most = (
        f", up to {dollars(plan.dollars_most)} where messages arrive one by one"
        if plan.dollars_most > plan.dollars
        else ""
    )
    yield f"these requests cost {dollars(plan.dollars)} by [prices] if each row is served once{most}"


def _time(plan: Plan) -> Iterator[str]:
    times = plan.forecast
    if times.rate_s is not None:
        yield f"sending takes {seconds_text(times.rate_s)} at the configured rate"
    if times.seconds is not None and plan.service is not None:
        at_once = f"{times.slots:,} rows in the model at once"
        service = f"{plan.service.seconds:,.3g} s a row ({plan.service.source})"
        yield f"the run takes {seconds_text(times.seconds)}, with {at_once} and {service}"
    if times.instance_hours is not None:
        yield f"meanwhile {_instances(plan)} {_run(times.instance_hours)}{_cost(times.instance_dollars)}"
    yield from (f"not known: {said}" for said in times.unknown)


def _responses(plan: Plan) -> Iterator[str]:
    wanted = plan.responses
    if wanted.form != "bytes":
        yield f"responses are written as {wanted.form}; a row with another is invalid"
    lines = [
        (each.name, str(each.kind), each.path, "null where it is missing" if each.optional else "")
        for each in wanted.fields
    ]
    yield from _aligned(("column", "type", "of the response", ""), lines, left=(1, 2, 3))


def _instances(plan: Plan) -> str:
    endpoint = plan.described
    types = [] if endpoint is None else sorted(endpoint.instance_types.items())
    named = ", ".join(f"{number:,} x {kind}" for kind, number in types)
    return named or "the endpoint's instances"


def _run(hours: float) -> str:
    return f"run {hours:,.2f} instance hours" if hours >= 1 else f"run {hours:.4f} instance hours"


def _cost(value: float | None) -> str:
    return "" if value is None else f", which cost {dollars(value)}"


def _sample(sample: Sample) -> Iterator[str]:
    way = _WAYS[sample.transport]
    place = f" at {sample.location}" if sample.location is not None else ""
    name = f" (id {sample.id})" if sample.id is not None else ""
    kind = f", {sample.options.content_type}" if sample.options.content_type else ""
    yield f"row {sample.row:,}{name}, {way}{place}, {sample.payload_bytes:,} bytes{kind}:"
    if sample.transport == "existing":
        return
    text, encoding = sample.text()
    if encoding == "base64":
        start = sample.payload[:_HEX_SHOWN].hex(" ")
        yield f"  no text; it begins with the bytes {start}"
        return
    more = " ..." if len(text) > PAYLOAD_SHOWN or len(sample.payload) < sample.payload_bytes else ""
    yield f"  {text[:PAYLOAD_SHOWN]}{more}"


def _aligned(
    head: Sequence[str], lines: Sequence[Sequence[str]], *, left: Sequence[int] = ()
) -> Iterator[str]:
    """Yield a small table: the first column to the left, numbers to the right; nothing without lines."""
    if not lines:
        return
    table = [head, *lines]
    widths = [max(len(line[place]) for line in table) for place in range(len(head))]
    for line in table:
        cells = [
            cell.ljust(width) if place == 0 or place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield f"  {'  '.join(cells)}".rstrip()
