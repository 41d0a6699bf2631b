"""The library's front door: starts a run, resumes one, or sends the rows of one that failed once more.

A `Config` or a run directory enters, a `Summary` and an output file leave. Signals and deadlines stop a run in
order, and `resume_job` finishes it.
"""

from __future__ import annotations

import os
from pathlib import Path

from fanout import compose
from fanout.conclude import conclude
from fanout.conductor import Conductor
from fanout.config import Config
from fanout.errors import UsageError
from fanout.identity import new_run
from fanout.output.target import check_name, claim
from fanout.progress import Observer
from fanout.rundir import RUNS, RunDirectory, changes, read_manifest
from fanout.share import share_out
from fanout.subset import Ranges, unsuccessful
from fanout.summary import Summary, read_summary


async def run_job(config: Config, *, observer: Observer | None = None) -> Summary:
    """Run to the end and return the summary.

    Raises:
        RunError: The run could not be finished; its message names the next step.
        Interrupted: SIGINT or SIGTERM came; what was collected is durable, and `resume_job` goes on.
    """
    return await _start(compose.absolute(config), rows=None, retry_of=None, observer=observer)


async def retry_job(
    path: Path, output: str, *, observer: Observer | None = None, changed: Config | None = None
) -> Summary:
    """Send the rows of a finished run that did not succeed once more, as a run of its own; return its summary.

    The output holds these rows alone, under the ordinals and ids that they had: the two files join on `row`.

    Args:
        path: Directory of the finished run.
        output: What to write.
        observer: Watches.
        changed: A configuration that may differ from that run's in anything but its input.

    Raises:
        UsageError: There is no such run, it has not finished, all its rows succeeded, or the input changed.
    """
    directory = RunDirectory(path.absolute())
    manifest = read_manifest(directory)
    if not directory.summary.exists():
        raise UsageError(f"the run has not finished: `fanout status {path}` says what to do first")
    earlier = read_summary(directory.summary)
    # Also with --overwrite: only the rows that are sent again would be left.
    if _same_file(Path(output), Path(earlier.output)):
        raise UsageError(f"{output} is the output of that run, with rows that succeeded: choose another name")
    try:
        rows = unsuccessful(earlier.output)
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"the output of that run, {earlier.output}, cannot be read: {error}") from error
    if not rows:
        raise UsageError(f"every row of {earlier.output} succeeded: there is nothing to retry")
    config = changed or manifest.config
    config = config.model_copy(
        update={
            "output": config.output.model_copy(update={"path": output}),
            "run": config.run.model_copy(update={"dir": None}),
        }
    )
    differing = [
        key for key in changes(manifest.config, compose.absolute(config)) if key.startswith("input.")
    ]
    if differing:
        raise UsageError(f"{', '.join(differing)} differ from that run's: its rows could not be told apart")
    return await _start(
        compose.absolute(config),
        rows=rows,
        retry_of=manifest.run,
        observer=observer,
        fingerprint=manifest.fingerprint,
    )


async def _start(
    config: Config,
    *,
    rows: Ranges | None,
    retry_of: str | None,
    observer: Observer | None,
    fingerprint: str | None = None,
) -> Summary:
    share_out(config)  # before anything is made: what cannot be shared by so many processes is a wrong word
    run = new_run()
    output = compose.required(config.output.path, "no output: name a file with -o out.parquet")
    check_paths(config, output)
    claim(output, run=run, overwrite=config.output.overwrite)
    directory = RunDirectory(
        Path(config.run.dir).absolute() if config.run.dir else Path(output.rstrip("/")).parent / RUNS / run
    )
    check_name(directory.path)
    directory.create()
    go = Conductor(
        run, config, directory, rows=rows, retry_of=retry_of, fingerprint=fingerprint, observer=observer
    )
    return await go.go(manifest=None, conclude=conclude)


async def resume_job(
    path: Path, *, observer: Observer | None = None, changed: Config | None = None
) -> Summary:
    """Finish an interrupted run and return its summary; that of a finished run is returned as it is.

    Args:
        path: The run directory.
        observer: Watches.
        changed: A configuration that may differ from the run's in what does not matter to its result.

    Raises:
        UsageError: There is no run, or the input or the configuration changed in a way that matters.
        JournalError: Another process is at it, or what it left behind is damaged.
        RunError: It could not be finished.
    """
    directory = RunDirectory(path.absolute())
    manifest = read_manifest(directory)
    if directory.summary.exists():
        return read_summary(directory.summary)
    if manifest.stripe is not None:
        whole = directory.whole.path
        raise UsageError(
            f"{path} is a share of the run in {whole}: `fanout resume {whole}` resumes all of it"
        )
    config = manifest.config
    if changed is not None:
        config = compose.absolute(changed)
        differing = changes(manifest.config, config)
        if differing:
            raise UsageError(
                f"{', '.join(differing)} differ from what {directory.path} was started with: "
                "resume with the same, or start a new run"
            )
    if not manifest.config.run.journal:
        raise UsageError("this run kept no journal: nobody knows what it has sent; start a new one")
    if config.local.enabled:
        raise UsageError(
            "the local AWS of this run ended with it: start a new run, or `fanout export` what it has"
        )
    share_out(config)
    claim(
        compose.required(config.output.path, "no output"),
        run=manifest.run,
        overwrite=config.output.overwrite,
        remedy=f"move it away, or replace it with --overwrite; `fanout export {path} -o FILE` writes what the run has",
    )
    go = Conductor(
        manifest.run, config, directory, rows=manifest.rows, retry_of=manifest.retry_of, observer=observer
    )
    return await go.go(manifest=manifest, conclude=conclude)


def check_paths(config: Config, output: str) -> None:
    """Refuse inputs and outputs that cannot be meant, and make the output's directory.

    Raises:
        UsageError: No input, the output is an input, or the output's directory cannot be written to.
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
    parent = Path(output.rstrip("/")).parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{parent} cannot be created ({error.strerror}): choose another output") from error
    if not os.access(parent, os.W_OK):
        raise UsageError(f"{parent} cannot be written to: choose another output")


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
