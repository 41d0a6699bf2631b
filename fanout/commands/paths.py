"""Checks the names that a person gave inputs and outputs, before anything is made or sent."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from fanout.config.model import Config
from fanout.errors import UsageError, next_time
from fanout.files import storage, usable
from fanout.output.destination import check_name
from fanout.output.object_place import is_remote, object_place
from fanout.source.path_rules import matches


def check_complete(config: Config) -> None:
    """Refuse a run that lacks what every run must be told, all of it at once.

    Raises:
        UsageError: No output, no input, or no endpoint.
    """
    missing = {
        "no output: name a file with -o out.parquet": config.output.path,
        "no input: name files, directories or globs, or - for standard input": config.input.paths,
        "no endpoint: name it with --endpoint, or try --local": config.endpoint.name or config.local.enabled,
    }
    if lacking := [said for said, given in missing.items() if not given]:
        raise UsageError("; ".join(lacking))


def check_places(config: Config) -> None:
    """Refuse an output and a run directory that would not outlive the run, or cannot be where they are named.

    Raises:
        UsageError: The output stands in the local AWS's S3, or the run's directory in S3.
    """
    output = config.output.path or ""
    if is_remote(output) and config.local.enabled:
        raise UsageError(
            f"{output}: the local AWS ends with the run, and its S3 with it: choose a path for the output"
        )
    if is_remote(config.run.dir or ""):
        raise UsageError(f"{config.run.dir}: the run's directory is on this machine: choose a path for it")


def check_paths(inputs: Sequence[str], output: str) -> None:
    """Refuse inputs and outputs that cannot be meant, and make the output's directory.

    Raises:
        UsageError: As `check_names`, or the output's directory cannot be written to.
        StorageError: The disk is full or failed.
    """
    check_names(inputs, output)
    if is_remote(output):
        return
    parent = Path(output.rstrip("/")).parent
    with next_time("start it again"), usable(parent), storage(parent, "create"):
        parent.mkdir(parents=True, exist_ok=True)
    if not os.access(parent, os.W_OK):
        raise UsageError(f"{parent} cannot be written to: choose another output")


def check_names(inputs: Sequence[str], output: str) -> None:
    """Refuse inputs and outputs that cannot be meant; nothing is made.

    Raises:
        UsageError: No input, or the output is an input, or is where inputs are looked for.
    """
    if is_remote(output):
        object_place(output)
    else:
        check_name(Path(output))
    if Path(output).name == "-":
        raise UsageError(
            "the output is a Parquet file and cannot go to standard output: name one with -o out.parquet"
        )
    if not inputs:
        raise UsageError("no input: name files, directories or globs, or - for standard input")
    if "" in inputs:
        raise UsageError("an input has no name: an empty one would be every file of this directory")
    if is_remote(output):
        if output in inputs:
            raise UsageError(f"the output {output} is the input: choose another name")
        return
    for path in inputs:
        if "://" not in path and is_same_file(Path(path), Path(output)):
            raise UsageError(f"the output {output} is the input: choose another name")
        if "://" not in path and _would_be_read(Path(output), path):
            raise UsageError(
                f"the output {output} is among the inputs {path}, and a later run would read it as rows: "
                "choose another place for it"
            )


def _would_be_read(output: Path, path: str) -> bool:
    """Whether reading the input `path`, a directory or a glob, would come upon the output once it is there."""
    inside, folder = output.resolve(), Path(path).resolve()
    if folder.is_dir():
        return folder in inside.parents
    if folder.exists():
        return False
    # A directory that a glob means is read as a whole.
    return any(matches(one.parts, folder.parts) for one in (inside, *inside.parents))


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file that is there."""
    try:
        return one.samefile(other)
    except OSError:
        return False
