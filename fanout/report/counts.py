"""Counts how many rows ended how, and what went wrong, with an example of each; a fold over batches."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from fanout.analysis.outputs import Outputs
from fanout.domain.row_remedies import row_remedy

ERRORS_MAX = 50
ROWS_MAX = 5  # that an error names; the output has all of them
EXAMPLE_MAX = 300


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """A row that ended with an error; `id` is the user's, None if there is none."""

    row: int
    id: str | None


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Rows that ended with one error code; `example` is the message of the first, of row `row`.

    Attributes:
        rows: The first of them, at most `ROWS_MAX`.
        next: What a person can do about them.
    """

    code: str
    status: str
    count: int
    row: int
    example: str
    rows: tuple[ErrorRow, ...] = ()
    next: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened.

    Attributes:
        by_way: Rows by transport; rows that were never sent have none.
        repeated: Rows that took more than one request.
        resends: Requests that were sent, or may have been, while an earlier one might have been accepted.
        possible_resends: Those of them before which no request certainly left.
        failed_by_way: Of the rows by transport, those that did not succeed.
        warmup: Rows of an experiment that count in no latency.
        errors: The most frequent first, at most `ERRORS_MAX`.
        error_codes: How many different codes there are.
    """

    rows: int
    by_status: dict[str, int]
    by_way: dict[str, int]
    by_source: dict[str, int]
    payload_bytes: int
    repeated: int
    resends: int
    possible_resends: int
    errors: tuple[ErrorGroup, ...]
    error_codes: int
    failed_by_way: dict[str, int] = field(default_factory=dict)
    warmup: int = 0


_COLUMNS = ("status", "transport", "payload_bytes", "attempts", "possible_attempts", "resends", "noticed_by")


def count(outputs: Outputs) -> Counts:
    """Return what happened to the rows."""
    status: Counter[str] = Counter()
    way: Counter[str] = Counter()
    source: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    payload = repeated = resends = possible = 0
    for batch in outputs.batches(_COLUMNS):
        for counter, name in ((status, "status"), (way, "transport"), (source, "noticed_by")):
            counter.update(_values(batch.column(name)))
        failed.update(
            _values(batch.column("transport").filter(pc.not_equal(batch.column("status"), "succeeded")))
        )
        unsure = pc.fill_null(batch.column("possible_attempts"), 0)  # an earlier version did not record it
        payload += pc.sum(batch.column("payload_bytes")).as_py() or 0
        resends += pc.sum(batch.column("resends")).as_py() or 0
        possible += pc.sum(pc.min_element_wise(batch.column("resends"), unsure)).as_py() or 0
        repeated += pc.sum(pc.greater(batch.column("attempts"), 1)).as_py() or 0
    errors, codes = _errors(outputs)
    return Counts(
        rows=status.total(),
        by_status=dict(status),
        by_way=dict(way),
        by_source=dict(source),
        payload_bytes=payload,
        repeated=repeated,
        resends=resends,
        possible_resends=possible,
        errors=errors,
        error_codes=codes,
        failed_by_way=dict(failed),
        warmup=0 if outputs.measured is None else status.total() - outputs.count(outputs.measured),
    )


def _errors(outputs: Outputs) -> tuple[tuple[ErrorGroup, ...], int]:
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], tuple[int, str]] = {}
    rows: defaultdict[tuple[str, str], list[ErrorRow]] = defaultdict(list)
    columns = ("row", "id", "status", "error_code", "error_message")
    for batch in outputs.batches(columns, where=pc.field("status") != "succeeded"):
        table = pa.Table.from_batches([batch])
        keys = ["error_code", "status"]
        grouped = table.group_by(keys, use_threads=False)
        for line in grouped.aggregate([("row", "count"), ("row", "min")]).to_pylist():
            key = (line["error_code"] or "Unknown", line["status"])
            counts[key] += line["row_count"]
            if key not in first or line["row_min"] < first[key][0]:
                place = pc.index(batch.column("row"), line["row_min"]).as_py()
                message = batch.column("error_message")[place].as_py() or ""
                first[key] = (line["row_min"], message[:EXAMPLE_MAX])
            if len(rows[key]) < ROWS_MAX:
                rows[key] += _some(table, line["error_code"], line["status"], most=ROWS_MAX - len(rows[key]))
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    groups = tuple(
        ErrorGroup(
            code,
            status,
            number,
            *first[code, status],
            rows=tuple(rows[code, status]),
            next=row_remedy(code, status),
        )
        for (code, status), number in ranked[:ERRORS_MAX]
    )
    return groups, len(counts)


def _some(table: pa.Table, code: str | None, status: str, *, most: int) -> list[ErrorRow]:
    """Return the first rows of a batch that ended so."""
    same = pc.is_null(table["error_code"]) if code is None else pc.equal(table["error_code"], code)
    found = table.filter(pc.and_(same, pc.equal(table["status"], status))).select(["row", "id"])
    return [ErrorRow(row["row"], row["id"]) for row in found.slice(0, most).to_pylist()]


def _values(column: pa.Array) -> dict[str, int]:
    counted = pc.value_counts(pc.drop_null(column)).to_pylist()
    return {line["values"]: line["counts"] for line in counted}
