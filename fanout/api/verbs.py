"""Runs the verbs of the command line from code without an event loop: a script, a notebook, another program.

Nothing of the engine is imported until a verb is called.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from fanout.config.keywords import ResumeKeywords, RetryKeywords, RunKeywords, spelled_out

if TYPE_CHECKING:
    from fanout.analysis.plan import Plan
    from fanout.commands.rebuild import Rebuilt
    from fanout.commands.status import RunStatus
    from fanout.config.model import Config
    from fanout.engine.snapshot import Observer
    from fanout.rundir.summary import Summary

StrPath = str | os.PathLike[str]


@spelled_out(RunKeywords)
def run(
    config: Config | StrPath | Sequence[StrPath] | None = None,
    *,
    observer: Observer | None = None,
    **keywords: Unpack[RunKeywords],
) -> Summary:
    """Send every row of the input to an endpoint, write one Parquet file, and return the summary.

    >>> summary = fanout.run("rows.jsonl", endpoint="my-endpoint", output="answers.parquet", rate=200)
    >>> summary.rows, summary.by_status
    (3, {'succeeded': 3})

    Args:
        config: The input (a path, or several), or a whole configuration, as `load_config` makes it.
        observer: Watches the run; by default nothing is shown.
        keywords: The flags of `fanout run`, with `_` for `-`. They override the configuration.

    Raises:
        UsageError: A keyword, a value, the input or the output is not what it should be.
        RunError: The run could not be finished; its message names the next step, `exit` the exit code.
        Interrupted: SIGINT or SIGTERM came; what was collected is durable, and `resume` continues.
    """
    from fanout.commands.run import run_job
    from fanout.runtime.event_loop import run_in_event_loop

    loaded = configured(config, keywords)
    return run_in_event_loop(functools.partial(run_job, loaded, observer=observer))


@spelled_out(RunKeywords)
def plan(
    config: Config | StrPath | Sequence[StrPath] | None = None,
    *,
    service_s: float | None = None,
    show: int = 1,
    **keywords: Unpack[RunKeywords],
) -> Plan:
    """Read all of the input as `run` would, send nothing, and return what that run would send, cost and take.

    >>> found = fanout.plan("rows.jsonl", endpoint="my-endpoint", rate=200)
    >>> found.rows.sendable, found.requests.puts
    (3, 3)

    Args:
        config: The input (a path, or several), or a whole configuration, as `load_config` makes it.
        service_s: Seconds that the model takes for a row; by default what the last run on the endpoint shows.
        show: Rows to keep as they would be sent, the first ones.
        keywords: The flags of `fanout run`, with `_` for `-`. They override the configuration.

    Raises:
        UsageError: A keyword, a value, the input or the output is not what it should be.
        RunError: The input is in S3, and AWS cannot be reached as configured.
        Interrupted: SIGINT or SIGTERM came.
    """
    from fanout.commands.plan import plan_job
    from fanout.runtime.event_loop import run_in_event_loop
    from fanout.runtime.supervisor import until_stopped

    loaded = configured(config, keywords)
    call = functools.partial(plan_job, loaded, service_s=service_s, show=show)
    step = "nothing was sent: start it again"
    return run_in_event_loop(functools.partial(until_stopped, call, next_step=step))


@spelled_out(ResumeKeywords)
def resume(
    run_dir: StrPath,
    *,
    config: Config | None = None,
    observer: Observer | None = None,
    **keywords: Unpack[ResumeKeywords],
) -> Summary:
    """Finish an interrupted run and return its summary; that of a finished run is returned as it is.

    >>> fanout.resume(summary.run_dir).rows
    3

    Args:
        run_dir: The run directory, the run's output, or `last`.
        config: May differ from the run's own in what does not matter to its result.
        observer: Watches the run.
        keywords: The flags of `fanout resume`, with `_` for `-`.

    Raises:
        UsageError: There is no run, or the input or the configuration changed in a way that matters.
        JournalError: Another process is at it, or what it left behind is damaged.
        RunError: It could not be finished.
    """
    from fanout.commands.find_run import find_run
    from fanout.commands.resume import resume_job
    from fanout.config.flags import RESUME, from_keywords
    from fanout.config.load import load_config
    from fanout.runtime.event_loop import run_in_event_loop

    path = find_run(run_dir)
    if keywords:
        config = load_config(flags=from_keywords(RESUME, **keywords), base=config or _config_of(path))
    return run_in_event_loop(functools.partial(resume_job, path, observer=observer, changed=config))


@spelled_out(RetryKeywords)
def retry(
    run: StrPath,
    output: StrPath,
    *,
    config: Config | None = None,
    observer: Observer | None = None,
    **keywords: Unpack[RetryKeywords],
) -> Summary:
    """Send the rows of a finished run that did not succeed once more, as a run of its own; return its summary.

    The output holds these rows alone, under the ordinals and ids that they had: the two files join on `row`. Each is a
    new send: a row that ended `unsettled` or `unknown` may have been served before, and may then be served twice.
    Where every row succeeded nothing is sent or written, and the finished run's own summary is returned.

    >>> broken = fanout.run("mixed.jsonl", endpoint="my-endpoint", output="mixed.parquet")
    >>> broken.by_status["rejected"]
    1
    >>> fanout.retry(broken.run_dir, "again.parquet").rows
    1

    Args:
        run: Directory of the finished run, its output, or `last`.
        output: The Parquet file to write.
        config: May differ from that run's in anything but its input.
        observer: Watches the run.
        keywords: The flags of `fanout retry`, with `_` for `-`.

    Raises:
        UsageError: There is no such run, it has not finished, or the input changed.
        RunError: It could not be finished.
    """
    from fanout.commands.find_run import find_run
    from fanout.commands.retry import retry_job
    from fanout.config.flags import RETRY, from_keywords
    from fanout.config.load import load_config
    from fanout.runtime.event_loop import run_in_event_loop

    path = find_run(run)
    if keywords:
        config = load_config(flags=from_keywords(RETRY, **keywords), base=config or _config_of(path))
    call = functools.partial(retry_job, path, os.fspath(output), observer=observer, changed=config)
    return run_in_event_loop(call)


def export(run_dir: StrPath, output: StrPath, *, overwrite: bool = False) -> int:
    """Write the rows of an unfinished run that are durable, in input order; return how many. The run is not touched.

    >>> fanout.export(summary.run_dir, "so-far.parquet")
    Traceback (most recent call last):
    fanout.errors.UsageError: the run has finished: its output is ...answers.parquet

    Args:
        run_dir: The run directory, the run's output, or `last`.
        output: The Parquet file to write.
        overwrite: Replace a file that exists.

    Raises:
        UsageError: There is no run, it has finished, no row is durable, or the output exists.
        JournalError: Another process is at the run, or its journal is damaged.
    """
    from fanout.commands.export import export as export_durable
    from fanout.commands.find_run import find_run

    return export_durable(find_run(run_dir), os.fspath(output), overwrite=overwrite)


def status(run_dir: StrPath) -> RunStatus:
    """Return where a run stands, and what to do next. The run is not touched, and may be under way.

    >>> found = fanout.status(summary.run_dir)
    >>> found.state, found.output
    ('finished', '...answers.parquet')

    Args:
        run_dir: The run directory, the run's output, or `last`.

    Raises:
        UsageError: There is no run.
        JournalError: Its files are damaged.
        StorageError: They cannot be read.
    """
    from fanout.commands.find_run import find_run
    from fanout.commands.status import run_status

    return run_status(find_run(run_dir))


def rebuild(run_dir: StrPath) -> Rebuilt:
    """Put a new journal into a run directory, from its parts and from what stands in S3; see `commands.rebuild`.

    Raises:
        UsageError: There is no run, it has finished, or it kept no journal.
        JournalError: Another process is at it, or `run.json` is damaged.
        RunError: AWS cannot be asked.
    """
    from fanout.commands.rebuild import rebuild as rebuild_journal
    from fanout.runtime.event_loop import run_in_event_loop
    from fanout.runtime.supervisor import until_stopped

    call = functools.partial(rebuild_journal, Path(run_dir))
    step = "the run is as it was: start the rebuild again"
    return run_in_event_loop(functools.partial(until_stopped, call, next_step=step))


def take_over(run_dir: StrPath) -> None:
    """Make a run directory that was copied or moved to another file system the run's own; see `rundir.identity`.

    Raises:
        UsageError: There is no run.
        JournalError: The directory that it is a copy of is there.
    """
    from fanout.rundir.identity import take_over as make_own
    from fanout.rundir.manifest import read_manifest
    from fanout.rundir.paths import RunDirectory

    directory = RunDirectory(Path(run_dir).absolute())
    read_manifest(directory)
    make_own(directory)


def configured(config: Config | StrPath | Sequence[StrPath] | None, keywords: RunKeywords) -> Config:
    """Return the configuration that a caller means: a `Config`, inputs, or neither, and keywords over it.

    Raises:
        UsageError: An unknown keyword, a value that does not fit, or inputs given twice; names each.
    """
    from fanout.config.flags import from_keywords
    from fanout.config.load import load_config
    from fanout.config.model import Config
    from fanout.errors import UsageError

    if isinstance(config, Config):
        return load_config(flags=from_keywords(**keywords), base=config) if keywords else config
    if config is None:
        return load_config(flags=from_keywords(**keywords))
    if "inputs" in keywords:
        raise UsageError("the input is given twice: as the first argument and as inputs=")
    return load_config(flags=from_keywords(inputs=config, **keywords))


def _config_of(path: Path) -> Config:
    """Return the configuration that the run in `path` was started with."""
    from fanout.rundir.manifest import read_manifest
    from fanout.rundir.paths import RunDirectory

    return read_manifest(RunDirectory(path)).config
