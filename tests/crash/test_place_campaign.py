"""The campaign of kills with the state in S3, small: at its fail points, at random, and with the host."""

from __future__ import annotations

import pytest
from crash.campaign import KEPT
from crash.place_campaign import KeptRun
from support.processes import IMPATIENT, make_input

pytestmark = pytest.mark.campaign

WAITS = IMPATIENT | {"FANOUT_RUN_SNAPSHOT_S": "1", "FANOUT_OUTPUT_PART_ROWS": "20"}


@pytest.mark.parametrize("loses_hosts", [False, True], ids=["the process", "the host"])
def test_one_run_is_killed_at_one_point_after_the_other(aws, tmp_path, loses_hosts):
    given = make_input(tmp_path / "in.jsonl", 250, seed=11)
    run = KeptRun(aws, tmp_path / tmp_path.name, given, rate=60.0, loses_hosts=loses_hosts, waits=WAITS)
    found = run.go(["place.claimed", "segment.stored:3", "part.stored", "snapshot.stored"])
    assert found.complaints == []
    assert found.sound
    assert found.kills == 4, "a point was not passed"


def test_every_point_has_its_kill():
    assert {"place.claimed", "segment.stored", "part.stored", "snapshot.stored"} == KEPT
