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
    from fanout.commands.rebuild import Draft
    from fanout.commands.status import RunStatus
    from fanout.config.model import Config
    from fanout.engine.snapshot import Observer
    from fanout.rundir.summary import Summary
    from fanout.runtime.place.run_place import RunPlace

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
        Interrupted: SIGINT, SIGTERM or SIGHUP came; what was collected is durable, and `resume` continues.
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
        Interrupted: SIGINT, SIGTERM or SIGHUP came.
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
    from fanout.commands.resume import resume_job, resume_place
    from fanout.config.flags import RESUME, from_keywords
    from fanout.config.load import load_config
    from fanout.config.model import Config
    from fanout.runtime.event_loop import run_in_event_loop

    session = config or Config()
    where = _where(run_dir, session)
    if keywords:
        base = config or _config_of(where, session)
        config = load_config(flags=from_keywords(RESUME, **keywords), base=base)
    if isinstance(where, Path):
        return run_in_event_loop(functools.partial(resume_job, where, observer=observer, changed=config))
    call = functools.partial(resume_place, where, session=session, observer=observer, changed=config)
    return run_in_event_loop(call)


def merge(
    run: StrPath, *, output: StrPath | None = None, overwrite: bool = False, config: Config | None = None
) -> Summary:
    """Make one output of the shards of a run, once all of them have finished, and return the summary.

    >>> job = {"endpoint": "my-endpoint", "output": "merged.parquet", "run_dir": "divided"}
    >>> shards = [fanout.run("rows.jsonl", shard=f"{number}/2", **job) for number in range(2)]
    >>> fanout.merge("divided").rows
    3

    Args:
        run: Directory of the run, or its place in S3: the `run_dir` of its shards.
        output: Another output than the run was started with.
        overwrite: Replace an output that exists.
        config: Leads to S3, where the run is kept there.

    Raises:
        UsageError: There is no such run, or the output may not be written.
        Interrupted: Shards have not finished; names them.
        RunError: The output cannot be written.
    """
    from fanout.commands.merge import merge_shards
    from fanout.commands.merge_place import merge_place
    from fanout.config.model import Config
    from fanout.runtime.event_loop import run_in_event_loop
    from fanout.runtime.supervisor import until_stopped

    named = None if output is None else os.fspath(output)
    session = config or Config()
    where = _where(run, session)
    if isinstance(where, Path):
        call = functools.partial(merge_shards, where, output=named, overwrite=overwrite)
    else:
        call = functools.partial(merge_place, where, session=session, output=named, overwrite=overwrite)
    return run_in_event_loop(functools.partial(until_stopped, call, next_step="merge it again"))


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
    from fanout.commands.retry import retry_job, retry_place
    from fanout.config.flags import RETRY, from_keywords
    from fanout.config.load import load_config
    from fanout.config.model import Config
    from fanout.runtime.event_loop import run_in_event_loop

    session = config or Config()
    where, named = _where(run, session), os.fspath(output)
    if keywords:
        base = config or _config_of(where, session)
        config = load_config(flags=from_keywords(RETRY, **keywords), base=base)
    if isinstance(where, Path):
        call = functools.partial(retry_job, where, named, observer=observer, changed=config)
        return run_in_event_loop(call)
    of_place = functools.partial(
        retry_place, where, named, session=session, observer=observer, changed=config
    )
    return run_in_event_loop(of_place)


def export(
    run_dir: StrPath, output: StrPath, *, overwrite: bool = False, config: Config | None = None
) -> int:
    """Write the rows of an unfinished run that are durable, in input order; return how many. The run is not touched.

    >>> fanout.export(summary.run_dir, "so-far.parquet")
    Traceback (most recent call last):
    fanout.errors.UsageError: the run has finished: its output is ...answers.parquet

    Args:
        run_dir: The run directory, the run's output, or `last`.
        output: The Parquet file to write.
        overwrite: Replace a file that exists.
        config: Leads to S3, where the run is kept there.

    Raises:
        UsageError: There is no run, it has finished, no row is durable, or the output exists.
        JournalError: Another process is at the run, or its journal is damaged.
    """
    from fanout.commands.export import export as export_durable
    from fanout.commands.export import export_place
    from fanout.config.model import Config

    session = config or Config()
    where = _where(run_dir, session)
    if isinstance(where, Path):
        return export_durable(where, os.fspath(output), overwrite=overwrite)
    return export_place(where, os.fspath(output), overwrite=overwrite, session=session)


def status(run_dir: StrPath, *, config: Config | None = None) -> RunStatus:
    """Return where a run stands, and what to do next. The run is not touched, and may be under way.

    >>> found = fanout.status(summary.run_dir)
    >>> found.state, found.output
    ('finished', '...answers.parquet')

    Args:
        run_dir: The run directory, its place in S3, the run's output, or `last`.
        config: Leads to S3, where the run is kept there.

    Raises:
        UsageError: There is no run.
        JournalError: Its files are damaged.
        StorageError: They cannot be read.
        RunError: S3 does not permit it, or does not answer.
    """
    from fanout.commands.find_run import find_run, in_s3
    from fanout.commands.status import run_status

    if not in_s3(run_dir):
        return run_status(find_run(run_dir))
    from fanout.commands.find_place import ask
    from fanout.commands.place_status import status_of
    from fanout.config.model import Config

    session = config or Config()
    where = _where(run_dir, session)
    if isinstance(where, Path):
        return run_status(where)
    return ask(session, lambda opened: status_of(opened, where, session))


def runs(place: StrPath = "", *, config: Config | None = None) -> Sequence[RunStatus]:
    """Return the runs in a directory, or below a prefix in S3, the oldest first; damaged ones included.

    Args:
        place: The directory, or one whose `.fanout` holds runs; or `s3://bucket/runs/`.
        config: Leads to S3.

    Raises:
        UsageError: There is no such directory.
        RunError: S3 does not permit it, or does not answer.
    """
    from fanout.commands.find_run import in_s3
    from fanout.commands.status import runs as runs_in

    if not in_s3(place):
        return runs_in(Path(place))
    from fanout.commands.find_place import ask
    from fanout.commands.place_status import runs_below
    from fanout.config.model import Config

    session = config or Config()
    return ask(session, lambda opened: runs_below(opened, os.fspath(place), session))


def draft_rebuild(run_dir: StrPath) -> Draft:
    """Make a new journal for a run directory, from its parts and from what stands in S3; see `commands.rebuild`.

    `Draft.place` puts it there, once it is agreed what becomes of the rows that may have been sent.

    Raises:
        UsageError: There is no run, it has finished, or it kept no journal.
        JournalError: Another process is at it, or `run.json` is damaged.
        RunError: AWS cannot be asked.
    """
    from fanout.commands.rebuild import draft_rebuild as make_draft
    from fanout.runtime.event_loop import run_in_event_loop
    from fanout.runtime.supervisor import until_stopped

    call = functools.partial(make_draft, Path(run_dir))
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


def _where(run: StrPath, config: Config) -> Path | RunPlace:
    """Return where the run is kept that `run` means; S3 is asked for an `s3://` name alone, as `config` leads there."""
    from fanout.commands.find_run import find_run, in_s3

    if not in_s3(run):
        return find_run(run)
    from fanout.commands.find_place import named_run

    return named_run(run, config)


def _config_of(where: Path | RunPlace, session: Config) -> Config:
    """Return the configuration that the run was started with."""
    from fanout.commands.find_place import manifest_at

    return manifest_at(where, session).config
