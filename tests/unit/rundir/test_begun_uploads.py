"""Which uploads a run has begun: what was noted is read back, whatever a kill has cut off."""

from __future__ import annotations

import pytest

from fanout.domain.leftovers import NOTED_WITHIN_S, BegunUploads, UnfinishedUpload
from fanout.domain.location import Location
from fanout.errors import StorageError
from fanout.rundir.begun_uploads import CALL_S, begun_uploads, note_upload
from fanout.rundir.paths import RunDirectory

ODD = Location("b", 'ünï ☃ "\n".parquet')
OTHER = Location("b", "other.parquet")


@pytest.fixture
def directory(tmp_path):
    made = RunDirectory(tmp_path / "rd")
    made.create()
    return made


def test_what_was_noted_is_read_back(directory):
    assert begun_uploads(directory) == BegunUploads()
    note_upload(directory, ODD, "id-1")
    note_upload(directory, ODD, "id-2")
    assert begun_uploads(directory).ids == {(ODD, "id-1"), (ODD, "id-2")}
    assert directory.uploads.stat().st_mode & 0o777 == 0o600


def test_what_began_while_it_was_asked_for_is_the_runs_own(directory, monkeypatch):
    clock = iter([100.0, 103.0, 200.0])
    monkeypatch.setattr("fanout.rundir.begun_uploads.time.time", lambda: next(clock))
    note_upload(directory, ODD, None)
    note_upload(directory, ODD, "id-1")
    note_upload(directory, OTHER, None)  # and it was killed
    begun = begun_uploads(directory)
    assert begun.spans == ((ODD, 100.0, 103.0), (OTHER, 200.0, 200.0 + CALL_S))
    assert begun.places == {ODD, OTHER}
    for location, began_at, own in (
        (ODD, 100.0 - NOTED_WITHIN_S, True),
        (ODD, 103.0 + NOTED_WITHIN_S, True),
        (ODD, 103.1 + NOTED_WITHIN_S, False),
        (ODD, 99.9 - NOTED_WITHIN_S, False),
        (OTHER, 200.0 + CALL_S, True),
        (OTHER, 101.0, False),
        (ODD, 201.0, False),
    ):
        assert begun.has(UnfinishedUpload(location, "another id", began_at)) is own
    assert begun.has(UnfinishedUpload(ODD, "id-1", 9_999.0))
    assert not begun.has(UnfinishedUpload(OTHER, "id-1", 9_999.0))


def test_a_line_that_was_cut_off_spoils_no_other(directory):
    note_upload(directory, ODD, "id-1")
    whole = directory.uploads.read_bytes()
    for length in range(len(whole)):
        directory.uploads.write_bytes(whole[:length])
        assert begun_uploads(directory).ids <= {(ODD, "id-1")}
        note_upload(directory, ODD, "id-2")
        assert (ODD, "id-2") in begun_uploads(directory).ids, length


def test_a_run_that_sent_nothing_leaves_none(directory):
    note_upload(directory, ODD, "id-1")
    directory.remove_if_unused()
    assert not directory.path.exists()


def test_a_disk_that_takes_nothing_is_said(directory):
    directory.uploads.mkdir()
    with pytest.raises(StorageError, match=r"uploads\.jsonl"):
        note_upload(directory, ODD, "id-1")
