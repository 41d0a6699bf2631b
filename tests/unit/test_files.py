from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from fanout.errors import StorageError
from fanout.files import durable_file, make_directory, publish, publish_directory


def refuse(code: int) -> object:
    def link(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return link


def test_what_is_written_is_there(tmp_path: Path) -> None:
    with durable_file(tmp_path / "a") as file:
        file.write(b"whole")
    assert (tmp_path / "a").read_bytes() == b"whole"


def test_nothing_is_left_of_a_file_that_failed(tmp_path: Path) -> None:
    def write_half() -> None:
        with durable_file(tmp_path / "a") as file:
            file.write(b"half")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        write_half()
    assert list(tmp_path.iterdir()) == []


def test_publish_never_replaces(tmp_path: Path) -> None:
    draft, name = tmp_path / "draft", tmp_path / "name"
    draft.write_bytes(b"new")
    name.write_bytes(b"old")
    with pytest.raises(FileExistsError):
        publish(draft, name)
    assert (draft.read_bytes(), name.read_bytes()) == (b"new", b"old")


def test_publish_does_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fanout.files.os.link", refuse(errno.EPERM))
    draft, name = tmp_path / "draft", tmp_path / "name"
    draft.write_bytes(b"new")
    publish(draft, name)
    assert (draft.exists(), name.read_bytes()) == (False, b"new")
    draft.write_bytes(b"newer")
    with pytest.raises(FileExistsError):
        publish(draft, name)
    assert name.read_bytes() == b"new"


def test_publish_says_why_it_could_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fanout.files.os.link", refuse(errno.ENOSPC))
    (tmp_path / "draft").write_bytes(b"new")
    with pytest.raises(
        StorageError, match=r"cannot create .*/name: No space left on device; free space there"
    ):
        publish(tmp_path / "draft", tmp_path / "name")


def test_publish_directory_takes_an_empty_one_and_no_other(tmp_path: Path) -> None:
    built, name = tmp_path / "built", tmp_path / "name"
    built.mkdir()
    (built / "a").write_bytes(b"new")
    name.mkdir()
    (name / "b").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        publish_directory(built, name)
    (name / "b").unlink()
    publish_directory(built, name)
    assert [path.name for path in name.iterdir()] == ["a"]
    with pytest.raises(StorageError, match="No such file or directory"):
        publish_directory(built, tmp_path / "other")


def test_make_directory_is_private_and_may_be_there(tmp_path: Path) -> None:
    make_directory(tmp_path / "d")
    make_directory(tmp_path / "d")
    assert (tmp_path / "d").stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match=r"cannot create .*/file: File exists"):
        make_directory(tmp_path / "file")
