"""What must hold of a finished seed, beyond `audit()`: each row's status has its reason in what the world did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
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
    scenario: Scenario,
    table: pa.Table,
    fault_counts: FaultCounts,
    *,
    sent_at: Sequence[float],
    sent_ids: Collection[str],
    journal: Path,
) -> None:
    """Fail unless the output, the world's log and the journal agree with all invariants."""
    audit(
        table,
        scenario.payloads,
        accepted=[line._asdict() for line in fault_counts.log],
        may_be_empty=fault_counts.counts()["empty_output_share"] > 0,
    )
    uncounted = _unproven(table, fault_counts)
    assert not uncounted, (
        f"I2: rows accepted again without a failure of the model or a counted re-send: {uncounted}"
    )
    if scenario.rate is not None:
        most = busiest_second(sent_at)
        assert most <= scenario.rate * (1 + CATCH_UP_SHARE) + 1, f"I6: {most} sends in a second"
    lines = table.select(
        [
            *("row", "status", "error_code", "error_message", "attempts", "possible_attempts", "resends"),
            *("inference_id", "output_location"),
        ]
    ).to_pylist()
    _check_attempts(lines, sent_ids)
    for line in lines:
        if line["status"] != "succeeded":
            problem = _unfounded(line, scenario, fault_counts)
            assert problem is None, f"I1: row {line['row']} is {line['status']}: {problem} ({line})"
    _check_secrets(scenario, journal)


def _check_attempts(lines: Sequence[Mapping[str, object]], sent_ids: Collection[str]) -> None:
    """Fail unless what the output calls sent was sent, and what was sent it calls sent, or possibly sent."""
    sends = [send for send in map(parse_inference_id, sent_ids) if send is not None]
    left = Counter(send.row for send in sends)
    for line in lines:
        row = int(str(line["row"]))
        least, more = int(str(line["attempts"])), int(str(line["possible_attempts"]))
        assert least <= left[row] <= least + more, f"I2: row {row} was sent {left[row]} times, not {line}"


def _unfounded(line: Mapping[str, object], scenario: Scenario, fault_counts: FaultCounts) -> str | None:
    """Return why a row should not have ended as it did, None if it should."""
    row, status, code = int(str(line["row"])), line["status"], line["error_code"]
    if status == "rejected":
        return "it is sound" if scenario.payloads[row] is not None else None
    last = parse_inference_id(str(line["inference_id"]))
    generation = last.generation if last else 0
    # Where outputs are named by inference id, one whose reply was lost is nowhere to be looked for.
    findable = scenario.simulator.join != "ignored"
    found = "its output is there" if findable and (row, generation) in fault_counts.written else None
    untold = scenario.simulator.failure_path is None and row in fault_counts.forged
    if code in {"ModelFailed", "Expired"} and untold and found is None:
        return None  # it has ended without an output, and no object says how: a message may
    if code == "ModelFailed":
        # A failure object does not say which of the two it was.
        if row not in fault_counts.failed and row not in fault_counts.expired:
            return "the model never failed it"
        # A run that is to stop tries nothing once more, nor a failure whose object is somewhere else. One that leaves
        # no object is only tried once more while its next failure could be told as well.
        proven = scenario.simulator.failure_path is not None
        plain = proven and scenario.simulator.join == "joined" and not scenario.interruptions
        again = scenario.retry.allows(generation=generation, text=str(line["error_message"]))
        return "it was not tried once more" if plain and again and row not in fault_counts.expired else None
    if status == "failed" and str(code).startswith("Output"):
        return None if fault_counts.is_unreadable(str(line["output_location"])) else "its output can be read"
    if code == "Expired":
        return None if row in fault_counts.expired else "it never expired"
    if status == "failed" and int(str(line["attempts"])) + int(str(line["possible_attempts"])) < MAX_SENDS:
        return "it was given up early"
    if status in {"unsettled", "failed"}:
        return found
    if scenario.patience.unknown == "resend" and int(str(line["resends"])) < MAX_RESENDS:
        return "it was not sent again"
    return found


def _unproven(table: pa.Table, fault_counts: FaultCounts) -> dict[int, int]:
    """Return by how many acceptances a row exceeds what the model's failures and its counted re-sends allow."""
    taken = Counter(line.row for line in fault_counts.log if line.row is not None)
    resends = dict(zip(table["row"].to_pylist(), table["resends"].to_pylist(), strict=True))
    excess = {row: count - 1 - fault_counts.failed[row] - resends[row] for row, count in taken.items()}
    return {row: count for row, count in excess.items() if count > 0}


def _check_secrets(scenario: Scenario, journal: Path) -> None:
    payloads = [payload for payload in scenario.payloads if payload is not None and len(payload) >= 20][:3]
    files = journal.parent.glob(f"{journal.name}*")
    audit_silence(((path.name, path.read_bytes()) for path in files), [payload[:20] for payload in payloads])
