"""Computes the report of output files, some of which stand in S3."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import anyio.to_thread

from fanout.config.model import Config
from fanout.report.document import Report, report_of
from fanout.runtime import settings as compose
from fanout.runtime.event_loop import run_in_event_loop
from fanout.runtime.session import open_session
from fanout.runtime.supervisor import until_stopped


def make_report(paths: Sequence[str], config: Config) -> Report:
    """Return the report of the rows in `paths`, on this machine and in S3.

    Raises:
        UsageError: A file that is not there, or not one of fanout's.
        RunError: S3 does not permit it, or does not answer.
    """
    call = functools.partial(_with_s3, paths, config)
    return run_in_event_loop(functools.partial(until_stopped, call, next_step="start the report again"))


async def _with_s3(paths: Sequence[str], config: Config) -> Report:
    async with open_session(compose.s3_alone(config)) as session:
        call = functools.partial(report_of, paths, config.prices, remote=session.remote())
        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True)
