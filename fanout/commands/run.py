"""The library's front door: starts a run, resumes one, or sends the rows of one that failed once more.

A `Config` or a run directory enters, a `Summary` and an output file leave. Signals and deadlines stop a run in
order, and `resume_job` finishes it.
"""

from __future__ import annotations

import os
from pathlib import Path

from fanout.config.model import Config
from fanout.domain.ids import new_run
from fanout.domain.row_ranges import Ranges
from fanout.engine.snapshot import Observer
from fanout.errors import UsageError
from fanout.output.destination import check_name, claim
from fanout.rundir.paths import RUNS, RunDirectory
from fanout.rundir.summary import Summary
from fanout.runtime import settings as compose
from fanout.runtime.finish import finish_run
from fanout.runtime.runner import Runner
from fanout.shards.plan import split_config
from fanout.shards.processes import executor_of
from fanout.source.discovery import matches


async def run_job(config: Config, *, observer: Observer | None = None) -> Summary:
    """Run to the end and return the summary.

    Raises:
        RunError: The run could not be finished; its message names the next step.
        Interrupted: SIGINT or SIGTERM came; what was collected is durable, and `resume_job` goes on.
    """
    return await _start(compose.absolute(config), rows=None, retry_of=None, observer=observer)


async def _start(
    config: Config,
    *,
    rows: Ranges | None,
    retry_of: str | None,
    observer: Observer | None,
    fingerprint: str | None = None,
) -> Summary:
    split_config(
        config
    )  # before anything is made: what cannot be shared by so many processes is a wrong word
    run = new_run()
    output = compose.required(config.output.path, "no output: name a file with -o out.parquet")
    check_paths(config, output)
    claim(output, run_id=run, overwrite=config.output.overwrite)
    directory = RunDirectory(
        Path(config.run.dir).absolute() if config.run.dir else Path(output.rstrip("/")).parent / RUNS / run
    )
    check_name(directory.path)
    directory.create()
    go = Runner(
        run,
        config,
        directory,
        rows=rows,
        retry_of=retry_of,
        fingerprint=fingerprint,
        observer=observer,
        executor=executor_of(directory, config),
    )
    return await go.go(manifest=None, finish_run=finish_run)


def check_paths(config: Config, output: str) -> None:
    """Refuse inputs and outputs that cannot be meant, and make the output's directory.

    Raises:
        UsageError: No input, the output is an input or where inputs are looked for, or the output's directory cannot
            be written to.
    """
    check_name(Path(output))
    if Path(output).name == "-":
        raise UsageError(
            "the output is a Parquet file and cannot go to standard output: name one with -o out.parquet"
        )
    if not config.input.paths:
        raise UsageError("no input: name files, directories or globs, or - for standard input")
    for path in config.input.paths:
        if "://" not in path and _same_file(Path(path), Path(output)):
            raise UsageError(f"the output {output} is the input: choose another name")
        if "://" not in path and _would_be_read(Path(output), path):
            raise UsageError(
                f"the output {output} is among the inputs {path}, and a later run would read it as rows: "
                "choose another place for it"
            )
    parent = Path(output.rstrip("/")).parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{parent} cannot be created ({error.strerror}): choose another output") from error
    if not os.access(parent, os.W_OK):
        raise UsageError(f"{parent} cannot be written to: choose another output")


def _would_be_read(output: Path, path: str) -> bool:
    """Whether reading the input `path`, a directory or a glob, would come upon the output once it is there."""
    inside, folder = output.resolve(), Path(path).resolve()
    if folder.is_dir():
        return folder in inside.parents
    # A directory that a glob means is read as a whole.
    pattern = str(folder).lstrip("/")
    return any(matches(one.relative_to("/"), pattern) for one in (inside, *inside.parents))


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
