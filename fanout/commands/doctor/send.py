"""Sends a few rows as a run would, nothing on disk, and says how each of them went, with its times."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

import anyio

from fanout.commands.doctor.finding import Finding, failure, ok, warning
from fanout.concurrency.side_by_side import side_by_side
from fanout.config.model import Config
from fanout.domain.records import Outcome, Record
from fanout.errors import RunError
from fanout.observability.warnings import WarningLog
from fanout.runtime.live import Submissions, serve

_STEPS = (
    ("waited", "due_at", "sent_at"),
    ("uploaded in", "upload_started_at", "uploaded_at"),
    ("accepted in", "sent_at", "accepted_at"),
    ("served in", "received_at", "completed_at"),
    ("noticed in", "completed_at", "notified_at"),
    ("fetched in", "collected_at", "fetched_at"),
)
"""What is told of a row's way: a word, and the instants between which it passed."""


async def send_rows(config: Config, rows: Sequence[Record], *, said: Collection[str]) -> list[Finding]:
    """Send `rows`, and return what came of each, and what a person should know besides.

    Args:
        config: The run's.
        rows: What to send.
        said: Warnings that a person has been given already.
    """
    submissions = Submissions()
    ready = anyio.Event()

    async def serve_all() -> list[Finding]:
        try:
            await serve(config, submissions, ready=ready.set, warnings=warnings)
        except RunError as error:
            submissions.fail(error)
            ready.set()
        return []

    async def send_all() -> list[Finding]:
        await ready.wait()
        try:
            return await side_by_side([partial(_send, submissions, row) for row in rows])
        finally:
            submissions.close()

    with WarningLog() as warnings:
        _, sent = await side_by_side([serve_all, send_all])
    return sent + [warning("send", text) for text in warnings.of_run if text not in said]


async def _send(submissions: Submissions, row: Record) -> Finding:
    try:
        outcome = await submissions.submit(row).wait()
    except RunError as error:
        return failure("send", str(error))
    return judge_outcome(outcome, row=row.row)


def judge_outcome(outcome: Outcome, *, row: int) -> Finding:
    """Return the way of a row and what came of it; pure.

    Args:
        outcome: Its end.
        row: Its number in the input.
    """
    times = [
        f"{said} {(stop - start) * 1e3:,.0f} ms"
        for said, first, last in _STEPS
        if (start := getattr(outcome, first)) is not None and (stop := getattr(outcome, last)) is not None
    ]
    began, ended = outcome.began_at, outcome.fetched_at or outcome.ended_at
    if began is not None and ended is not None:
        times.append(f"{(ended - began) * 1e3:,.0f} ms in all")
    way = f"row {row} {outcome.status}" + (f", {outcome.transport}" if outcome.transport else "")
    text = f"{way}: {', '.join(times)}" if times else way
    if outcome.status == "succeeded":
        return ok("send", text)
    return failure("send", f"{text}. {outcome.error_code}: {outcome.error_message}")
