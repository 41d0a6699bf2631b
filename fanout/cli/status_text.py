"""Describes where runs stand for a person: sentences for one run, a table for many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fanout.cli.progress import paced
from fanout.commands.status import RunStatus
from fanout.text import count, escape

_SHARDS_SHOWN = 16
_COLUMNS = ("run", "state", "rows", "started", "output")


def describe(run: RunStatus) -> str:
    """Return a few lines about one run; the last one is the next step, where there is one."""
    lines = [f"{run.run_id}: {_state(run)}"]
    if run.reason:
        lines.append(run.reason)
    lines += [line for line in (_going(run), _left(run)) if line]
    if run.shard_count is not None and run.state != "finished":
        lines.append(_shards(run.shards, run.shard_count))
    told = [shard for shard in run.shards if shard.state != "finished" or len(run.shards) <= _SHARDS_SHOWN]
    lines += [f"shard {Path(shard.run_dir).name}: {_share(shard)}" for shard in told[:_SHARDS_SHOWN]]
    if len(told) > _SHARDS_SHOWN:
        lines.append(f"and {len(told) - _SHARDS_SHOWN} more shards: --json lists all")
    lines.append(f"endpoint {run.endpoint}, output {run.output or '-'}, started {run.started_at}")
    if run.state == "running":
        heard = run.updated_at or "never"
        lines.append(f"process {run.pid or 'unknown'} on {run.host or 'unknown'}, last heard of {heard}")
    if run.next:
        lines.append(f"next: {run.next}")
    return "\n".join(map(escape, lines))


def _shards(shards: Sequence[RunStatus], of: int) -> str:
    """Return how many shards of a run stand where."""
    states = Counter(shard.state for shard in shards)
    begun = ", ".join(f"{states[state]} {state}" for state in ("running", "stopped", "dead") if states[state])
    waiting = f", {of - len(shards)} not started" if len(shards) < of else ""
    return f"{states['finished']} of {of} shards finished{', ' if begun else ''}{begun}{waiting}"


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
    cells = (run.run_id, run.state, rows, run.started_at or "-", run.output or "-")
    return tuple(map(escape, cells))  # of a damaged run, the id is the name of its directory


def _state(run: RunStatus) -> str:
    return {
        "running": "running",
        "finished": f"finished, {count(run.rows or 0, 'row')}{_ends(run)}",
        "stopped": "stopped before its output was written",
        "dead": "dead: its process was killed, or the machine went down",
        "damaged": "damaged",
    }[run.state]


def _ends(run: RunStatus) -> str:
    """Return how the rows ended, where they ended in more ways than one, or did not succeed."""
    ends = sorted((run.by_status or {}).items())
    if [status for status, _ in ends] in ([], ["succeeded"]):
        return ""
    return f" ({', '.join(f'{number:,} {status}' for status, number in ends)})"


def _share(shard: RunStatus) -> str:
    """Return where one process of a run stands."""
    said = f"{shard.state}, " + (
        "nothing sent yet" if shard.rows is None else f"{count(shard.rows, 'row')} ended"
    )
    if shard.state == "running":
        said += f", process {shard.pid or 'unknown'}"
    elif shard.accepted is not None:
        said += f", {shard.accepted:,} to be collected, {shard.unknown:,} may have been sent"
    return said + (f": {shard.reason}" if shard.reason else "")


def _going(run: RunStatus) -> str | None:
    """Return what a live run's process last saw."""
    seen = run.snapshot
    if run.state != "running":
        return None
    if seen is None:
        return "nothing has been sent yet"
    share = seen["share"]
    read = f" ({100 * share:.0f} % of the input read)" if share is not None and seen["total"] is None else ""
    possible = seen.get("possible_resends", 0)
    twice = f", {possible:,} may have been sent twice" if possible else ""
    return (
        f"{_ended(seen)}{read}, {seen['ended'] - seen['succeeded']:,} without success; "
        f"{seen['in_flight']:,} in flight, {seen['accepted']:,} in the endpoint's queue; "
        f"{seen['throttles']:,} throttled, {seen['resends'] - possible:,} sent again{twice}{_paced(seen)}"
    )


def _paced(seen: Mapping[str, Any]) -> str:
    """Return at which rate it sends and what is done to find the limit; nothing where no rate is in force."""
    rate, pacer = seen.get("rate_limit_per_s"), (seen.get("statistics") or {}).get("pacer", {})
    if rate is None:
        return ""
    held_by = "configuration" if rate == pacer.get("configured_per_s") else "throttling"
    return f"; {paced(rate, held_by, pacer.get('phase'))}"


def _ended(seen: Mapping[str, Any]) -> str:
    if seen["total"] is None:
        return f"{count(seen['ended'], 'row')} ended"
    return f"{seen['ended']:,} of {count(seen['total'], 'row')} ended"


def _left(run: RunStatus) -> str | None:
    """Return what a run that is not at work left behind."""
    if run.accepted is None:
        return None
    durable = run.durable or 0
    return (
        f"{count(durable, 'row')} {'is' if durable == 1 else 'are'} durable, "
        f"{run.accepted:,} {'was' if run.accepted == 1 else 'were'} accepted and not collected, "
        f"{run.unknown:,} may have been sent"
    )
