"""Reads from its directory alone where a run stands: whether a process is at it, was killed, or has finished.

It changes nothing and does not disturb a live run. A run is alive if a process has its journal open; `status.json`
says what that process last saw.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from fanout.domain.row_state import RowState
from fanout.errors import RunError, UsageError
from fanout.observability.status_file import read_status_file
from fanout.rundir.journal import count_states
from fanout.rundir.manifest import Manifest, read_manifest
from fanout.rundir.paths import RUNS, RunDirectory
from fanout.rundir.shard_result import read_shard_result
from fanout.rundir.summary import Summary, read_summary
from fanout.text import iso, quoted

VERSION = 1
State = Literal["running", "finished", "stopped", "dead", "damaged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """One run.

    Attributes:
        state: `running`: a process is at it. `finished`: the output is there. `stopped`: it ended in order before
            that, by a signal, a deadline or an error. `dead`: it was killed. `damaged`: its files cannot be read.
        rows: Rows that have ended: for a run that is not at work, those that are durable.
        by_status: How the rows of a finished run ended: how many have which status; None for one that has not finished.
        durable: Rows whose outcome stands in a part; None while the run goes on.
        accepted: Rows that the endpoint has and whose result is not durable; None likewise.
        unknown: Rows that may have been sent; None likewise.
        started_at: When the run began, as an ISO 8601 text in UTC.
        updated_at: When its process last said something; None if it never did.
        pid: That process.
        host: Its machine.
        reason: Why it stopped, or what is damaged.
        next: What to do, as a command or a sentence; None where there is nothing to do.
        snapshot: What the process last saw, as in `status.json`.
        shards: Of a run on several processes, each one's share; empty for a run on one. A share that is `finished`
            has no output of its own.
        shard_count: Into how many shards the run is divided, those that have not begun among them; None for a run of
            one process.
    """

    run_id: str
    run_dir: str
    state: State
    endpoint: str | None = None
    output: str | None = None
    rows: int | None = None
    by_status: dict[str, int] | None = None
    durable: int | None = None
    accepted: int | None = None
    unknown: int | None = None
    started_at: str | None = None
    updated_at: str | None = None
    pid: int | None = None
    host: str | None = None
    reason: str | None = None
    next: str | None = None
    snapshot: dict[str, Any] | None = None
    shards: tuple[RunStatus, ...] = ()
    shard_count: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        fields = asdict(self)
        return {
            "version": VERSION,
            "run": fields.pop("run_id"),
            **fields,
            "shards": [shard.as_dict() for shard in self.shards],
        }


def run_status(path: Path) -> RunStatus:
    """Return where the run in directory `path` stands.

    Raises:
        UsageError: There is no run.
        JournalError: Its files are damaged.
        StorageError: They cannot be read.
    """
    directory = RunDirectory(path.absolute())
    manifest = read_manifest(directory)
    last = read_status_file(directory.status)
    known: dict[str, Any] = {
        "run_id": manifest.run_id,
        "run_dir": str(directory.path),
        "endpoint": manifest.endpoint,
        "output": manifest.config.output.path,
        "started_at": iso(directory.manifest.stat().st_mtime),  # written once, before anything is sent
        "updated_at": last.get("updated_at"),
        "pid": last.get("pid"),
        "host": last.get("host"),
        "snapshot": last.get("snapshot"),
    }
    if directory.summary.exists():
        return finished(read_summary(directory.summary), where=str(path), known=known)
    if directory.subtotal.exists():
        tally = read_shard_result(directory.subtotal).tally
        ends = dict(tally.by_status)
        return RunStatus(state="finished", rows=tally.rows, durable=tally.rows, by_status=ends, **known)
    shards = tuple(run_status(shard.path) for shard in _shards(directory, manifest))
    count = manifest.config.run.shard_count
    known["shards"], known["shard_count"] = shards, count if count > 1 else None
    counts = count_states(directory.journal) if directory.journal.exists() else None
    # A process that lost the one that started it goes on for a while.
    survivor = next((shard for shard in shards if shard.state == "running"), None)
    if counts is None and (directory.journal.exists() or _alive(last)):
        return RunStatus(state="running", rows=(known["snapshot"] or {}).get("ended"), **known)
    if survivor is not None:
        known["pid"], known["host"] = survivor.pid, survivor.host
        ended = (known["snapshot"] or {}).get("ended")
        if ended is None:  # no process is at the whole run: its shards were started one by one
            ended = sum(shard.rows or 0 for shard in shards)
            known["updated_at"] = max((shard.updated_at or "" for shard in shards), default=None)
        return RunStatus(state="running", rows=ended, **known)
    durable, accepted, unknown = _counted(counts or {}, shards)
    stopped = last.get("state") == "stopped" or (directory.plan.exists() and not last)
    return RunStatus(
        state="stopped" if stopped else "dead",
        rows=durable,
        durable=durable,
        accepted=accepted,
        unknown=unknown,
        reason="cancelled" if directory.cancel.exists() else last.get("reason") if stopped else None,
        next=_next(manifest, directory, path, durable=durable, shards=shards),
        **known,
    )


def finished(summary: Summary, *, where: str, known: Mapping[str, Any]) -> RunStatus:
    """Return where a finished run stands.

    Args:
        summary: What it came to.
        where: How a command names it.
        known: What else is known, by the names of `RunStatus`.
    """
    rows, ended = summary.rows, summary.by_status
    step = summary.next_step_at(where)
    return RunStatus(state="finished", rows=rows, durable=rows, by_status=dict(ended), next=step, **known)


def _shards(directory: RunDirectory, manifest: Manifest) -> list[RunDirectory]:
    """Return the directories of the shards that have begun."""
    count = manifest.config.run.shard_count
    found = [directory.shard(index) for index in range(count)] if count > 1 else []
    return [shard for shard in found if shard.manifest.exists()]


def _counted(counts: Mapping[RowState, int], shards: Sequence[RunStatus]) -> tuple[int, int, int]:
    """Return how many rows are durable, accepted and uncertain, those of all shards together."""
    return (
        counts.get(RowState.DURABLE, 0) + sum(shard.durable or 0 for shard in shards),
        counts.get(RowState.ACCEPTED, 0) + sum(shard.accepted or 0 for shard in shards),
        counts.get(RowState.INTENT, 0) + sum(shard.unknown or 0 for shard in shards),
    )


def runs(directory: Path) -> list[RunStatus]:
    """Return the runs in `directory`, or in its `.fanout`, the oldest first; damaged ones included.

    Raises:
        UsageError: There is no such directory.
    """
    if not directory.is_dir():
        raise UsageError(f"{directory} is not a directory")
    inside = directory / RUNS
    found = []
    for manifest in (inside if inside.is_dir() else directory).glob("*/run.json"):
        path = manifest.parent
        try:
            found.append(run_status(path))
        except RunError as error:
            started = iso(manifest.stat().st_mtime)
            found.append(
                RunStatus(
                    run_id=path.name,
                    run_dir=str(path),
                    state="damaged",
                    reason=str(error),
                    started_at=started,
                )
            )
    return sorted(found, key=lambda each: (each.started_at or "", each.run_id))


def _alive(last: dict[str, Any]) -> bool:
    """Whether the process of a run without a journal, which nothing locks, seems to live."""
    if last.get("state") != "running" or not isinstance(last.get("pid"), int):
        return False
    if last.get("host") != socket.gethostname():
        return True  # another machine's: cannot be seen from here; `updated_at` is its last sign of life
    try:
        os.kill(last["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _next(
    manifest: Manifest, directory: RunDirectory, path: Path, *, durable: int, shards: Sequence[RunStatus]
) -> str:
    if manifest.is_shard:
        return f"fanout status {quoted(directory.whole.path)}"
    finished = sum(shard.state == "finished" for shard in shards)
    if directory.plan.exists() and finished == manifest.config.run.shard_count:
        return f"fanout merge {quoted(path)}"
    export = f"fanout export {quoted(path)} -o FILE"
    if manifest.config.local.enabled:  # it cannot be resumed: the endpoint is gone
        return f"start a new run; {export} writes the rows that are durable" if durable else "start a new run"
    if not directory.journal.exists():
        return "start a new run: this one kept no journal"
    if "-" in manifest.config.input.paths:  # nor can standard input be read again
        return export
    return f"fanout resume {quoted(path)}"
