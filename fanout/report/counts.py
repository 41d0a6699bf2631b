"""Counts how many rows ended how, and what went wrong, with an example of each; a fold over batches."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from fanout.analysis.outputs import Outputs

ERRORS_MAX = 20
EXAMPLE_MAX = 300


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Rows that ended with one error code; `example` is the message of the first, of row `row`."""

    code: str
    status: str
    count: int
    row: int
    example: str


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened.

    Attributes:
        by_way: Rows by transport; rows that were never sent have none.
        repeated: Rows that took more than one request.
        resends: Requests that were sent, or may have been, while an earlier one might have been accepted.
        possible_resends: Those of them before which no request certainly left.
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


_COLUMNS = ("status", "transport", "payload_bytes", "attempts", "possible_attempts", "resends", "noticed_by")


def count(outputs: Outputs) -> Counts:
    """Return what happened to the rows."""
    status: Counter[str] = Counter()
    way: Counter[str] = Counter()
    source: Counter[str] = Counter()
    payload = repeated = resends = possible = 0
    for batch in outputs.batches(_COLUMNS):
        for counter, name in ((status, "status"), (way, "transport"), (source, "noticed_by")):
            counter.update(_values(batch.column(name)))
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
    )


def _errors(outputs: Outputs) -> tuple[tuple[ErrorGroup, ...], int]:
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], tuple[int, str]] = {}
    columns = ("row", "status", "error_code", "error_message")
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
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    groups = tuple(
        ErrorGroup(code, status, number, *first[code, status])
        for (code, status), number in ranked[:ERRORS_MAX]
    )
    return groups, len(counts)


def _values(column: pa.Array) -> dict[str, int]:
    counted = pc.value_counts(pc.drop_null(column)).to_pylist()
    return {line["values"]: line["counts"] for line in counted}
