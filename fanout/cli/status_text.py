"""Describes where runs stand for a person: sentences for one run, a table for many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fanout.commands.status import RunStatus
from fanout.text import escape

_COLUMNS = ("run", "state", "rows", "started", "output")


def describe(run: RunStatus) -> str:
    """Return a few lines about one run; the last one is the next step, where there is one."""
    lines = [f"{run.run_id}: {_state(run)}"]
    if run.reason:
        lines.append(escape(run.reason))
    lines += [line for line in (_going(run), _left(run)) if line]
    lines += [f"shard {Path(shard.run_dir).name}: {_share(shard)}" for shard in run.shards]
    lines.append(f"endpoint {run.endpoint}, output {escape(run.output or '-')}, started {run.started_at}")
    if run.state == "running":
        heard = run.updated_at or "never"
        lines.append(f"process {run.pid or 'unknown'} on {run.host or 'unknown'}, last heard of {heard}")
    if run.next:
        lines.append(f"next: {run.next}")
    return "\n".join(lines)


def table(runs: Sequence[RunStatus]) -> list[str]:
    """Return a line a run under a line of headings; none without a run."""
    if not runs:
        return []
    lines = [_COLUMNS, *(_line(run) for run in runs)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(_COLUMNS))]
    return [
        "  ".join(
            cell.rjust(width) if place == _COLUMNS.index("rows") else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def _line(run: RunStatus) -> tuple[str, ...]:
    rows = "-" if run.rows is None else f"{run.rows:,}"
    return run.run_id, run.state, rows, run.started_at or "-", escape(run.output or "-")


def _state(run: RunStatus) -> str:
    return {
        "running": "running",
        "finished": f"finished, {run.rows or 0:,} rows",
        "stopped": "stopped before its output was written",
        "dead": "dead: its process was killed, or the machine went down",
        "damaged": "damaged",
    }[run.state]


def _share(shard: RunStatus) -> str:
    """Return where one process of a run stands."""
    said = f"{shard.state}, " + ("nothing sent yet" if shard.rows is None else f"{shard.rows:,} rows ended")
    if shard.state == "running":
        said += f", process {shard.pid or 'unknown'}"
    elif shard.accepted is not None:
        said += f", {shard.accepted:,} to be collected, {shard.unknown:,} may have been sent"
    return said + (f": {escape(shard.reason)}" if shard.reason else "")


def _going(run: RunStatus) -> str | None:
    """Return what a live run's process last saw."""
    seen = run.snapshot
    if run.state != "running":
        return None
    if seen is None:
        return "nothing has been sent yet"
    of = f" of {seen['total']:,}" if seen["total"] is not None else ""
    share = seen["share"]
    read = f" ({100 * share:.0f} % of the input read)" if share is not None and not of else ""
    possible = seen.get("possible_resends", 0)
    twice = f", {possible:,} may have been sent twice" if possible else ""
    return (
        f"{seen['ended']:,}{of} rows ended{read}, {seen['ended'] - seen['succeeded']:,} without success; "
        f"{seen['in_flight']:,} in flight, {seen['accepted']:,} in the endpoint's queue; "
        f"{seen['throttles']:,} throttled, {seen['resends'] - possible:,} sent again{twice}"
    )


def _left(run: RunStatus) -> str | None:
    """Return what a run that is not at work left behind."""
    if run.accepted is None:
        return None
    return (
        f"{run.durable:,} rows are durable, {run.accepted:,} were accepted and are to be collected, "
        f"{run.unknown:,} may have been sent"
    )
