"""`status.json`: what it says at each step of a run, and that a disk that refuses it is one warning."""

from __future__ import annotations

import json
import os
import stat

import pytest
import trio
import trio.testing

from fanout.engine.snapshot import Snapshot
from fanout.observability.status_file import VERSION, StatusFile, read_status_file

T0 = 1_763_629_200.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "status.json"


def status(path, **more):
    return StatusFile(path, run_id="abcdefghij", now=lambda: T0, **more)


def snapshot():
    return Snapshot(
        ended=5, succeeded=4, total=10, share=None, in_flight=1, accepted=2, throttles=0, resends=0,
        rate_limit_per_s=None,
    )  # fmt: skip


def test_it_says_where_the_run_stands_and_how_it_ended(path):
    file = status(path, more=lambda: {"counted": [1]})

    async def main():
        with trio.move_on_after(5):
            await file.watch(snapshot, now=pytest.fail)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    found = read_status_file(path)
    assert (found["version"], found["run"], found["state"], found["pid"]) == (
        VERSION, "abcdefghij", "running", os.getpid(),
    )  # fmt: skip
    assert found["started_at"] == found["updated_at"] == "2025-11-20T09:00:00.000Z"
    assert (found["snapshot"]["ended"], found["counted"], found["reason"]) == (5, [1], None)
    file.stopped("SIGTERM")
    assert (read_status_file(path)["state"], read_status_file(path)["reason"]) == ("stopped", "SIGTERM")
    file.finished()
    assert (read_status_file(path)["state"], read_status_file(path)["snapshot"]["ended"]) == ("finished", 5)
    assert list(path.parent.iterdir()) == [path], "no draft is left"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_before_the_engine_has_started_there_is_no_snapshot(path):
    status(path).stopped("no such endpoint")
    assert read_status_file(path)["snapshot"] is None


def test_a_place_that_cannot_be_written_is_one_warning(tmp_path, caplog):
    file = status(tmp_path / "gone" / "status.json")
    file.stopped("one")
    file.finished()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "the run goes on without" in caplog.text


@pytest.mark.parametrize(
    "content",
    [None, b"", b'{"version": 1, "run"', b"\xff", b"[1]", b"null", json.dumps({"version": 2}).encode()],
)
def test_what_is_missing_torn_or_of_another_version_says_nothing(path, content):
    if content is not None:
        path.write_bytes(content)
    assert read_status_file(path) == {}
