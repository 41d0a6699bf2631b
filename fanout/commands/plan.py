"""Reads the input as a run would and sends nothing: tells what that run would send, ask for, cost, and take.

What AWS cannot be asked (no credentials, no region, no right) is said and left out; the input is read all the same.
"""

from __future__ import annotations

import math
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import anyio.to_thread

from fanout.analysis.forecast import Forecast, ServiceTime, forecast, sending_s
from fanout.analysis.plan import Plan
from fanout.analysis.planned_rows import PlannedRows
from fanout.analysis.prices import requests
from fanout.commands.earlier_runs import capacity_of, last_service_time
from fanout.commands.paths import NO_INPUT, check_host, check_names, check_places, lacking, place_of_runs
from fanout.concurrency.clock import SystemClock
from fanout.config.model import Config
from fanout.domain.ids import new_run
from fanout.domain.records import Rejected
from fanout.domain.routing import Router, Routing
from fanout.errors import CallError, Phase, RunError, UsageError
from fanout.observability.warnings import WarningLog
from fanout.ports import Endpoint
from fanout.runtime import settings as compose
from fanout.runtime.endpoint import LOOK_PATIENCE_S, NO_SUCH_ENDPOINT
from fanout.runtime.endpoint_warnings import endpoint_warnings
from fanout.runtime.schedule import scheduled
from fanout.runtime.session import Session, open_session
from fanout.shards.plan import split_config
from fanout.source.source import Source, open_source
from fanout.source.stdin import STDIN, kept_stdin


async def plan_job(config: Config, *, service_s: float | None = None, show: int = 1) -> Plan:
    """Read the whole input and return what a run of `config` would come to. Nothing is sent or made.

    Args:
        config: As for a run; output and endpoint may be missing.
        service_s: Seconds that the model takes for a row; by default what the last run on the endpoint shows.
        show: Rows to keep as they would be sent, the first ones.

    Raises:
        UsageError: No input, one that cannot be read, or what a run would refuse before its first row.
        RunError: The input is in S3, and AWS cannot be reached as configured.
    """
    if service_s is not None and not (math.isfinite(service_s) and service_s >= 0):
        raise UsageError(f"--service-s {service_s}: should be a number of seconds, at least 0")
    config = scheduled(compose.absolute(config), now=SystemClock().now())
    split_config(config)
    check_places(config)
    check_host(config, os.environ)
    if not config.input.paths:
        raise UsageError(NO_INPUT)
    if config.output.path:
        check_names(config.input.paths, config.output.path)
    async with _opened(config) as opened:
        told = await _ask(opened, config)
        rows = await _fold(opened.source, await _routing(opened, config), show=show)
        if config.input.since is not None:
            opened.warnings.warn("all files were read; the run takes only those that are new (input.since)")
        if STDIN in config.input.paths:
            opened.warnings.warn("standard input has been read: the run needs its rows once more")
    described = told.endpoint
    service = ServiceTime(service_s, "--service-s") if service_s is not None else None
    if service is None and described is not None:
        service = await anyio.to_thread.run_sync(
            partial(last_service_time, place_of_runs(config), described, window=config.pacing.window)
        )
    ask = partial(
        requests,
        rows.by_transport,
        parts=rows.parts,
        published=described is None or described.success_topic is not None,
        received=config.collect.notifications or config.collect.queue_url is not None,
    )
    return Plan(
        endpoint=told.name,
        region=opened.region or config.endpoint.region,
        described=described,
        rows=rows,
        requests=ask(),
        uploads_kept=config.transport.keep_inputs,
        dollars=ask().dollars(config.prices),
        dollars_most=ask(a_receive=1).dollars(config.prices),
        service=service,
        forecast=_forecast(config, rows, service, described),
        refused=told.refused,
        not_asked=(*opened.not_asked, *told.not_asked),
        lacking=tuple(_lacking(config, opened)),
        warnings=opened.warnings.of_run,
        responses=compose.responses(config),
    )


def _lacking(config: Config, opened: _Opened) -> list[str]:
    """Return what a run must be told besides; that AWS could not be opened is said already."""
    values = config.model_dump()
    if opened.session is not None:
        values["endpoint"]["region"] = opened.region
    return [said for said in lacking(values) if not any(said in other for other in opened.not_asked)]


