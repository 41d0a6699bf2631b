"""The one audit: what must hold of every run, whatever was done to it (`reliability.md`, I1-I8)."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

RATE_SLACK = 1.02  # of requests in any one-second window, and the catch-up of late timers with it
REPORTED = ("row", "id", "status", "inference_id", "resends", "response", "sent_at", "fetched_at")
"""What of a durable row is compared with the output: with its instants, one collected twice would differ."""

Log = Sequence[Mapping[str, object]]
Event = tuple[Literal["durable", "deleted"], int]


def sha256(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()


def audit(
    table: pa.Table,
    payloads: Sequence[bytes | None],
    *,
    accepted: Iterable[Mapping[str, object]] = (),
    statuses: Mapping[str, int] | None = None,
    rate_per_s: float | None = None,
    events: Iterable[Event] = (),
    reported: Iterable[pa.Table] = (),
    peaks: Mapping[str, tuple[float, float]] | None = None,
    exit_code: int | None = None,
    may_be_empty: bool = False,
) -> None:
    """Fail unless the output holds each row once with the result of its own payload.

    Args:
        table: The output.
        payloads: What each row's payload is; None for a row that is bad input.
        accepted: The endpoint's log of accepted invocations: `inference_id`, `row`, `sha256`, `arrived_at`.
        statuses: Rows by status, if they are known.
        rate_per_s: The rate that was configured.
        events: Rows that became durable and rows whose message was deleted, in the order in which it happened.
        reported: Rows that a journal called durable at some instant, as their part files held them.
        peaks: (the most there ever was, the bound) by name: in flight, open rows, bytes of memory.
        exit_code: What the process that finished the run left with.
        may_be_empty: The model may have answered with nothing.
    """
    rows = table.column("row").to_pylist()
    assert rows == list(range(len(payloads))), "I1: each input row once, in order"
    before = rows_before(table)
    found = table.select(
        ["status", "response", "payload_bytes", "resends", "error_code", "inference_id"]
    ).to_pylist()
    for row, (line, payload) in enumerate(zip(found, payloads, strict=True)):
        if line["status"] == "succeeded":
            assert payload is not None, f"row {row} is bad input and succeeded"
            if may_be_empty and not line["response"]:
                continue
            answer = orjson.loads(line["response"])
            assert answer["sha256"] == sha256(payload), f"I1: row {row} has another row's result"
            assert answer["row"] == row - before[run_of(line["inference_id"])]
            assert answer["bytes"] == len(payload)
            assert line["error_code"] is None
        else:
            assert line["error_code"], f"row {row}: {line['status']} without a reason"
    ends = table.select(["ended_at", "fetched_at", "sent_at"]).to_pylist()
    for row, line in enumerate(ends):
        assert line["ended_at"] is not None, f"row {row} ended at no instant"
        earlier = [line[name] for name in ("fetched_at", "sent_at") if line[name] is not None]
        assert all(at <= line["ended_at"] for at in earlier), f"row {row} ended before {earlier}"
    if statuses is not None:
        assert Counter(line["status"] for line in found) == Counter(statuses)
    log = [{**line, "row": int(str(line["row"])) + before[run_of(line["inference_id"])]} for line in accepted]
    ids = Counter(line["inference_id"] for line in log)
    assert all(count == 1 for count in ids.values()), "I2: an inference id was accepted twice"
    taken = Counter(int(str(line["row"])) for line in log)
    sent = zip(*(table[name].to_pylist() for name in ("row", "attempts", "possible_attempts")), strict=True)
    untold = [row for row, certain, possible in sent if taken[row] > certain + possible]
    assert not untold, f"I2: rows accepted more often than the output says that they were sent: {untold[:10]}"
    uncounted = uncounted_resends(log, table)
    assert not uncounted, f"I2: rows accepted more often than their counted re-sends allow: {uncounted}"
    early = deleted_too_early(events)
    assert not early, f"I3: messages deleted before their rows were durable: {early[:10]}"
    for part in reported:
        assert not lost_reports(part, table), "I4: what was reported durable is not what the output holds"
    if rate_per_s is not None:
        busiest = busiest_second([float(str(line["arrived_at"])) for line in log])
        assert busiest <= rate_per_s * RATE_SLACK, f"I6: {busiest} requests in a second"
    for name, (peak, bound) in (peaks or {}).items():
        assert peak <= bound, f"I6: {name} reached {peak}, at most {bound} is allowed"
    if exit_code is not None:
        expected = 0 if all(line["status"] == "succeeded" for line in found) else 3
        assert exit_code == expected, f"I8: left with {exit_code}, not {expected}"


def rows_before(table: pa.Table) -> Counter[str]:
    """Return how many rows of the output stand before those of each shard, by its run id: a shard counts from 0."""
    before: Counter[str] = Counter()
    for row, name in zip(table["row"].to_pylist(), table["inference_id"].to_pylist(), strict=True):
        if name is not None:
            run, own, *_ = name.split(".")
            assert before.setdefault(run, row - int(own)) == row - int(own), f"row {row} is out of its place"
    return before


def run_of(inference_id: object) -> str:
    return str(inference_id).partition(".")[0]


def uncounted_resends(log: Log, table: pa.Table) -> dict[int, int]:
    """Return by how many acceptances a row exceeds what its generations and its counted re-sends allow."""
    # A generation rises after a definitive failure alone: each may be accepted once, and once a counted re-send.
    taken = Counter(int(str(line["row"])) for line in log)
    generations = {(int(str(line["row"])), str(line["inference_id"]).split(".")[2]) for line in log}
    allowed = Counter(row for row, _ in generations)
    resends = dict(zip(table["row"].to_pylist(), table["resends"].to_pylist(), strict=True))
    excess = {row: count - allowed[row] - resends.get(row, 0) for row, count in taken.items()}
    return {row: count for row, count in excess.items() if count > 0}


def deleted_too_early(events: Iterable[Event]) -> list[int]:
    """Return the rows whose message was deleted when they were not durable."""
    durable: set[int] = set()
    early = []
    for what, row in events:
        if what == "durable":
            durable.add(row)
        elif row not in durable:
            early.append(row)
    return early


def lost_reports(part: pa.Table, table: pa.Table) -> list[int]:
    """Return the rows of a part that the output lacks or holds otherwise."""
    passthrough = {line["row"]: line for line in table.select(REPORTED).to_pylist()}
    return [line["row"] for line in part.select(REPORTED).to_pylist() if passthrough.get(line["row"]) != line]


def audit_place(output: Path, rows: int) -> None:
    """Fail unless the output is absent or complete (I5)."""
    if output.exists():
        assert pq.read_table(output, page_checksum_verification=True)["row"].to_pylist() == list(
            range(rows)
        ), "I5: the output is there and not complete"


def audit_silence(texts: Iterable[tuple[str, bytes]], needles: Collection[bytes]) -> None:
    """Fail if a payload or a secret stands in a log, a journal or a metric (I7)."""
    for name, text in texts:
        for needle in needles:
            assert needle not in text, f"I7: {name} holds {needle[:12]!r}..."


def busiest_second(instants: Sequence[float]) -> int:
    """Return the most instants in any window of one second, open at its end."""
    ordered = sorted(instants)
    most = start = 0
    for end, instant in enumerate(ordered):
        while ordered[start] <= instant - 1.0:
            start += 1
        most = max(most, end - start + 1)
    return most
