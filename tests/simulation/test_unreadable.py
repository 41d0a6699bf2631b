"""Objects that stand there and cannot be read: each is its row's fault, and the run goes on; or all are."""

from __future__ import annotations

from collections import Counter

import pytest
from support.audit import audit
from support.engine import random_payloads, records, run_engine
from support.faults import QUICK

from fanout.engine.result_objects import UNREADABLE_MAX
from fanout.errors import RunError
from fanout.simulator.settings import SimulatorSettings

ROWS = 60
CODES = {
    "key disabled": "OutputKeyUnusable",
    "archived": "OutputArchived",
    "denied": "OutputDenied",
    "cut off": "OutputTruncated",
}


def settings(flaw, share, **changes):
    faults = {"unreadable_share": share, "flaws": [flaw]}
    return SimulatorSettings.model_validate(QUICK | {"seed": 3, "faults": faults} | changes)


@pytest.mark.parametrize("flaw", CODES)
def test_an_object_that_cannot_be_read_fails_its_row_and_the_run_goes_on(tmp_path, flaw):
    payloads = random_payloads(ROWS, seed=1)
    ran = run_engine(records(payloads), tmp_path, simulator=settings(flaw, 0.1))
    stands = {f"s3://simulated/{key}": stored for key, stored in objects(ran.world, "async-outputs/")}
    lines = {line["row"]: line for line in ran.table.to_pylist()}
    failed = {row for row, line in lines.items() if line["status"] != "succeeded"}
    assert 2 <= len(failed) <= 15
    audit(
        ran.table,
        payloads,
        accepted=ran.accepted,
        statuses={"succeeded": ROWS - len(failed), "failed": len(failed)},
    )
    assert len(ran.accepted) == ROWS, "nothing was sent again"
    assert ran.seconds < 300.0, "no row waits for its deadline"
    for row in failed:
        line = lines[row]
        assert line["error_code"] == CODES[flaw]
        assert stands[line["output_location"]].flaw is not None, "the location says where it stands"
        assert line["error_message"].startswith(f"{line['output_location']}: ")
        assert line["response"] is None
        assert line["fetched_at"] is None
    for row in lines.keys() - failed:
        assert stands[lines[row]["output_location"]].flaw is None


@pytest.mark.parametrize("flaw", CODES)
def test_without_messages_too(tmp_path, flaw):
    payloads = random_payloads(ROWS, seed=2)
    quiet = settings(flaw, 0.1, notifications={"enabled": False})
    ran = run_engine(records(payloads), tmp_path, simulator=quiet)
    codes = Counter(ran.table["error_code"].to_pylist())
    assert codes[CODES[flaw]] >= 2
    assert codes[None] + codes[CODES[flaw]] == ROWS
    assert ran.seconds < 900.0, "they are settled by what S3 says, not by their deadline"


@pytest.mark.parametrize("flaw", ["key disabled", "archived", "cut off"])
def test_what_all_objects_share_stops_the_run_with_the_next_step(tmp_path, flaw):
    said = (
        r"s3://simulated/async-outputs/.* and the 19 objects before it cannot be read: s3:GetObject: .*resume"
    )
    with pytest.raises(RunError, match=said):
        run_engine(records([b"x"] * 200), tmp_path, simulator=settings(flaw, 1.0))


@pytest.mark.parametrize("flaw", ["key disabled", "archived", "cut off"])
def test_the_last_rows_of_a_run_end_though_nothing_is_readable(tmp_path, flaw):
    ran = run_engine(records([b"x"] * (UNREADABLE_MAX - 1)), tmp_path, simulator=settings(flaw, 1.0))
    assert set(ran.table["error_code"].to_pylist()) == {CODES[flaw]}


def test_where_every_object_is_denied_no_row_is_at_fault(tmp_path):
    with pytest.raises(RunError, match="Grant s3:GetObject"):
        run_engine(records([b"x"] * 30), tmp_path, simulator=settings("denied", 1.0))


@pytest.mark.parametrize("flaw", CODES)
def test_a_failure_object_that_cannot_be_read_is_a_failure_all_the_same(tmp_path, flaw):
    failing = settings(flaw, 0.2, failure_share=0.5, notifications={"enabled": False})
    ran = run_engine(records([b"x"] * ROWS), tmp_path, simulator=failing)
    lines = ran.table.to_pylist()
    model = [line for line in lines if line["error_code"] == "ModelFailed"]
    assert len(model) > 8
    unread = [line for line in model if "its failure object cannot be read (" in line["error_message"]]
    assert 1 <= len(unread) < len(model)
    outputs = [line for line in lines if line["status"] == "failed" and line not in model]
    assert {line["error_code"] for line in outputs} <= {CODES[flaw]}
    assert len(model) + len(outputs) + ran.tally.by_status["succeeded"] == ROWS
    assert ran.seconds < 900.0


@pytest.mark.parametrize("flaw", CODES)
def test_with_payloads_that_go_via_s3(tmp_path, flaw):
    payloads = random_payloads(ROWS, seed=4)
    ran = run_engine(records(payloads), tmp_path, simulator=settings(flaw, 0.1), mode="s3")
    codes = Counter(ran.table["error_code"].to_pylist())
    assert codes[CODES[flaw]] >= 2
    assert codes[None] + codes[CODES[flaw]] == ROWS
    assert objects(ran.world, "inputs/") == [], "the inputs of failed rows are deleted, too"


def test_a_prefix_that_is_throttled_for_minutes_fails_no_row(tmp_path):
    slow = SimulatorSettings.model_validate(QUICK | {"seed": 3, "faults": {"s3_slowdown_share": 0.9}})
    ran = run_engine(records([b"x"] * ROWS), tmp_path, simulator=slow)
    assert ran.tally.by_status == {"succeeded": ROWS}


def objects(world, prefix):
    return world.objects.list("simulated", prefix, start_after="", max_keys=1_000).entries
