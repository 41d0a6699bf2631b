"""What must hold of a finished seed, beyond `audit()`: each row's status has its reason in what the world did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
from support.audit import audit, audit_silence, busiest_second
from support.fault_counts import FaultCounts
from support.scenario import Scenario

from fanout.domain.ids import parse_inference_id
from fanout.engine.reconcile.reconciler import MAX_RESENDS
from fanout.engine.stages.send import MAX_SENDS

CATCH_UP_SHARE = 1 / 200  # `pacing.CATCH_UP_S`: a late timer does not push the schedule back


def check(
    scenario: Scenario, table: pa.Table, fault_counts: FaultCounts, *, sent_at: Sequence[float], journal: Path
) -> None:
    """Fail unless the output, the world's log and the journal agree with all invariants."""
    audit(
        table,
        scenario.payloads,
        accepted=[line._asdict() for line in fault_counts.log],
        may_be_empty=fault_counts.counts()["empty_output_share"] > 0,
    )
    if scenario.rate is not None:
        most = busiest_second(sent_at)
        assert most <= scenario.rate * (1 + CATCH_UP_SHARE) + 1, f"I6: {most} sends in a second"
    lines = table.select(
        [
            *("row", "status", "error_code", "error_message", "attempts", "resends", "inference_id"),
            "output_location",
        ]
    ).to_pylist()
    for line in lines:
        if line["status"] != "succeeded":
            problem = _unfounded(line, scenario, fault_counts)
            assert problem is None, f"I1: row {line['row']} is {line['status']}: {problem} ({line})"
    _check_secrets(scenario, journal)


def _unfounded(line: Mapping[str, object], scenario: Scenario, fault_counts: FaultCounts) -> str | None:
    """Return why a row should not have ended as it did, None if it should."""
    row, status, code = int(str(line["row"])), line["status"], line["error_code"]
    if status == "rejected":
        return "it is sound" if scenario.payloads[row] is not None else None
    last = parse_inference_id(str(line["inference_id"]))
    generation = last.generation if last else 0
    if code == "ModelFailed":
        if (
            row not in fault_counts.failed | fault_counts.expired
        ):  # a failure object does not say which of the two it was
            return "the model never failed it"
        # A run that is to stop tries nothing once more, nor a failure whose object is somewhere else.
        plain = scenario.simulator.join == "joined" and not scenario.interruptions
        again = scenario.retry.allows(generation=generation, text=str(line["error_message"]))
        return "it was not tried once more" if plain and again and row not in fault_counts.expired else None
    if str(code).startswith("Output"):
        return None if fault_counts.is_unreadable(str(line["output_location"])) else "its output can be read"
    if code == "Expired":
        return None if row in fault_counts.expired else "it never expired"
    # Where outputs are named by inference id, one whose reply was lost is nowhere to be looked for.
    findable = scenario.simulator.join != "ignored"
    if status == "failed" and int(str(line["attempts"])) < MAX_SENDS:
        return "it was given up early"
    if status in {"expired", "failed"}:
        return "its output is there" if findable and (row, generation) in fault_counts.written else None
    if scenario.patience.unknown == "resend" and int(str(line["resends"])) < MAX_RESENDS:
        return "it was not sent again"
    return "its output is there" if findable and (row, generation) in fault_counts.written else None


def _check_secrets(scenario: Scenario, journal: Path) -> None:
    payloads = [payload for payload in scenario.payloads if payload is not None and len(payload) >= 20][:3]
    files = journal.parent.glob(f"{journal.name}*")
    audit_silence(((path.name, path.read_bytes()) for path in files), [payload[:20] for payload in payloads])