def _forecast(
    config: Config, rows: PlannedRows, service: ServiceTime | None, endpoint: Endpoint | None
) -> Forecast:
    pacing = config.pacing
    rate_s = sending_s(
        rows.sendable, rows.sizes.total, rate_per_s=pacing.rate, bytes_per_s=pacing.bytes_per_s
    )
    return forecast(
        rows.sendable,
        rate_s=rate_s,
        service_s=None if service is None else service.seconds,
        capacity=None if endpoint is None else capacity_of(endpoint),
        window=pacing.window,
        prices=config.prices.instances,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """The input, and AWS if it could be opened."""

    source: Source
    warnings: WarningLog
    session: Session | None = None
    not_asked: tuple[str, ...] = ()

    @property
    def region(self) -> str | None:
        return None if self.session is None else self.session.cloud.region


@asynccontextmanager
async def _opened(config: Config) -> AsyncIterator[_Opened]:
    """Yield the input: through a session, or without AWS where that cannot be opened and is not needed."""
    async with AsyncExitStack() as stack:
        warnings = stack.enter_context(WarningLog())
        try:
            session = await stack.enter_async_context(open_session(config, warnings=warnings))
        except RunError as error:
            needed = config.local.enabled or any("://" in path for path in config.input.paths)
            if needed or isinstance(error, UsageError):
                raise
            not_asked = (str(error),)
        else:
            yield _Opened(source=await session.source(), warnings=warnings, session=session)
            return
        if STDIN in config.input.paths:
            stack.enter_context(kept_stdin())
        source = await anyio.to_thread.run_sync(
            open_source, compose.input_settings(config), compose.selection(config)
        )
        stack.push_async_callback(source.aclose)
        for text in source.warnings:
            warnings.warn(text)
        yield _Opened(source=source, warnings=warnings, not_asked=not_asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What AWS said of the endpoint."""

    name: str | None
    endpoint: Endpoint | None = None
    refused: str | None = None
    not_asked: tuple[str, ...] = ()


async def _ask(opened: _Opened, config: Config) -> _Told:
    """Return what AWS says of the endpoint; that it would take no row is an answer, too."""
    session, name = opened.session, config.endpoint.name
    if session is None or (name is None and session.simulator is None):
        return _Told(name=name)
    name = session.endpoint_name
    try:
        endpoint = await session.endpoint(patience_s=LOOK_PATIENCE_S)
    except RunError as error:
        if _is_refusal(error):
            return _Told(name=name, refused=str(error))
        return _Told(name=name, not_asked=(str(error),))
    if endpoint is None:
        said = f"endpoint {name}: this role may not describe it (sagemaker:DescribeEndpoint, DescribeEndpointConfig)"
        return _Told(name=name, not_asked=(said,))
    for text in endpoint_warnings(endpoint, config.collect):
        opened.warnings.warn(text)
    return _Told(name=name, endpoint=endpoint)


def _is_refusal(error: RunError) -> bool:
    """Whether AWS answered that the endpoint takes no row; else it was not reached, or did not say."""
    cause = error.__cause__
    return not isinstance(cause, CallError) or (cause.phase is Phase.REPLY and cause.code in NO_SUCH_ENDPOINT)


async def _routing(opened: _Opened, config: Config) -> Routing:
    """Return how rows travel; without AWS, as in a region that takes payloads in the request."""
    run_id = new_run()
    if opened.session is not None:
        return await opened.session.routing(run_id)
    return compose.routing(config, run_id, inline=True, simulator=None)


async def _fold(source: Source, routing: Routing, *, show: int) -> PlannedRows:
    """Read every row, and route it as a run does."""
    rows, router = PlannedRows(show=show), Router(routing)
    async with aclosing(source.chunks()) as chunks:
        async for chunk in chunks:
            for record in chunk:
                item = record if isinstance(record, Rejected) else router.route(record)
                if isinstance(item, Rejected):
                    rows.reject(item)
                elif not isinstance(record, Rejected):
                    rows.add(record, item)
    return rows
