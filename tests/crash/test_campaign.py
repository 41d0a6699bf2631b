"""The campaign, small: a few kills at random moments, and one at each fail point."""

from __future__ import annotations

import pytest
from crash.campaign import KEPT, disturbed, random_kills
from support.outputs_in_s3 import in_s3
from support.processes import make_input, sent

from fanout.failpoints import POINTS

pytestmark = pytest.mark.campaign

SENDING = (
    "journal.opened", "manifest.written", "upload.stored", "intent.durable", "send.accepted", "accept.durable",
)  # fmt: skip
COLLECTING = (
    "ack.deleted", "part.drafted", "part.named", "part.committed",
    "finish.written", "finish.placed", "summary.written",
)  # fmt: skip

PLACED = ("finish.written", "output.uploaded", "output.published", "summary.written")


def test_kills_at_random_moments(aws, tmp_path):
    given = make_input(tmp_path / "in.jsonl", 300, seed=3)
    found = random_kills(aws, tmp_path, given, kills=3, seed=3, keep=None)
    assert [run.complaint for run in found] == [None] * len(found)
    assert all(run.sound for run in found)
    assert sum(len(run.kills) for run in found) == 3


@pytest.mark.parametrize("points", [SENDING, COLLECTING], ids=["sending", "collecting"])
def test_one_run_is_killed_at_one_point_after_the_other(aws, given, tmp_path, points):
    # Unpaced, a quick machine ends the run before acceptances have waited long enough for a group of their own.
    paced = {"FANOUT_OUTPUT_PART_ROWS": "20", "FANOUT_PACING_RATE": "100"}
    run = disturbed(aws, tmp_path, given, kills=points, **paced)
    assert run.complaint is None
    assert run.sound
    assert len(run.kills) == len(points), "a point was not passed"


def test_an_output_in_s3_is_one_object_wherever_its_run_is_killed(aws, given, tmp_path):
    run = disturbed(aws, tmp_path, given, kills=PLACED, output=in_s3(aws, "killed"))
    assert run.complaint is None
    assert run.sound
    assert len(run.kills) == len(PLACED), "a point was not passed"
    assert aws.stats()["open_uploads"] == 1, "of the process that was killed between its parts and its end"


def test_these_are_all_points():
    assert {*SENDING, *COLLECTING, *PLACED, *KEPT} == POINTS


def test_what_the_endpoint_took_is_found_and_not_sent_again(aws, given, tmp_path):
    """Killed after the first 202, before anybody noted it: the journal has an intent, the output stands in S3."""
    run = disturbed(aws, tmp_path, given, kills=["send.accepted"])
    assert run.complaint is None
    assert len(run.kills) == 1
    assert len(sent(aws, tmp_path)) == len(given.payloads), "its output could be found, and it was sent again"
