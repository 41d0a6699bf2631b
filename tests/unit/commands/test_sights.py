"""Which runs a clean-up can see, whether they live, and that nobody takes one up while it is cleared away."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import closing

import pytest
from support.in_memory import in_memory
from support.left_behind import BUCKET, LeftBehind

from fanout.commands.sights import begun, held, in_sight
from fanout.domain.location import Location
from fanout.errors import RunError, UsageError
from fanout.rundir.journal import Journal, JournalInUse
from fanout.rundir.paths import RunDirectory


@pytest.fixture
def left(tmp_path, monkeypatch):
    return LeftBehind(in_memory(monkeypatch), tmp_path)


def test_runs_below_the_working_directory_are_seen_with_what_their_manifests_say(left, tmp_path):
    run, keeping = left.run(), left.run(keep_inputs=True, endpoint="other")
    sights = in_sight((), here=tmp_path)
    assert {(each.run_id, each.endpoint, each.keeps_inputs, each.lives) for each in sights.values()} == {
        (run, "simulated", False, False), (keeping, "other", True, False),
    }  # fmt: skip
    assert sights[run].directory == str(left.directory(run).path)


def test_a_run_that_is_named_and_a_directory_of_runs_are_seen_from_elsewhere(left, tmp_path):
    run, other = left.run(), left.run()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert in_sight((), here=elsewhere) == {}
    assert in_sight((left.directory(run).path,), here=elsewhere).keys() == {run}
    assert in_sight((tmp_path,), here=elsewhere).keys() == {run, other}
    with pytest.raises(UsageError):
        in_sight((tmp_path / "nowhere",), here=elsewhere)


def test_a_run_lives_while_a_process_has_its_journal(left, tmp_path):
    run = left.run()
    with closing(Journal(left.directory(run).journal)):
        assert in_sight((), here=tmp_path)[run].lives
    assert not in_sight((), here=tmp_path)[run].lives


def test_the_last_write_to_a_run_tells_its_age(left, tmp_path):
    run = left.run()
    for file in left.directory(run).path.rglob("*"):
        os.utime(file, (0, time.time() - 7_200))
    assert 7_200 <= in_sight((), here=tmp_path)[run].age_s < 7_300
    left.directory(run).manifest.touch()
    assert in_sight((), here=tmp_path)[run].age_s < 100


def test_a_damaged_run_and_a_copy_tell_nothing(left, tmp_path):
    run, damaged = left.run(), left.run()
    left.directory(damaged).manifest.write_text("{")
    shutil.copytree(left.directory(run).path, tmp_path / "copy")
    shutil.rmtree(left.directory(run).path)
    assert in_sight((tmp_path / "copy",), here=tmp_path) == {}


def test_the_shards_of_a_run_live_with_it(left, tmp_path):
    run = left.run()
    shard = left.shard(run)
    for lives in (True, False):
        with closing(Journal(shard.journal)) if lives else closing(Journal(tmp_path / "unrelated")):
            sights = in_sight((), here=tmp_path)
        assert {name: each.lives for name, each in sights.items()} == {run: lives, left.shard_run: lives}
    assert {each.directory for each in sights.values()} == {str(left.directory(run).path)}


def test_the_uploads_that_a_run_has_begun_are_told_by_run(left, tmp_path):
    run = left.run()
    noted = begun(in_sight((), here=tmp_path).values())
    place = Location(BUCKET, left.output_key(run))
    assert noted.keys() == {run}
    assert noted[run].places == {place}
    assert len(noted[run].ids) == 1


def test_a_run_that_is_held_is_taken_up_by_nobody_until_it_is_let_go(left):
    directory = left.directory(left.run())
    with held(directory, unreadable="refuse"), pytest.raises(JournalInUse):
        Journal(directory.journal)
    Journal(directory.journal).close()


def test_a_run_at_work_is_not_held(left):
    directory = left.directory(left.run())
    with closing(Journal(directory.journal)), pytest.raises(JournalInUse), held(directory, unreadable="pass"):
        pass


def test_a_shard_at_work_keeps_its_run(left):
    run = left.run()
    shard = left.shard(run)
    with (
        closing(Journal(shard.journal)),
        pytest.raises(JournalInUse, match="is in use by another process"),
        held(left.directory(run), unreadable="refuse"),
    ):
        pass


def test_a_journal_that_does_not_open_is_passed_by_only_when_a_person_says_so(left):
    directory = left.directory(left.run())
    directory.journal.write_bytes(b"no database at all" * 100)
    with pytest.raises(RunError), held(directory, unreadable="refuse"):
        pass
    with held(directory, unreadable="pass"):
        pass


def test_a_run_that_was_killed_before_its_journal_can_be_held(tmp_path):
    directory = RunDirectory(tmp_path / "rd")
    directory.path.mkdir()
    with held(directory, unreadable="refuse"):
        pass
    assert not directory.journal.exists(), "nothing is made there"
