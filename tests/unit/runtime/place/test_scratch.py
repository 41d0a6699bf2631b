"""Scratch is a process's own, and goes with it; what a killed one left goes with the next."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from fanout.errors import UsageError
from fanout.runtime.place.scratch import FOLDER, scratch, scratch_root


def test_it_is_empty_private_and_gone_afterwards(tmp_path):
    with scratch(tmp_path / "root") as directory:
        assert list(directory.path.iterdir()) == [directory.parts]
        assert directory.path.stat().st_mode & 0o077 == 0
        assert directory.path.parent.stat().st_mode & 0o077 == 0
        (directory.parts / "part").write_bytes(b"x")
    assert list((tmp_path / "root").iterdir()) == []


def test_two_processes_have_one_each(tmp_path):
    with scratch(tmp_path) as one, scratch(tmp_path) as other:
        assert one.path != other.path
        assert one.path.exists()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_a_live_one_has_is_not(tmp_path):
    dead, live, young = (tmp_path / f"run-{name}" for name in ("dead", "live", "young"))
    for path in (dead, live, young):
        (path / "run").mkdir(parents=True)
    (dead / "lock").touch()
    lock = os.open(live / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    (tmp_path / "other").mkdir()
    with scratch(tmp_path):
        assert not dead.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"run-live", "run-young", "other"}
    os.close(lock)


def test_a_name_that_cannot_be_a_directory_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="choose another name"), scratch(tmp_path / "file"):
        pass


def test_where_it_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    assert scratch_root(str(tmp_path), {"TMPDIR": "/other"}) == tmp_path
    assert scratch_root(None, {"TMPDIR": str(tmp_path)}) == tmp_path / FOLDER
    cache = tmp_path / "cache"
    assert scratch_root(None, {"XDG_CACHE_HOME": str(cache)}) == cache / FOLDER
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "file" / "home")
    (tmp_path / "file").touch()
    assert scratch_root(None, {}).name == FOLDER  # where there is no home, the system's directory for such
