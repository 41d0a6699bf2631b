"""Which files a run reads is kept as it was, and damage is said."""

from __future__ import annotations

import pytest
from support.remote import DictRemote

from fanout.domain.location import Location
from fanout.errors import JournalError
from fanout.ports import ObjectInfo
from fanout.rundir.chosen_inputs import ChosenInputs, read_chosen
from fanout.source.files import InputFile, remote_file

REMOTE = DictRemote({})


def test_files_are_read_as_they_were(tmp_path):
    info = ObjectInfo(Location("b", "k //ü"), 5, 1.5, '"etag"')
    chosen = ChosenInputs((remote_file(info, REMOTE), InputFile("/in/\udcff", 3, 4, 5)), ("s3://b/gone",))
    chosen.write(tmp_path / "inputs.json")
    found = read_chosen(tmp_path / "inputs.json", remote=REMOTE)
    assert found == chosen
    assert found.files[0].remote is REMOTE


@pytest.mark.parametrize(
    "content", ["", "{}", '{"version": 1, "files": [[1]], "gone": []}', '{"version": 1}']
)
def test_damage_is_said(tmp_path, content):
    (tmp_path / "inputs.json").write_text(content)
    with pytest.raises(JournalError, match=r"inputs\.json (is damaged|cannot be read)"):
        read_chosen(tmp_path / "inputs.json", remote=REMOTE)
