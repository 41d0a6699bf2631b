"""Claims the output's name at the start, and moves the finished content there in one step at the end.

The content is built beside the name: the output is absent or complete at any instant and after any crash.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from fanout.errors import RunError, UsageError
from fanout.files import make_directory, publish, publish_directory, readable, replace, storage, usable
from fanout.output.parquet import open_file
from fanout.output.parts import is_part
from fanout.output.schema import RUN_KEY

OUTPUT = "output"
"""What is built in the workspace, a file or a directory, before it gets its name."""
REMEDY = "choose another name, or replace it with --overwrite"
_SCHEMES = frozenset({"s3:", "s3a:", "s3n:", "gs:", "http:", "https:", "file:", "hdfs:", "abfs:", "abfss:"})
_TEXT = frozenset({".csv", ".tsv", ".json", ".jsonl", ".ndjson"})


@dataclass(frozen=True, slots=True)
class Target:
    """The output's name.

    Attributes:
        dataset: Whether a directory of files is asked for, by a slash at the end.
        replace: Whether what is there may go.
    """

    path: Path
    run_id: str
    dataset: bool
    replace: bool


def claim(output: str | Path, *, run_id: str, overwrite: bool, remedy: str = REMEDY) -> Target:
    """Return the target, if it may be written as far as is known now.

    Raises:
        UsageError: It exists and may not be replaced, a directory stands where a file is asked for, there is no
            directory to put it in, or its name is that of a text file or not UTF-8.
        StorageError: The file system does not say what is there.
    """
    path, dataset = Path(output), str(output).endswith("/")
    check_name(path)
    with usable(path), storage(path, "look at"):
        return _claim(path, run_id=run_id, dataset=dataset, overwrite=overwrite, remedy=remedy)


def check_name(path: Path) -> None:
    """Refuse a path that Arrow cannot open, before a run has cost anything.

    Raises:
        UsageError: It is a URL, or it is not UTF-8, or the working directory of a relative path is not.
    """
    url = next((part for part in path.parts if part.lower() in _SCHEMES), None)
    if url is not None:  # a path has lost the second slash
        raise UsageError(
            f"{path}: outputs are files here or in S3, not {url}//: choose a path, and copy the file afterwards"
        )
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{str(path.absolute())!a}: a name that is not UTF-8 cannot be written as Parquet or read: "
            "rename it, or choose another"
        ) from error


def workspace_path(output: Path, run_id: str) -> Path:
    """Return where a run's output on this machine is built."""
    return output.with_name(f"{output.name}.{run_id}.tmp")


def run_at(output: str | Path) -> str | None:
    """Return the run that made what stands at `output`, a file or a dataset; None if it is not an output of ours."""
    path = Path(output)
    with suppress(OSError):
        files = sorted(entry for entry in path.iterdir() if is_part(entry)) if path.is_dir() else [path]
        return _run_of(files[0]) if files else None
    return None


@contextmanager
def workspace(target: Target) -> Iterator[Path]:
    """Create `<output>.<run>.tmp/` beside the output, on the same file system; it is gone afterwards.

    Raises:
        StorageError: It cannot be created, or cleared of what a killed run left in it.
    """
    directory = workspace_path(target.path, target.run_id)
    with storage(directory, "clear"), suppress(FileNotFoundError):
        shutil.rmtree(directory)
    try:
        make_directory(directory)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def place(directory: Path, target: Target) -> None:
    """Give the output built in the workspace `directory` its name.

    Raises:
        UsageError: The name was taken meanwhile.
        StorageError: The file system refused; what stood there before stands there still.
    """
    built = directory / OUTPUT
    try:
        if not target.dataset:
            replace(built, target.path) if target.replace else publish(built, target.path)
        elif target.replace:
            _replace_directory(built, target)
        else:
            publish_directory(built, target.path)
    except FileExistsError as error:
        raise UsageError(
            f"{target.path} appeared while it was being written: move it away, then `fanout resume`"
        ) from error


def _claim(path: Path, *, run_id: str, dataset: bool, overwrite: bool, remedy: str) -> Target:
    if not dataset and path.suffix.lower() in _TEXT:
        raise UsageError(f"{path}: the output is Parquet: name it {path.with_suffix('.parquet').name}")
    if not path.parent.is_dir():
        raise UsageError(
            f"{path.parent} is not a directory: create it, or choose another name for the output"
        )
    if not path.is_dir():
        if dataset and path.exists():
            raise UsageError(f"{path} is a file: leave out the slash at the end, or choose another name")
        return Target(
            path, run_id, dataset, _may_replace(path, run_id=run_id, overwrite=overwrite, remedy=remedy)
        )
    if not dataset:
        raise UsageError(f"{path} is a directory: end it in a slash to write a dataset there")
    content = sorted(path.iterdir())
    stranger = next((entry for entry in content if not is_part(entry)), None)
    if stranger is not None:
        raise UsageError(f"{path} holds more than an earlier output ({stranger.name}): choose another name")
    may_replace = bool(content) and _may_replace(
        content[0], run_id=run_id, overwrite=overwrite, remedy=remedy
    )
    return Target(path, run_id, dataset, may_replace)


def _may_replace(file: Path, *, run_id: str, overwrite: bool, remedy: str) -> bool:
    """Whether to replace `file`, False if there is none."""
    if not os.path.lexists(file):
        return False
    if not file.exists() and not overwrite:
        raise UsageError(
            f"{file} is a link to {file.readlink()}, which is not there: remove it, or name another output"
        )
    if overwrite or _run_of(file) == run_id:
        return True
    raise UsageError(f"{file} exists: {remedy}")


def _run_of(file: Path) -> str | None:
    """Return the run that made `file`, None if it is not an output of ours."""
    with suppress(RunError), readable(file), open_file(file) as opened:
        return (opened.schema_arrow.metadata or {}).get(RUN_KEY, b"").decode(errors="replace") or None
    return None


def _replace_directory(built: Path, target: Target) -> None:
    """Put `built` in place of the target: two renames, and the first is undone if the second fails.

    The old directory waits as `<output>.<run>.old`, outside the workspace, so that only success removes it.
    """
    aside = target.path.with_name(f"{target.path.name}.{target.run_id}.old")
    with storage(target.path, "replace"):
        with suppress(FileNotFoundError):  # of a run that was killed after its second rename
            shutil.rmtree(aside)
        target.path.rename(aside)
    try:
        publish_directory(built, target.path)
    except BaseException:
        with suppress(OSError):
            aside.rename(target.path)
        raise
    shutil.rmtree(aside, ignore_errors=True)
