"""Finds the run that a command line names, on this machine or in S3, with what it was started with."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fanout.commands.find_run import find_run, in_s3
from fanout.config.flags import Sections
from fanout.config.load import load_config
from fanout.rundir.manifest import read_manifest
from fanout.rundir.paths import RunDirectory

if TYPE_CHECKING:
    from fanout.config.model import Config


@dataclass(frozen=True, slots=True)
class NamedRun:
    """A run.

    Attributes:
        where: Its directory, or the uri of its place in S3.
        config: What it was started with.
    """

    where: Path | str
    config: Config


def named(run: str, config: Path | None, flags: Sections) -> NamedRun:
    """Return the run that `run` means; S3 is asked for an `s3://` name alone.

    Args:
        run: RUN of the command line.
        config: The TOML file that is named; with the environment and the flags it leads to S3.
        flags: Values of flags, by section and key.

    Raises:
        UsageError: There is no such run.
        RunError: S3 does not permit it, or does not answer.
    """
    if not in_s3(run):
        path = find_run(run)
        return NamedRun(path, read_manifest(RunDirectory(path)).config)
    from fanout.commands.find_place import manifest_at, named_run  # with all of AWS

    session = load_config(config, environ=os.environ, flags=flags)
    where = named_run(run, session)
    manifest = manifest_at(where, session)
    return NamedRun(where if isinstance(where, Path) else where.uri, manifest.config)
