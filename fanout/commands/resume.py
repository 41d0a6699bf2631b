"""Finishes an interrupted run from its directory."""

from __future__ import annotations

import logging
from pathlib import Path

from fanout.commands.earlier_run import EarlierRun, noted, unfinished_run
from fanout.concurrency.clock import SystemClock
from fanout.config.model import Config
from fanout.engine.snapshot import Observer
from fanout.errors import UsageError
from fanout.output.destination import claim
from fanout.output.object_place import is_remote
from fanout.rundir.claim import Claim, claimed
from fanout.rundir.manifest import changes, read_manifest
from fanout.rundir.paths import RunDirectory
from fanout.rundir.summary import Summary, read_summary
from fanout.runtime import settings as compose
from fanout.runtime.finish import finish_run
from fanout.runtime.runner import Runner
from fanout.runtime.schedule import same_night
from fanout.runtime.spec import RunSpec
from fanout.shards.executor import executor_of
from fanout.shards.plan import split_config

_log = logging.getLogger(__name__)


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
        OutputInUse: A live run has the output.
        JournalError: Another process is at it, or what it left behind is damaged.
        RunError: It could not be finished.
    """
    directory = RunDirectory(path.absolute())
    manifest = read_manifest(directory)
    if directory.summary.exists():
        summary = read_summary(directory.summary)
        _log.warning("%s was finished by an earlier process: nothing was sent", summary.output)
        return summary
    earlier = EarlierRun(directory, manifest)
    output = manifest.config.output.path or ""
    if manifest.stripe is not None or is_remote(output):
        return await go_on(earlier, held=None, observer=observer, changed=changed)
    with claimed(output) as held:
        is_its_own = held.previous is not None and held.previous.run_id == manifest.run_id  # wherever it was
        other = None if is_its_own else unfinished_run(output, held.previous)
        if other is not None:
            raise UsageError(
                f"{output} has another unfinished run since, in {other.directory.path}: resume or discard that one; "
                f"`fanout export {path} -o FILE` writes what this one has"
            )
        return await go_on(earlier, held=held, observer=observer, changed=changed)


async def go_on(
    earlier: EarlierRun, *, held: Claim | None, observer: Observer | None, changed: Config | None
) -> Summary:
    """Finish an unfinished run whose output this process has claimed; see `resume_job`.

    Args:
        earlier: The run.
        held: The claim of an output on this machine; None for one in S3.
        observer: Watches.
        changed: As for `resume_job`.
    """
    directory, manifest = earlier.directory, earlier.manifest
    path = directory.path
    if manifest.stripe is not None:
        whole = directory.whole.path
        raise UsageError(
            f"{path} is a share of the run in {whole}: `fanout resume {whole}` resumes all of it"
        )
    config = manifest.config
    if changed is not None:
        config = same_night(compose.absolute(changed), manifest.config, now=SystemClock().now())
        differing = changes(manifest.config, config)
        if differing:
            raise UsageError(
                f"{', '.join(differing)} differ from what {path} was started with: "
                "resume with the same, or start a new run"
            )
    if not manifest.config.run.journal:
        raise UsageError("this run kept no journal: nobody knows what it has sent; start a new one")
    if config.local.enabled:
        raise UsageError(
            "the local AWS of this run ended with it: start a new run, or `fanout export` what it has"
        )
    split_config(config)
    output = compose.required(config.output.path, "no output")
    if not is_remote(output):
        claim(
            output,
            run_id=manifest.run_id,
            overwrite=config.output.overwrite,
            remedy="move it away, or replace it with --overwrite; "
            f"`fanout export {path} -o FILE` writes what the run has",
        )
    spec = RunSpec.resumed(manifest, directory, config=config)
    with noted(held, spec):
        return await Runner(spec, observer=observer, executor=executor_of(spec)).run(finish_run)
