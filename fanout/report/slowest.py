"""Finds the slowest rows, each with the phase that took the most of its time."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow.compute as pc

from fanout.analysis.outputs import Outputs

SLOWEST = 10
_PHASES = ("upload", "invoke", "service", "notify", "fetch")


@dataclass(frozen=True, slots=True)
class SlowRow:
    """One row: whose it is, how long it took, and the phase that took the most of that.

    Attributes:
        id: The user's; None if there is none.
        phase: `retry` for what lies before the last request of a row that took several.
        phase_ms: How long that phase took.
        inference_id: Of its last request, by which AWS's and the model's logs know it.
    """

    row: int
    id: str | None
    status: str
    way: str | None
    payload_bytes: int
    total_ms: float
    phase: str
    phase_ms: float
    inference_id: str | None


def slowest(outputs: Outputs) -> tuple[SlowRow, ...]:
    """Return the slowest rows, the slowest first."""
    totals = pc.drop_null(outputs.latencies(["total_ms"])["total_ms"])
    if not len(totals):
        return ()
    most = pc.select_k_unstable(totals, k=min(SLOWEST, len(totals)), sort_keys=[("", "descending")])
    from_ms = pc.min(totals.take(most)).as_py()
    columns = ["row", "id", "status", "transport", "payload_bytes", "attempts", "inference_id", "wait_ms"]
    columns += [*(f"{phase}_ms" for phase in _PHASES), "total_ms"]
    rows = outputs.latencies(columns, where=pc.field("total_ms") >= from_ms)
    rows = rows.sort_by([("total_ms", "descending"), ("row", "ascending")]).slice(0, SLOWEST)
    found = []
    for row in rows.to_pylist():
        before = "retry" if (row["attempts"] or 0) > 1 else "wait"
        spent = {before: row["wait_ms"], **{phase: row[f"{phase}_ms"] for phase in _PHASES}}
        phase, phase_ms = max(((name, ms or 0.0) for name, ms in spent.items()), key=lambda each: each[1])
        found.append(
            SlowRow(
                row["row"], row["id"], row["status"], row["transport"], row["payload_bytes"] or 0,
                row["total_ms"], phase, phase_ms, row["inference_id"],
            )
        )  # fmt: skip
    return tuple(found)
