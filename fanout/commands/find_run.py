"""Finds the run that RUN means on a command line: a run directory, an output, or `last`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from fanout.commands.status import runs
from fanout.errors import RunError, UsageError
from fanout.rundir.claim import read_claim
from fanout.rundir.manifest import Manifest, read_manifest
from fanout.rundir.paths import RUNS, RunDirectory

LAST = "last"
_S3 = "s3://"  # not by `output.object_place`, which comes with pyarrow


def find_run(run: str | os.PathLike[str]) -> Path:
    """Return the directory of the run that `run` means.

    - `last`: the run that started last among those that `fanout runs` lists here.
    - An output: the run that its claim names, which is under way or unfinished; otherwise the one that made what stands
      there; otherwise the last run beside it that was to write it.
    - Anything else is a run directory, as it is.

    Raises:
        UsageError: There is no such run here.
        JournalError: A claim is damaged, or of a later version.
    """
    text = os.fspath(run)
    if text == LAST:
        return _last(Path())
    if in_s3(text):
        found = listed_here(text)
        if found is None:
            raise UsageError(f"no run of {text} is listed by `fanout runs` here: name its run directory")
        return found
    path = Path(text)
    if RunDirectory(path).manifest.exists():
        return path
    return _of_output(text) or path


def in_s3(run: str | os.PathLike[str]) -> bool:
    """Whether a run is named by a place or an output in S3; `find_place.named_run` finds it there."""
    return os.fspath(run).lower().startswith(_S3)


def listed_here(output: str) -> Path | None:
    """Return the directory of the last run of an output in S3 among those that `fanout runs` lists here."""
    return _written_to(Path() / RUNS, output)


def output_of(run: str | os.PathLike[str]) -> str:
    """Return the output that `run` means: that of a run directory or of `last`; anything else is one itself.

    Raises:
        UsageError: There is no such run here.
        JournalError: Its `run.json` is damaged.
    """
    text = os.fspath(run)
    if text != LAST and (in_s3(text) or not RunDirectory(Path(text)).manifest.exists()):
        return text
    directory = RunDirectory(find_run(text))
    return read_manifest(directory).config.output.path or str(directory.path)


def _last(directory: Path) -> Path:
    found = runs(directory)
    if not found:
        raise UsageError(
            f"there is no last run: `fanout runs` lists none in {directory.absolute()}, whose .fanout holds them"
        )
    return Path(found[-1].run_dir)


def _of_output(output: str) -> Path | None:
    """Return the directory of the run of an output on this machine."""
    beside = Path(output).absolute().parent / RUNS
    owner = read_claim(output)
    if (
        owner is not None
        and owner.run_dir is not None
        and RunDirectory(Path(owner.run_dir)).manifest.exists()
    ):
        return Path(owner.run_dir)
    from fanout.output.destination import run_at  # with pyarrow, which a look at a run directory does without

    run_id = run_at(output)
    if run_id is not None and RunDirectory(beside / run_id).manifest.exists():
        return beside / run_id
    return _written_to(beside, str(Path(output).absolute()))


def _written_to(directory: Path, output: str) -> Path | None:
    """Return the last of the runs in `directory` whose output is, or was to be, `output`."""
    wanted = output.rstrip("/")
    found = [
        (path.stat().st_mtime, path.parent)
        for path, manifest in _manifests(directory)
        if (manifest.config.output.path or "").rstrip("/") == wanted
    ]
    return max(found)[1] if found else None


def _manifests(directory: Path) -> Iterator[tuple[Path, Manifest]]:
    for path in directory.glob("*/run.json"):
        with suppress(RunError, OSError):
            yield path, read_manifest(RunDirectory(path.parent))
