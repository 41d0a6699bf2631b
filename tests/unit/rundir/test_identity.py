"""A run directory and its copies: which is asked about, and which is simply where it was put."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import pytest

from fanout.errors import JournalError
from fanout.rundir import identity
from fanout.rundir.identity import Identity, check_alone, check_identity, claim, identify, take_over
from fanout.rundir.journal import Journal
from fanout.rundir.paths import RunDirectory

THEN = Identity(journal=12, parts=13, device=5, boot="b-1", path="/runs/rd")


def made(path):
    directory = RunDirectory(path)
    directory.create()
    Journal(directory.journal).close()
    claim(directory)
    return directory


@pytest.fixture
def run(tmp_path):
    return made(tmp_path / "rd")


def copy_of(directory, name):
    path = directory.path.with_name(name)
    shutil.copytree(directory.path, path)
    return RunDirectory(path)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"path": "/elsewhere/rd"}, True),
        ({"boot": "b-2"}, True),
        ({"boot": "b-2", "device": 6}, True),  # file systems are numbered as they are mounted
        ({"boot": None, "device": 6}, True),
        ({"device": 6}, False),  # another container's file system, or another snapshot: made in this start
        ({"journal": 99}, False),
        ({"parts": 99}, False),
        ({"boot": "b-2", "journal": 99}, False),
    ],
)
def test_the_same_files_are_the_same_wherever_they_stand(change, same):
    assert replace(THEN, **change).is_of(THEN) is same
    assert THEN.is_of(replace(THEN, **change)) is same


def test_a_directory_that_was_renamed_is_itself(run, tmp_path):
    check_identity(run)
    moved = RunDirectory(tmp_path / "elsewhere" / "rd")
    moved.path.parent.mkdir()
    run.path.rename(moved.path)
    check_identity(moved)
    claim(moved)
    assert identify(moved).path == str(moved.path)
    inside = RunDirectory(tmp_path / "by hand")  # mkdir, and mv of what is in it
    inside.path.mkdir()
    for each in list(moved.path.iterdir()):
        each.rename(inside.path / each.name)
    check_identity(inside)


def test_a_copy_is_asked_about_and_told_what_to_say(run):
    copy = copy_of(run, "copy")
    with pytest.raises(JournalError) as caught:
        check_identity(copy)
    said = str(caught.value)
    assert f"{copy.path} is a copy, or was moved" in said
    assert f"not those of {run.path}" in said
    for way in (
        f"resume {copy.path} --moved",
        f"resume {copy.path} --rebuild",
        f"export {copy.path} -o FILE",
    ):
        assert f"`fanout {way}`" in said
    check_identity(run)


def test_a_copy_of_hard_links_is_a_copy(run):
    """`cp -al`, and backups that link what has not changed: the journal has the inode that it had."""
    copy = run.path.with_name("linked")
    shutil.copytree(run.path, copy, copy_function=os.link)
    assert RunDirectory(copy).journal.samefile(run.journal)
    with pytest.raises(JournalError, match="is a copy"):
        check_identity(RunDirectory(copy))


def test_another_file_system_of_this_start_of_the_machine_is_asked_about(run, monkeypatch):
    """As an image that two containers were started from: the inodes are those of its layer."""
    before = identify(run)
    monkeypatch.setattr(identity, "identify", lambda directory: replace(before, device=before.device + 1))
    if before.boot is None:
        pytest.skip("this machine does not tell its starts apart")
    with pytest.raises(JournalError, match="is a copy"):
        check_identity(run)


@pytest.mark.parametrize("content", [None, "", "[]", '{"version": 1}', '{"version": 9}'])
def test_what_cannot_be_told_is_asked_about(run, content):
    if content is None:
        run.identity.unlink()
    else:
        run.identity.write_text(content)
    with pytest.raises(JournalError, match=r"identity\.json is gone.*--moved"):
        check_identity(run)
    take_over(run)
    check_identity(run)


def test_the_only_copy_is_taken_over_and_one_beside_its_original_is_not(run):
    copy = copy_of(run, "copy")
    for refused in (take_over, check_alone):
        with pytest.raises(JournalError, match=f"{run.path}, which it was made of, is there"):
            refused(copy)
    with pytest.raises(JournalError, match="is a copy"):
        check_identity(copy)
    shutil.rmtree(run.path)
    take_over(copy)
    check_identity(copy)
    another = copy_of(copy, "another")
    with pytest.raises(JournalError, match=f"not those of {copy.path}"):
        check_identity(another)


def test_all_shards_are_taken_over_or_none(run):
    for index in (0, 1):
        run.shard(index).path.mkdir(parents=True)
        made(run.shard(index).path)
    copy = copy_of(run, "copy")
    shutil.rmtree(run.shard(0).path)
    shutil.rmtree(run.parts)  # of the original only one shard is left
    with pytest.raises(JournalError, match=f"{run.shard(1).path}, which it was made of"):
        take_over(copy)
    for each in (copy, copy.shard(0), copy.shard(1)):
        with pytest.raises(JournalError, match="is a copy"):
            check_identity(each)
    shutil.rmtree(run.path)
    take_over(copy)
    for each in (copy, copy.shard(0), copy.shard(1)):
        check_identity(each)


def test_what_has_not_changed_is_not_written_again(run):
    before = run.identity.stat()
    claim(run)
    assert run.identity.stat().st_ino == before.st_ino


def test_without_a_journal_there_is_nothing_to_ask(run):
    copy = copy_of(run, "copy")
    copy.journal.unlink()
    check_identity(copy)
    take_over(copy)
