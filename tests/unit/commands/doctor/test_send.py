"""How the way of a row is told."""

from __future__ import annotations

from fanout.commands.doctor.send import judge_outcome
from fanout.domain.records import Outcome


def test_each_step_that_a_row_took_is_told_with_its_time():
    outcome = Outcome(
        row=0, id=None, passthrough=(), status="succeeded", transport="s3", due_at=10.0, upload_started_at=10.0,
        uploaded_at=10.5, sent_at=10.75, accepted_at=11.0, received_at=11.0, completed_at=13.0, notified_at=13.1,
        collected_at=13.1, fetched_at=13.25, ended_at=20.0,
    )  # fmt: skip
    found = judge_outcome(outcome, row=7)
    assert (found.check, found.status) == ("send", "ok")
    assert found.text == (
        "row 7 succeeded, s3: waited 750 ms, uploaded in 500 ms, accepted in 250 ms, served in 2,000 ms, "
        "noticed in 100 ms, fetched in 150 ms, 3,250 ms in all"
    )


def test_a_row_without_a_way_is_a_failure_with_its_reason():
    outcome = Outcome(
        row=0,
        id=None,
        passthrough=(),
        status="rejected",
        error_code="NoInputPrefix",
        error_message="name a place",
    )
    found = judge_outcome(outcome, row=0)
    assert (found.status, found.text) == ("fail", "row 0 rejected. NoInputPrefix: name a place")
