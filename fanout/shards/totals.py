"""Adds up the `status.json` files of a run's processes to a snapshot of the whole run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from statistics import fmean
from typing import Any, TypeVar

from fanout.engine.flow import SinkStatistics
from fanout.engine.journal_writer import JournalWriterStatistics
from fanout.engine.pacing import PacerStatistics
from fanout.engine.reconcile.reconciler import ReconcilerStatistics
from fanout.engine.row_counts import OpenRowsStatistics
from fanout.engine.snapshot import Snapshot
from fanout.engine.stages.poll import PollStatistics
from fanout.engine.statistics import PipelineStatistics

Counts = TypeVar(
    "Counts",
    OpenRowsStatistics,
    PacerStatistics,
    SinkStatistics,
    JournalWriterStatistics,
    ReconcilerStatistics,
)


def parse_snapshot(content: Mapping[str, Any]) -> Snapshot:
    """Return what the `snapshot` of a `status.json` says.

    Raises:
        KeyError, TypeError: It was written by another version of the program.
    """
    statistics = content["statistics"]
    return Snapshot(
        **{**content, "statistics": None if statistics is None else _parse_statistics(statistics)}
    )


def _parse_statistics(content: Mapping[str, Any]) -> PipelineStatistics:
    collect = content["poll"]
    return PipelineStatistics(
        OpenRowsStatistics(**content["open_rows"]),
        PacerStatistics(**content["pacer"]),
        SinkStatistics(**content["sink"]),
        JournalWriterStatistics(**content["journal"]),
        ReconcilerStatistics(**content["reconciler"]),
        None if collect is None else PollStatistics(**collect),
        content["held_bytes"],
        content["unfounded"],
    )


def total_snapshot(snapshots: Sequence[Snapshot], *, processes: int) -> Snapshot:
    """Return where a run of so many processes stands; `snapshots` are of those that have written one.

    The rows in all and the rate, which need all of them, are None until all have written one.
    """
    silent = processes - len(snapshots)
    shares = [each.share for each in snapshots]
    told = [each.statistics for each in snapshots if each.statistics is not None]
    unknown = sum(statistics.open_rows.unknown for statistics in told)
    notes = [f"{unknown:,} uncertain"] if unknown else []
    if silent:
        notes.append(f"{silent} of {processes} processes are starting")
    return Snapshot(
        ended=sum(each.ended for each in snapshots),
        succeeded=sum(each.succeeded for each in snapshots),
        total=None if silent else _sum([each.total for each in snapshots]),
        share=None if silent or None in shares else fmean(share for share in shares if share is not None),
        in_flight=sum(each.in_flight for each in snapshots),
        accepted=sum(each.accepted for each in snapshots),
        throttles=sum(each.throttles for each in snapshots),
        resends=sum(each.resends for each in snapshots),
        rate_limit_per_s=None if silent else _sum([each.rate_limit_per_s for each in snapshots]),
        note=", ".join(notes),
        read=_sum([each.read for each in snapshots]),
        statistics=_total_statistics(told) if told else None,
        possible_resends=sum(each.possible_resends for each in snapshots),
    )


def _total_statistics(told: Sequence[PipelineStatistics]) -> PipelineStatistics:
    return PipelineStatistics(
        _add([each.open_rows for each in told]),
        _total_pacer([each.pacer for each in told]),
        _add([each.sink for each in told]),
        _add([each.journal for each in told]),
        _add([each.reconciler for each in told]),
        _total_collect([each.poll for each in told if each.poll is not None]),
        sum(each.held_bytes for each in told),
        sum(each.unfounded for each in told),
    )


def _total_pacer(told: Sequence[PacerStatistics]) -> PacerStatistics:
    """Return the sum, with the greatest share that one of the processes tolerates: shares do not add up.

    Its phase is that of the processes that have one, if it is the same.
    """
    phases = {each.phase for each in told} - {None}
    return replace(
        _add([replace(each, phase=None) for each in told]),
        tolerated=max(each.tolerated for each in told),
        phase=phases.pop() if len(phases) == 1 else None,
    )


def _total_collect(told: Sequence[PollStatistics]) -> PollStatistics | None:
    if not told:
        return None
    foreign: Counter[str] = Counter()
    for each in told:
        foreign.update(each.foreign)
    instants = [each.last_notice_at for each in told if each.last_notice_at is not None]
    return PollStatistics(sum(each.messages for each in told), max(instants, default=None), dict(foreign))


def _add(parts: Sequence[Counts]) -> Counts:
    """Return the sum of each field; None where one of the parts has none."""
    names = [field.name for field in fields(parts[0])]
    return type(parts[0])(**{name: _sum([getattr(part, name) for part in parts]) for name in names})


def _sum(values: Sequence[Any]) -> Any:
    return None if None in values else sum(values)
