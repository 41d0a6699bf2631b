"""Bytes of responses in memory, downloads and the sink together, with sizes a thousandth of real ones."""

from __future__ import annotations

import logging

import pyarrow as pa
import pytest
from support.audit import audit
from support.engine import random_payloads, records, run_engine
from support.faults import QUICK
from support.settings import engine_limits

from fanout.concurrency.byte_limiter import COPIES, ByteLimiter
from fanout.domain.records import Options, Record
from fanout.simulator.settings import SimulatorSettings

HELD = 256_000


@pytest.fixture
def peaks(monkeypatch):
    """Bytes under way, held by the sink, and copied by the writer at most, whenever a body was about to be read."""
    found, admit = [], ByteLimiter.admit

    async def noting(self, download, size_bytes):
        await admit(self, download, size_bytes)
        largest = max(size_bytes, self._holder.largest_bytes)
        found.append(self._told_bytes + self._holder.held_bytes + COPIES * largest)

    monkeypatch.setattr(ByteLimiter, "admit", noting)
    return found


def ran(tmp_path, *, rows, size_bytes, **limits):
    payloads = random_payloads(rows, seed=5)
    settings = SimulatorSettings.model_validate(QUICK | {"response_padding_bytes": size_bytes})
    limits = {"held_bytes": HELD} | limits
    result = run_engine(records(payloads), tmp_path, simulator=settings, limits=engine_limits(**limits))
    return payloads, result


@pytest.mark.parametrize(
    ("size_bytes", "copied"), [(60_000, 1 + COPIES), (5_000, None), (1_000_000, 1 + COPIES)]
)
def test_responses_stay_within_the_bound_or_one_goes_alone(tmp_path, peaks, size_bytes, copied):
    payloads, result = ran(tmp_path, rows=24, size_bytes=size_bytes)
    audit(result.table, payloads, accepted=result.accepted, statuses={"succeeded": 24})
    alone = (1 + COPIES) * (size_bytes + 1_000) + HELD // 16 if copied else 0
    assert max(peaks) <= max(HELD, alone)
    assert result.seconds < 120.0, "what is waited for is written before its part is full or old"


def test_a_response_over_the_limit_fails_its_row_unread(tmp_path, peaks):
    payloads, result = ran(tmp_path, rows=5, size_bytes=5_000, response_max_bytes=4_000)
    assert peaks == []
    assert set(result.table["error_code"].to_pylist()) == {"OutputTooLarge"}
    message = result.table["error_message"].to_pylist()[0]
    assert "collect.response_max_bytes is 4,000. Raise collect.response_max_bytes" in message
    assert len(result.accepted) == len(payloads)


def test_kept_values_of_open_rows_are_within_the_bound_of_payloads(tmp_path, caplog):
    caplog.set_level(logging.INFO, "fanout.engine.stages.admit")
    texts = [f"{row:05}" * 10_000 for row in range(40)]
    rows = [Record(row, None, b"{}", Options(), (text,)) for row, text in enumerate(texts)]
    ran = run_engine(
        rows,
        tmp_path,
        simulator=SimulatorSettings.model_validate(QUICK),
        limits=engine_limits(held_bytes=HELD),
        kept=pa.schema([("text", pa.string())]),
    )
    assert ran.table["text"].to_pylist() == texts
    assert HELD / 2 < ran.peak_held_bytes <= HELD
    (said,) = [record.getMessage() for record in caplog.records if record.name.endswith("admit")]
    assert said.startswith("the output keeps 50000 bytes of a row: ")
    assert said.endswith(f" rows are open, not {engine_limits().window}, as pacing.held_bytes is {HELD}")
