from __future__ import annotations

import errno
import os
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fanout.errors import Exit, RunError, StorageError, UsageError
from fanout.files import (
    _DAMAGES,
    durable_file,
    make_directory,
    publish,
    publish_directory,
    read_json,
    readable,
    storage,
    usable,
    write_json,
)


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


class DamagedError(RunError):
    pass


def read(path: Path) -> object:
    return read_json(path, lambda content: content["rows"] + 1, version=1, error=DamagedError)


def test_json_is_written_whole_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_json(path, {"version": 1, "rows": 6})
    write_json(path, {"version": 1, "rows": 7})
    assert read(path) == 8
    assert (path.stat().st_mode & 0o777, [each.name for each in tmp_path.iterdir()]) == (0o600, ["run.json"])


def test_json_that_cannot_be_written_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "run.json"
    write_json(path, {"version": 1, "rows": 6})
    monkeypatch.setattr("fanout.files.os.fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        write_json(path, {"version": 1, "rows": 7})
    assert (read(path), [each.name for each in tmp_path.iterdir()]) == (7, ["run.json"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"cannot be read: no such file or directory$"),
        (b"", r"is damaged: it is not a complete JSON document\. Put back a copy of it"),
        (b"{", r"is damaged: it is not a complete JSON document\. Put back a copy of it"),
        (b"\xff\xfe{", r"is damaged: it is not a complete JSON document\. Put back a copy of it"),
        (b"[" * 100_000, r"is damaged: it is not a complete JSON document\. Put back a copy of it"),
        (b"null", "is damaged: it has no version"),
        (b"[1]", "is damaged: it has no version"),
        (b'{"rows": 7}', "is damaged: it has no version"),
        (b'{"version": 2, "rows": 7}', "was written by another version of fanout"),
        (b'{"version": "1", "rows": 7}', "was written by another version of fanout"),
        (b'{"version": 1}', r"is damaged: it lacks 'rows'\. Put back a copy"),
        (
            b'{"version": 1, "rows": "7"}',
            r"is damaged: a value in it is not what fanout writes\. Put back a copy",
        ),
    ],
)
def test_json_that_cannot_be_used_is_an_error_of_the_callers_that_names_the_file(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "run.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DamagedError, match=rf"run\.json {said}"):
        read(path)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
@pytest.mark.parametrize(
    "open_it", [lambda path: storage(path, "write"), readable], ids=["storage", "readable"]
)
def test_no_descriptor_left_is_no_fault_of_the_disk(tmp_path: Path, number: int, open_it: Any) -> None:
    said = r"raise `ulimit -n`, or lower --concurrency"
    with pytest.raises(RunError, match=said) as caught, open_it(tmp_path / "part"):
        raise OSError(number, os.strerror(number))
    assert caught.value.exit is Exit.PRECONDITION


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOENT, UsageError), (errno.ENAMETOOLONG, UsageError), (errno.ENOSPC, StorageError)],
)
def test_only_a_wrong_name_is_a_mistake_in_what_was_asked(tmp_path: Path, number: int, kind: Any) -> None:
    with pytest.raises(kind) as caught, usable(tmp_path), storage(tmp_path, "create"):
        raise OSError(number, os.strerror(number))
    assert type(caught.value) is kind


def test_no_damage_of_a_parquet_file_is_told_in_the_words_of_a_library(tmp_path: Path) -> None:
    """Each file is damaged in another way: cut off, bytes changed, its footer changed, bytes taken out."""
    rng = random.Random(26)
    written = []
    for codec in ("zstd", "snappy", "gzip", "none"):
        path = tmp_path / f"{codec}.parquet"
        table = pa.table({"row": range(2_000), "text": [f"x{n % 7}" for n in range(2_000)]})
        pq.write_table(table, path, compression=codec, write_page_checksum=True)
        written.append(path.read_bytes())
    told = set()
    path = tmp_path / "damaged.parquet"
    for n in range(300):
        content = bytearray(rng.choice(written))
        footer = int.from_bytes(content[-8:-4], "little") + 8
        at, low = rng.randrange(len(content)), len(content) - footer
        match n % 4:
            case 0:
                del content[at:]
            case 1:
                content[at] ^= rng.randrange(1, 256)
            case 2:
                content[rng.randrange(low, len(content) - 8)] ^= rng.randrange(1, 256)
            case _:
                del content[at : at + rng.randrange(1, 200)]
        path.write_bytes(content)
        try:
            with readable(path), pq.ParquetFile(path, page_checksum_verification=n % 3 > 0) as file:
                file.read()
        except StorageError as error:
            told.add(str(error).removeprefix(f"{path} cannot be read back: ").partition(". The disk")[0])
        except UnicodeDecodeError:  # of a name in the schema
            continue
    assert {
        "it is not a Parquet file, or its end is missing",
        "a page does not match its CRC checksum",
    } <= told
    assert told <= {said for _, said in _DAMAGES} | {"what it holds cannot be decoded: it is damaged"}
