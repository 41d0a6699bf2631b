"""Which uploads a run has begun: what was noted is read back, whatever a kill has cut off."""

from __future__ import annotations

import pytest

from fanout.domain.location import Location
from fanout.errors import StorageError
from fanout.rundir.begun_uploads import note_upload, noted_uploads
from fanout.rundir.paths import RunDirectory

ODD = Location("b", 'ünï ☃ "\n".parquet')


@pytest.fixture
def directory(tmp_path):
    made = RunDirectory(tmp_path / "rd")
    made.create()
    return made


def test_what_was_noted_is_read_back(directory):
    assert noted_uploads(directory) == frozenset()
    note_upload(directory, ODD, "id-1")
    note_upload(directory, ODD, "id-2")
    assert noted_uploads(directory) == {(ODD, "id-1"), (ODD, "id-2")}
    assert directory.uploads.stat().st_mode & 0o777 == 0o600


def test_a_line_that_was_cut_off_spoils_no_other(directory):
    note_upload(directory, ODD, "id-1")
    whole = directory.uploads.read_bytes()
    for length in range(len(whole)):
        directory.uploads.write_bytes(whole[:length])
        assert noted_uploads(directory) <= {(ODD, "id-1")}
        note_upload(directory, ODD, "id-2")
        assert (ODD, "id-2") in noted_uploads(directory), length


def test_a_run_that_sent_nothing_leaves_none(directory):
    note_upload(directory, ODD, "id-1")
    directory.remove_if_unused()
    assert not directory.path.exists()


def test_a_disk_that_takes_nothing_is_said(directory):
    directory.uploads.mkdir()
    with pytest.raises(StorageError, match=r"uploads\.jsonl"):
        note_upload(directory, ODD, "id-1")
