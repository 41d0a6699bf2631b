"""Runs all checks of a set-up side by side, each in bounded time, and sends rows if it is asked to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any

from fanout.commands.doctor import here
from fanout.commands.doctor.account import backlog, identity, judge_clock
from fanout.commands.doctor.asking import Ask, needed
from fanout.commands.doctor.endpoint import judge_endpoint
from fanout.commands.doctor.finding import (
    CONFIGURATION,
    Finding,
    exit_code,
    failure,
    found,
    in_order,
    ok,
    warning,
)
from fanout.commands.doctor.objects import check_claim, check_place, check_results, check_uploads
from fanout.commands.doctor.queue import check_queue
from fanout.commands.doctor.rows import Head, first_payloads, judge_input, judge_rows, read_head
from fanout.commands.doctor.send import send_rows
from fanout.concurrency.clock import SystemClock
from fanout.concurrency.side_by_side import side_by_side
from fanout.config.model import Config
from fanout.domain.ids import new_run
from fanout.domain.routing import Routing
from fanout.errors import Exit, RunError, UnfinishedRun, UsageError
from fanout.output.object_place import is_remote, object_place
from fanout.ports import Endpoint
from fanout.runtime import settings as compose
from fanout.runtime.endpoint import LOOK_PATIENCE_S
from fanout.runtime.finish import prove_output
from fanout.runtime.place.run_place import is_place, run_place
from fanout.runtime.run_queue import check_queue_region
from fanout.runtime.schedule import scheduled
from fanout.runtime.session import Session, open_session
from fanout.source.stdin import STDIN

VERSION = 1


@dataclass(frozen=True, slots=True)
class Report:
    """What was found.

    Attributes:
        findings: In the order of `CHECKS`.
        seconds: How long it took, without what was sent.
    """

    findings: tuple[Finding, ...]
    seconds: float

    @property
    def exit(self) -> Exit:
        """The exit code that the findings deserve."""
        return exit_code(self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        checks = [{"check": each.check, "status": each.status, "text": each.text} for each in self.findings]
        return {
            "version": VERSION,
            "exit_code": int(self.exit),
            "seconds": round(self.seconds, 3),
            "checks": checks,
        }


async def examine(config: Config, *, environ: Mapping[str, str], send: int = 0) -> Report:
    """Return what is found of a set-up before its first row.

    Nothing is sent unless `send` says so, and nothing that is made to prove a right stays.

    Args:
        config: The configuration of the run.
        environ: The environment.
        send: Rows to send through, if no check fails.
    """
    began = monotonic()
    try:
        config = scheduled(compose.absolute(config), now=SystemClock().now())
    except UsageError as error:
        return Report(tuple(failure(CONFIGURATION, line) for line in error.lines), monotonic() - began)
    examination = _Examination(config)
    findings = [*here.configuration(config, environ), *here.descriptors(config), *here.network(environ)]
    findings += here.output(config, run_id=examination.run_id)
    findings += await examination.ask_aws(said={each.text for each in findings})
    findings += here.disk(config, input_bytes=examination.input_bytes)
    seconds = monotonic() - began
    if send:
        findings += await _send(config, examination.head, send, before=findings)
    return Report(in_order(findings), seconds)


async def _send(
    config: Config, head: Head | None, number: int, *, before: Sequence[Finding]
) -> list[Finding]:
    if exit_code(before) is not Exit.OK:
        return [warning("send", "nothing was sent, since a check failed")]
    rows = [] if head is None else first_payloads(head, number)
    if not rows:
        return [warning("send", "nothing was sent: no valid row was read")]
    return await send_rows(config, rows, said={each.text for each in before})


class _Examination:
    """What is asked of AWS for one configuration.

    Args:
        config: The run's, paths absolute.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._routing: Routing | None = None
        self.run_id = new_run()
        self.head: Head | None = None
        self.input_bytes: int | None = None

    async def ask_aws(self, *, said: Collection[str]) -> list[Finding]:
        """Return what is found of everything in AWS, and of the input, wherever it is.

        Args:
            said: What was found before, such as certificates that cannot be read.
        """
        try:
            async with open_session(_with_few_connections(self._config)) as session:
                return await self._ask_all(session)
        except RunError as error:
            # A mistake in the words, not in what they lead to: the local AWS's settings.
            if str(error) in said:
                return []
            if isinstance(error, UsageError):
                return [failure(CONFIGURATION, str(error))]
            return [
                failure("credentials", f"{error} The endpoint, the rights and the input were not checked.")
            ]

    async def _ask_all(self, session: Session) -> list[Finding]:
        region = session.cloud.region
        findings = [ok("credentials", f"found, for the region {region}")]
        findings += await needed("transport", partial(self._transport, session))
        asked: list[Ask] = [partial(identity, session.cloud.control)]
        config = self._config
        if config.endpoint.name or config.local.enabled:  # else `configuration` has said so
            asked.append(partial(self._endpoint, session))
            asked.append(partial(backlog, session.cloud.control, session.endpoint_name, clock=session.clock))
        if self._routing is not None and self._routing.uploads is not None:
            asked.append(partial(needed, "uploads", partial(self._uploads, session)))
        if config.input.paths:
            asked.append(partial(needed, "input", partial(self._input, session)))
        if is_remote(config.output.path or "") and not config.local.enabled:
            asked.append(partial(needed, "output", partial(self._output, session)))
        if is_place(config.run.dir or "") and not config.local.enabled:
            asked.append(partial(needed, "place", partial(self._place, session)))
        findings += [each for part in await side_by_side(asked) for each in part]
        if not any(each.check == "clock" for each in findings):  # else a refusal has said so
            findings += judge_clock(session.cloud.control.clock_skew_s())
        return findings

    async def _transport(self, session: Session) -> list[Finding]:
        self._routing = routing = await session.routing(self.run_id)
        if routing.mode == "inline" or (routing.mode == "auto" and routing.inline_max_bytes >= 0):
            larger = "no larger ones" if routing.uploads is None else f"larger ones via {routing.uploads.uri}"
            text = f"payloads of up to {routing.inline_max_bytes:,} bytes travel in the request, {larger}"
        else:
            text = "every payload goes via S3"
        return found("transport", text, warnings=session.warnings.of_run)

    async def _endpoint(self, session: Session) -> list[Finding]:
        """Return what is found of the endpoint, and of what is only known once it is described."""
        described: list[Endpoint | None] = []

        async def ask() -> list[Finding]:
            described.append(await session.endpoint(patience_s=LOOK_PATIENCE_S))
            return judge_endpoint(described[0], self._config.collect)

        findings = await needed("endpoint", ask)
        if not described:
            return findings
        [endpoint] = described
        asked: list[Ask] = [
            partial(needed, "queue", partial(self._queue, session, endpoint)),
        ]
        if endpoint is not None:
            collect = self._config.collect
            listed = collect.queue_url is None and not (collect.notifications and endpoint.topics)
            asked += [
                partial(
                    needed,
                    "results",
                    partial(
                        check_results,
                        session.cloud.objects,
                        path,
                        run_id=self.run_id,
                        listed=listed,
                        clock=session.clock,
                    ),
                )
                for path in (endpoint.output_path, endpoint.failure_path)
                if path is not None
            ]
        return findings + [each for part in await side_by_side(asked) for each in part]

    async def _queue(self, session: Session, endpoint: Endpoint | None) -> list[Finding]:
        collect = self._config.collect
        check_queue_region(collect.queue_url, region=session.cloud.region)
        return await check_queue(
            session.cloud,
            endpoint,
            collect,
            run_id=self.run_id,
            name=session.endpoint_name,
            part_s=self._config.output.part_s,
            clock=session.clock,
        )

    async def _uploads(self, session: Session) -> list[Finding]:
        assert self._routing is not None
        assert self._routing.uploads is not None
        return await check_uploads(
            session.cloud.objects,
            self._routing.uploads,
            self._config.transport,
            run_id=self.run_id,
            clock=session.clock,
        )

    async def _input(self, session: Session) -> list[Finding]:
        if STDIN in self._config.input.paths:
            return [warning("input", "standard input is not read here: its rows would be gone")]
        source = await session.source()
        self.input_bytes = source.statistics().bytes_total
        findings = judge_input(source)
        rows = await needed("rows", partial(self._rows, session))
        return findings + rows

    async def _rows(self, session: Session) -> list[Finding]:
        self.head = await read_head(await session.source())
        return judge_rows(self.head, self._routing)

    async def _place(self, session: Session) -> list[Finding]:
        warnings: list[str] = []
        place = run_place(self._config.run.dir or "", run_id=self.run_id)
        return await check_place(
            session.cloud.objects,
            place,
            resumes=self._config.run.resume,
            clock=session.clock,
            warn=warnings.append,
        ) + [warning("place", text) for text in warnings]

    async def _output(self, session: Session) -> list[Finding]:
        warnings: list[str] = []
        place = object_place(self._config.output.path or "")
        try:
            await check_claim(
                session.cloud.objects, place, run_id=self.run_id, clock=session.clock, warn=warnings.append
            )
        except UnfinishedRun as earlier:
            if not self._config.run.resume:
                raise
            return [
                ok("output", f"{place.uri} has an unfinished run, {earlier.where}: a run goes on with it")
            ]
        await prove_output(session, self._config, run_id=self.run_id, warn=warnings.append)
        text = f"{self._config.output.path}: an upload was begun and aborted"
        return found("output", text, warnings=warnings)


def _with_few_connections(config: Config) -> Config:
    """Return the configuration for a session that asks and sends nothing: what a run may open is not needed for that.

    Standard input is left to the run.
    """
    few = {
        "transport": config.transport.model_copy(update={"concurrency": 8, "uploads": 2}),
        "collect": config.collect.model_copy(update={"fetches": 8, "pollers": 1}),
    }
    if STDIN in config.input.paths:
        few["input"] = config.input.model_copy(update={"paths": ()})
    return config.model_copy(update=few)
