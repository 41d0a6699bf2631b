"""Computes the report of output files, some of which stand in S3."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import anyio.to_thread

from fanout.commands.find_place import copy_files, scratch_of
from fanout.config.model import Config
from fanout.errors import RunError, UsageError
from fanout.report.build import Asked, make_report
from fanout.report.document import Report
from fanout.runtime import settings as compose
from fanout.runtime.event_loop import run_in_event_loop
from fanout.runtime.place.replay import read_object
from fanout.runtime.place.run_place import is_place, run_place
from fanout.runtime.session import Session, open_session
from fanout.runtime.supervisor import until_stopped
from fanout.text import quoted


def report_with_s3(paths: Sequence[str], config: Config, asked: Asked) -> Report:
    """Return the report of the rows in `paths`, on this machine and in S3.

    Raises:
        UsageError: As `make_report` does.
        RunError: S3 does not permit it, or does not answer.
    """
    call = functools.partial(_with_s3, paths, config, asked)
    return run_in_event_loop(functools.partial(until_stopped, call, next_step="start the report again"))


async def _with_s3(paths: Sequence[str], config: Config, asked: Asked) -> Report:
    async with open_session(compose.s3_alone(config)) as session:
        outputs = [await _output_at(session, path, config) for path in paths]
        call = functools.partial(make_report, outputs, config.prices, asked, remote=session.remote())
        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True)


async def _output_at(session: Session, path: str, config: Config) -> str:
    """Return the output of the run that is kept at a place; anything else is an output itself."""
    if not is_place(path):
        return path
    try:
        place = run_place(path)
        there = await read_object(session.cloud.objects, place.manifest, clock=session.clock)
    except RunError:
        return path  # reading it as an output says what is wrong with it
    if there is None:
        return path
    with scratch_of(config) as directory:
        run = await copy_files(session, place, directory)
        if not run.finished:
            raise UsageError(
                f"{place.uri}: its run has not finished: `fanout status {quoted(place.uri)}` says what to do first"
            )
        return run.manifest.config.output.path or path
