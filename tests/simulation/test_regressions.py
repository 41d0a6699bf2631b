"""Scenarios that once broke an invariant, each as small and plain as it can be; found by seeds of the simulation."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
from support.engine import RUN, run_engine
from support.scenario import BUCKET, Interruption, Scenario, draw
from support.seed_run import live
from support.settings import engine_limits, lookup_policy, model_retry, part_limits

from fanout.domain.ids import inference_id, output_extension, output_filename
from fanout.domain.location import Location
from fanout.domain.records import Options, Record
from fanout.domain.row_state import RowRecord, RowState
from fanout.rundir.recovery import Recovered
from fanout.simulator.limits import AsyncRequest
from fanout.simulator.settings import SimulatorSettings

OPTIONS = Options(ttl_s=60, invocation_timeout_s=60)
NEVER = 1e9


def plain(*payloads: bytes, world: dict[str, object], **changes: object) -> Scenario:
    """Return a scenario with no fault and no interruption but those that are asked for."""
    settings = {"service_time": {"median_s": 0.2}, **world}
    scenario = dataclasses.replace(
        draw(0, rows=1),
        rows=tuple(Record(row, None, payload, OPTIONS) for row, payload in enumerate(payloads)),
        payloads=payloads,
        existing=(),
        chunk=64,
        simulator=SimulatorSettings.model_validate(settings),
        limits=engine_limits(concurrency=8, fetches=4, pollers=1, uploads=2),
        retry=model_retry(generations=1),
        patience=lookup_policy(notified=True),
        rate=None,
        bytes_per_s=None,
        fsync_s=0.0,
        listens=True,
        shared_queue=False,
        trusts=False,
        keep_inputs=False,
        interruptions=(),
        horizon_s=20_000.0,
    )
    return dataclasses.replace(scenario, **changes)  # type: ignore[arg-type]  # fields of Scenario


def small(count: int) -> tuple[bytes, ...]:
    return tuple(b"payload %d" % row for row in range(count))


def killed(step: int, *, pause_s: float = 1.0) -> tuple[Interruption, ...]:
    return (Interruption("step", NEVER, step, pause_s),)


def test_a_row_in_doubt_that_fails_meanwhile_is_sent_once_in_its_next_generation(tmp_path):
    """It was parked in doubt and parked again for its next generation: both sent it, under one id."""
    world = {
        "failure_share": 0.4,
        "faults": {"reply_without_location_share": 0.3, "throttle_share": 0.6},
        "notifications": {"delay_s": 9.5, "spread_s": 0.5},  # just before it is looked for and sent again
        "latency": {"runtime": {"median_s": 0.05}},
    }
    limits = engine_limits(concurrency=1, pollers=1)
    report = live(plain(*small(100), world=world, limits=limits), tmp_path)
    assert report.accepted <= 100 + report.faults["failed by the model"] + report.resends


@pytest.mark.parametrize("unknown", ["never", "wait"])
def test_rows_of_unknown_fate_have_a_deadline_after_a_kill(tmp_path, unknown):
    """Nothing told the resumed run when to stop waiting for them."""
    patience = lookup_policy(notified=True, unknown=unknown)
    world = {"faults": {"reset_before_share": 0.2}}
    report = live(plain(*small(60), world=world, patience=patience, interruptions=killed(20)), tmp_path)
    assert report.endings == Counter(killed=1, finished=1)


def test_an_endpoint_that_goes_away_rejects_no_row(tmp_path):
    """One of many refused senders asked after it; the others took its unfinished question for a yes."""
    outage = (Interruption("outage", 0.5, 0, 5.0),)
    latency = {"runtime": {"median_s": 0.1}}
    report = live(plain(*small(100), world={"latency": latency}, interruptions=outage), tmp_path)
    assert report.statuses == Counter(succeeded=100)
    assert report.endings["endpoint out of service"] == 1


@pytest.mark.parametrize("step", [110, 190, 270])
def test_rows_that_were_on_their_way_to_an_upload_do_not_block_a_resume(tmp_path, step):
    """They waited for room in a window full of rows that were not collected before all of them were known again."""
    payloads = [b"p" * 128_001 if row % 10 == 9 else b"payload %d" % row for row in range(120)]
    limits = engine_limits(concurrency=8, window=10, uploads=1, pollers=1, parts=part_limits(age_s=60.0))
    world = {"latency": {"s3": {"median_s": 1.0}}, "service_time": {"median_s": 0.05}}
    report = live(plain(*payloads, world=world, limits=limits, interruptions=killed(step)), tmp_path)
    assert report.statuses == Counter(succeeded=120)


def test_two_failures_hours_apart_are_no_outage(tmp_path):
    """The circuit breaker counted from the first failure on, whether anything was tried since or not."""
    world = {"faults": {"server_error_share": 0.85}}
    limits = engine_limits(concurrency=1, window=1)
    report = live(
        plain(*small(6), world=world, limits=limits, patience=lookup_policy(notified=True, unknown="wait")),
        tmp_path,
    )
    assert report.endings == Counter(finished=1)


def test_a_few_failures_far_apart_are_no_outage(tmp_path):
    """With one row open at a time, five failures in a row took two minutes, and the run gave the service up."""
    world = {"faults": {"server_error_share": 0.5}}
    limits = engine_limits(concurrency=1, window=1)
    patience = lookup_policy(notified=True, unknown_s=40.0)
    report = live(plain(*small(60), world=world, limits=limits, patience=patience), tmp_path)
    assert report.endings == Counter(finished=1)


def test_payloads_in_s3_have_their_generations_too(tmp_path):
    payloads = [b"p" * (128_001 + row) for row in range(12)]
    report = live(plain(*payloads, world={"failure_share": 0.3}, retry=model_retry(generations=6)), tmp_path)
    assert report.statuses == Counter(succeeded=12)
    assert report.accepted > 12


def test_a_notice_that_s3_does_not_confirm_does_not_take_a_row_out_of_doubt(tmp_path):
    """The row was claimed and given back, and no task was left to send it again."""
    faults = {"hang_share": 0.3, "complete_without_object_share": 0.3}
    report = live(plain(*small(40), world={"faults": faults}), tmp_path)
    assert report.statuses["unknown"] == 0


def test_a_row_that_is_about_to_be_sent_again_is_not_given_up(tmp_path):
    """Its deadline passed while it stood in line behind a throttled endpoint."""
    world = {"throttle": {"rate_per_s": 0.2, "burst": 1}}
    report = live(plain(*small(40), world=world, interruptions=killed(90)), tmp_path)
    assert report.statuses == Counter(succeeded=40)


def test_a_resume_whose_last_rows_have_no_output_does_not_blame_its_permissions(tmp_path):
    """Without s3:ListBucket a missing object is 403; all that could be read had been read by the process before."""
    faults = {"complete_without_object_share": 0.3, "s3_forbidden_for_missing": True}
    stopped = (Interruption("stop", 30.0, 0, 700.0),)
    limits = engine_limits(concurrency=8, pollers=1, grace_s=0.0)
    report = live(plain(*small(40), world={"faults": faults}, limits=limits, interruptions=stopped), tmp_path)
    assert report.endings == Counter(stopped=1, finished=1)
    assert report.statuses["unsettled"] > 0


def test_objects_of_the_users_are_sent_as_they_are(tmp_path):
    place = Location(BUCKET, "theirs/0")
    record = Record(0, None, b"", OPTIONS, location=place.uri)
    scenario = plain(b"theirs", world={}, rows=(record,), existing=((place, b"theirs"),))
    assert live(scenario, tmp_path).statuses == Counter(succeeded=1)


def test_a_resume_that_does_not_know_yet_how_outputs_are_named_is_not_denied_them(tmp_path):
    """Killed before its first part, it looked where outputs stand by default, and took 403s for a missing right."""
    world = {
        "service_time": {"median_s": 1.0, "sigma": 0.0},
        "join": "ignored",
        "faults": {"s3_forbidden_for_missing": True},
        "notifications": {"early": True},
    }
    interruptions = (Interruption("instant", 1.5, 1, 1.0),)
    limits = engine_limits(concurrency=4, fetches=4, pollers=1, window=8)
    report = live(plain(*small(40), world=world, limits=limits, interruptions=interruptions), tmp_path)
    assert report.statuses == {"succeeded": 40}


def test_a_resume_that_may_send_nothing_learns_from_a_listing_how_outputs_are_named(tmp_path):
    """Its window was full of rows uncertain, so no reply told it; it gave them up with their outputs in S3."""
    world = {
        "service_time": {"median_s": 0.05, "sigma": 0.0},
        "join": "suffixed",
        "latency": {"runtime": {"median_s": 0.3, "sigma": 0.0}},
    }
    interruptions = (Interruption("instant", 0.2, 1, 700.0),)
    limits = engine_limits(concurrency=8, fetches=4, pollers=1, window=8)
    patience = lookup_policy(notified=True, unknown="never")
    report = live(
        plain(*small(20), world=world, limits=limits, patience=patience, interruptions=interruptions),
        tmp_path,
    )
    assert report.statuses == {"succeeded": 20}


def test_payloads_of_a_rebuilt_journal_are_bounded_as_any(tmp_path):
    """Rows whose upload is not known were all held at once, to be looked for first: 100 MB beside a bound of 1 MB."""
    rows = [Record(row, None, bytes(200_000), OPTIONS) for row in range(200)]
    lines = {row: RowRecord(row, RowState.INTENT, 0, 1, 0) for row in range(200)}
    ran = run_engine(
        rows,
        tmp_path,
        limits=engine_limits(held_bytes=1_000_000, uploads=4),
        recovered=Recovered(open=lines, last=199),
    )
    assert ran.tally.by_status["succeeded"] == 200
    assert (
        ran.peak_held_bytes <= 1_000_000 + 12 * 200_000
    )  # in the uploaders' hands, before them, and read ahead


def test_a_row_that_the_model_failed_before_it_was_uploaded_ends(tmp_path):
    """Sent inline by a process that could; the next one may not, finds the failure, and sends it via S3."""

    def accept(world):
        invocation = AsyncRequest(
            endpoint=world.settings.endpoint_name,
            inference_id=inference_id(RUN, 0, generation=0, attempt=1),
            output_extension=output_extension(RUN, 0),
            filename=output_filename(0, 0),
            body=b"x",
        )
        world.invoke(invocation, now=world.started_at)

    ran = run_engine(
        [Record(0, None, b"x", OPTIONS)],
        tmp_path,
        simulator=SimulatorSettings.model_validate({"failure_share": 1.0}),
        mode="s3",
        recovered=Recovered(open={0: RowRecord(0, RowState.INTENT, 0, 1, 0)}, last=0),
        before=accept,
    )
    assert ran.tally.by_status["failed"] == 1


def test_what_was_only_intended_is_no_attempt_after_a_stop(tmp_path):
    """The file of a stopped and resumed run said 324 requests; 200 had been sent."""
    stopped = (Interruption("stop", 2.0, 0, 5.0),)
    world = {"throttle": {"rate_per_s": 5.0, "burst": 1}}
    limits = engine_limits(concurrency=4, grace_s=30.0)
    report = live(plain(*small(60), world=world, limits=limits, interruptions=stopped), tmp_path)
    assert report.endings == Counter(stopped=1, finished=1)
    refused = report.sent - report.accepted  # in the hands of a sender when the run was stopped
    assert (report.accepted, report.attempts, report.resends) == (60, [60 + refused, 0], 0)
    assert refused <= 4


def test_what_a_killed_process_was_about_to_send_may_have_been_sent(tmp_path):
    """After a kill 349 rows were said to be sent again, and none had been: nothing tells whether their first was."""
    report = live(plain(*small(60), world={}, interruptions=killed(10)), tmp_path)
    certain, possible = report.attempts
    assert report.endings == Counter(killed=1, finished=1)
    assert (report.statuses, certain) == (Counter(succeeded=60), 60)
    assert possible == report.resends > 3
    assert report.sent < certain + possible


def test_a_service_that_refuses_rows_is_not_down(tmp_path):
    """It refused payloads in the request for minutes, and every tenth failed: after twenty the run was given up."""
    world = {"inline": False, "faults": {"html_error_share": 0.1}, "latency": {"runtime": {"median_s": 0.5}}}
    limits = engine_limits(concurrency=1, window=10_000)
    report = live(plain(*small(400), world=world, limits=limits, interruptions=()), tmp_path)
    assert report.endings == Counter(finished=1)
