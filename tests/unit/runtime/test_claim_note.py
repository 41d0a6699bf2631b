"""What a start does with a claim in S3: each state that it may be found in, and each thing that may be seen here."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest

from fanout.config.model import Config
from fanout.errors import JournalError
from fanout.rundir.claim import Owner
from fanout.rundir.journal import Journal
from fanout.rundir.manifest import Manifest
from fanout.rundir.paths import RunDirectory
from fanout.runtime.claim_note import RELEASED_S, SILENT_S, Note, Sight, Verdict, judge, look, parse_note

MINE = Owner("mine567abc", "/runs/mine", "here", 1, 0.0)
THEIRS = Owner("their67abc", "/runs/theirs", "there", 1, 0.0, begun=True)


def judged(note, *, sight=Sight.HIDDEN, age_s=0.0, renewed=False):
    return judge(note, MINE, sight=sight, age_s=age_s, renewed=renewed)


@pytest.mark.parametrize(
    ("state", "sight", "age_s", "renewed", "verdict"),
    [
        # Its directory is not here: only its renewals tell whether it lives.
        ("held", Sight.HIDDEN, 0.0, False, Verdict.WATCH),
        ("held", Sight.HIDDEN, SILENT_S - 1, False, Verdict.WATCH),
        ("held", Sight.HIDDEN, 0.0, True, Verdict.IN_USE),
        ("held", Sight.HIDDEN, SILENT_S, False, Verdict.ELSEWHERE),
        ("stopped", Sight.HIDDEN, 0.0, False, Verdict.ELSEWHERE),
        # Its directory is here: its lock tells at once.
        ("held", Sight.LIVE, 0.0, False, Verdict.IN_USE),
        ("held", Sight.LIVE, 3600.0, False, Verdict.IN_USE),
        ("stopped", Sight.LIVE, 0.0, False, Verdict.IN_USE),
        ("held", Sight.UNFINISHED, 0.0, False, Verdict.UNFINISHED),
        ("stopped", Sight.UNFINISHED, 0.0, False, Verdict.UNFINISHED),
        ("held", Sight.NEVER_BEGUN, 0.0, False, Verdict.TAKE),
        ("held", Sight.FINISHED, 0.0, False, Verdict.TAKE),
        # Its owner has let go, and may be about to delete it.
        ("released", Sight.HIDDEN, 0.0, False, Verdict.WATCH),
        ("released", Sight.HIDDEN, RELEASED_S, False, Verdict.TAKE),
    ],
)
def test_the_claim_of_a_run_that_has_begun(state, sight, age_s, renewed, verdict):
    note = Note(THEIRS, "token", state)
    assert judged(note, sight=sight, age_s=age_s, renewed=renewed) is verdict


def test_a_silent_claim_of_a_run_that_had_not_begun_is_free():
    note = Note(replace(THEIRS, begun=False), "token")
    assert judged(note, age_s=SILENT_S - 1) is Verdict.WATCH
    assert judged(note, age_s=SILENT_S) is Verdict.TAKE
    assert judged(note, renewed=True) is Verdict.IN_USE


def test_to_go_on_with_a_run_its_claim_is_taken():
    """Its journal is open here: only another machine's process may be at a copy of it."""
    own = replace(MINE, pid=7, begun=True)
    for sight in Sight:
        assert judged(Note(own, "token"), sight=sight) is Verdict.TAKE
    elsewhere = Note(replace(own, host="there"), "token")
    for sight in Sight:
        assert judged(elsewhere, sight=sight) is Verdict.WATCH
        assert judged(elsewhere, sight=sight, renewed=True) is Verdict.IN_USE
        assert judged(elsewhere, sight=sight, age_s=SILENT_S) is Verdict.TAKE
        assert judged(replace(elsewhere, state="stopped"), sight=sight) is Verdict.TAKE


def test_no_run_that_has_begun_is_ever_started_anew():
    """Whatever is told and seen, unless it is finished: a claim is taken from it only to go on with it."""
    for state, sight, age_s, renewed in itertools.product(
        ("held", "stopped"),
        (Sight.HIDDEN, Sight.LIVE, Sight.UNFINISHED),
        (0.0, SILENT_S, 1e9),
        (False, True),
    ):
        assert (
            judged(Note(THEIRS, "token", state), sight=sight, age_s=age_s, renewed=renewed)
            is not Verdict.TAKE
        )


def test_a_note_is_read_back():
    note = Note(THEIRS, "0123", "stopped", 7)
    assert parse_note(note.encode(), "a claim") == note
    assert json.loads(note.encode())["run_dir"] == "/runs/theirs", "for people"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is damaged"),
        (b"{}", "is damaged"),
        (Note(THEIRS, "token", "gone").encode(), "is damaged"),
        (b'{"version": 9}', "later version"),
    ],
)
def test_a_note_that_cannot_be_understood_is_an_error(content, words):
    with pytest.raises(JournalError, match=rf"s3://lake/claim.* {words}"):
        parse_note(content, "s3://lake/claim")


@pytest.fixture
def directory(tmp_path):
    return RunDirectory(tmp_path / THEIRS.run_id)


def write_manifest(directory, *, run_id=THEIRS.run_id, **run):
    Manifest(run_id, Config.model_validate({"run": run}), "", "endpoint").write(directory.manifest)


def test_what_is_seen_of_a_directory(directory):
    owner = replace(THEIRS, run_dir=str(directory.path))
    assert look(owner) is Sight.HIDDEN
    assert look(replace(owner, run_dir=None)) is Sight.HIDDEN
    directory.create()
    assert look(owner) is Sight.NEVER_BEGUN
    with_journal = Journal(directory.journal)
    assert look(owner) is Sight.LIVE
    with_journal.close()
    assert look(owner) is Sight.NEVER_BEGUN
    write_manifest(directory)
    assert look(owner) is Sight.UNFINISHED
    directory.summary.write_text("{}")
    assert look(owner) is Sight.FINISHED


def test_a_directory_of_another_run_or_without_a_lock_tells_nothing(directory, tmp_path):
    owner = replace(THEIRS, run_dir=str(directory.path))
    directory.create()
    write_manifest(directory, run_id="abcdefghij")
    assert look(owner) is Sight.HIDDEN
    write_manifest(directory, journal=False)
    assert look(owner) is Sight.HIDDEN
    named = RunDirectory(tmp_path / "nightly")
    named.create()
    assert look(replace(owner, run_dir=str(named.path))) is Sight.HIDDEN, "it may be another host's"
