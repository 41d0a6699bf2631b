"""Compares a run with an earlier one: row by row where both have the same rows, else by their medians.

A difference is now minus then: positive where the later run is slower. Arrow arrays, one phase in memory at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from fanout.analysis.client_check import TOO_FEW
from fanout.analysis.output_files import Facts
from fanout.analysis.outputs import Outputs
from fanout.analysis.quantiles import Interval, change, interval
from fanout.report.latency import PHASES, WAYS, phase_column
from fanout.report.wording import setting_text

Key = Literal["id", "row"]


@dataclass(frozen=True, slots=True)
class PhaseChange:
    """How one phase of one transport changed: the median of the differences, in milliseconds.

    Attributes:
        pairs: Rows that it is made of, each in both runs; None where medians were compared instead.
        change: With its interval; None where one run has none of it.
    """

    phase: str
    way: str
    pairs: int | None
    change: Interval | None

    @property
    def verdict(self) -> str:
        """What the interval says; `alike`: it holds zero, so the two may be equal."""
        if self.change is None:
            return ""
        if not self.change.excludes_zero:
            return "alike"
        return "slower" if self.change.low > 0 else "faster"


@dataclass(frozen=True, slots=True)
class Pairing:
    """Which rows of the two runs are the same.

    Attributes:
        key: What tells them: the user's id, or the place in an input that is the same; None if nothing does.
        why: Why they are not paired; None if they are.
        shared: Rows of both.
        only_before: Rows of the earlier run alone.
        only_now: Rows of the later run alone.
        moved: Of the shared, rows by their status then and now, where it differs.
    """

    key: Key | None
    why: str | None
    shared: int = 0
    only_before: int = 0
    only_now: int = 0
    moved: tuple[tuple[str, str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class RunComparison:
    """Two runs.

    Attributes:
        changes: By phase and transport, also of those that neither run has.
        settings: What differs in how they were made: name, then, now.
    """

    pairing: Pairing
    changes: tuple[PhaseChange, ...]
    settings: tuple[tuple[str, str, str], ...]

    def totals(self) -> Mapping[str, Interval]:
        """Return how whole latencies changed, by transport."""
        return {
            each.way: each.change
            for each in self.changes
            if each.phase == "total" and each.change is not None
        }


def compare_runs(before: Outputs, now: Outputs) -> RunComparison:
    """Return how the run `now` differs from the run `before`."""
    pairing, places = _paired(before, now)
    one, other = _Side(before), _Side(now)
    changes: list[PhaseChange] = []
    for phase in PHASES:
        columns = one.column(phase), other.column(phase)
        changes += [_change(phase, way, (one, other), columns, places) for way in WAYS]
    return RunComparison(
        pairing,
        tuple(changes),
        tuple(_settings(before.files, now.files)),
    )


class _Side:
    """One run's rows: which transport each had, and whether it succeeded."""

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs
        rows = outputs.latencies(["transport", "status", "attempts"])
        self._again = pc.fill_null(pc.greater(rows["attempts"], 1), fill_value=False)
        good = pc.equal(rows["status"], "succeeded")
        self.by_way = {
            way: pc.and_(good, pc.equal(pc.fill_null(rows["transport"], ""), way)).combine_chunks()
            for way in WAYS
        }

    def column(self, phase: str) -> pa.Array:
        return phase_column(self._outputs, phase, again=self._again).combine_chunks()


def _change(
    phase: str,
    way: str,
    sides: tuple[_Side, _Side],
    columns: tuple[pa.Array, pa.Array],
    places: tuple[pa.Array, pa.Array] | None,
) -> PhaseChange:
    masks = sides[0].by_way[way], sides[1].by_way[way]
    if places is not None:
        both = pc.and_(masks[0].take(places[0]), masks[1].take(places[1]))
        differences = pc.subtract(columns[1].take(places[1]), columns[0].take(places[0])).filter(both)
        found = interval(differences)
        if found is None or found.n < TOO_FEW:
            return PhaseChange(phase, way, None if found is None else found.n, None)
        return PhaseChange(phase, way, found.n, found)
    medians = interval(columns[0].filter(masks[0])), interval(columns[1].filter(masks[1]))
    if medians[0] is None or medians[1] is None or min(medians[0].n, medians[1].n) < TOO_FEW:
        return PhaseChange(phase, way, None, None)
    return PhaseChange(phase, way, None, change(medians[1], medians[0]))


def _paired(before: Outputs, now: Outputs) -> tuple[Pairing, tuple[pa.Array, pa.Array] | None]:
    """Return what the rows share, and the places of the shared ones in both, in the same order."""
    key, why = _key(before, now)
    if key is None:
        return Pairing(None, why), None
    tables = []
    for name, outputs in (("before", before), ("now", now)):
        keys = outputs.latencies([key])[key]
        places = pa.array(range(len(keys)), pa.int64())
        tables.append(pa.table({"key": keys, name: places}).filter(pc.is_valid(keys)))
    joined = tables[0].join(tables[1], "key", join_type="inner").sort_by("now")
    if not len(joined):
        return Pairing(None, f"no {key} of the one is in the other"), None
    places = joined["before"].combine_chunks(), joined["now"].combine_chunks()
    statuses = [
        outputs.latencies(["status"])["status"].combine_chunks().take(place)
        for outputs, place in zip((before, now), places, strict=True)
    ]
    pairs = (
        pa.table({"then": statuses[0], "now": statuses[1]})
        .group_by(["then", "now"])
        .aggregate([([], "count_all")])
    )
    moved = Counter(
        {
            (line["then"], line["now"]): line["count_all"]
            for line in pairs.to_pylist()
            if line["then"] != line["now"]
        }
    )
    shared = len(joined)
    return Pairing(
        key,
        None,
        shared,
        len(tables[0]) - shared,
        len(tables[1]) - shared,
        tuple((then, then_now, number) for (then, then_now), number in moved.most_common()),
    ), places


def _key(before: Outputs, now: Outputs) -> tuple[Key | None, str | None]:
    """Return by what the rows can be paired, or why they cannot."""
    ids = [outputs.latencies(["id"])["id"] for outputs in (before, now)]
    if all(len(each) and each.null_count < len(each) for each in ids):
        twice = any(pc.count_distinct(each).as_py() < len(each) - each.null_count for each in ids)
        return (
            (None, "ids occur more than once, so that no row can be told by its id")
            if twice
            else ("id", None)
        )
    prints = [_fingerprint(outputs.files) for outputs in (before, now)]
    if None not in prints and prints[0] == prints[1]:
        return "row", None
    return None, "rows have no ids (--id-column), and the inputs are not known to be the same"


def _fingerprint(files: tuple[Facts, ...]) -> str | None:
    if len(files) != 1 or files[0].provenance is None or files[0].provenance.retry_of is not None:
        return None
    return files[0].provenance.fingerprint


def _settings(before: tuple[Facts, ...], now: tuple[Facts, ...]) -> list[tuple[str, str, str]]:
    one, other = _told(before), _told(now)
    return [
        (name, one.get(name, "not set"), other.get(name, "not set"))
        for name in dict.fromkeys((*one, *other))
        if one.get(name) != other.get(name)
    ]


def _changed(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what was set, but for where the output went: that differs always."""
    return {
        f"{section}.{key}": value
        for section, keys in settings.items()
        for key, value in keys.items()
        if section != "output" and (section, key) != ("run", "dir")
    }


def _told(files: tuple[Facts, ...]) -> dict[str, str]:
    """Return what one run says of how it was made, as texts."""
    file = files[0]
    found: dict[str, Any] = {"endpoint": file.endpoint}
    if file.provenance is not None:
        said = file.provenance
        types = ", ".join(f"{number} x {kind}" for kind, number in said.instance_types.items())
        found |= {
            "account": said.account_alias or said.account,
            "region": said.region,
            "instances": types or said.instances,
            "fanout": said.fanout,
            **said.in_force,
            **_changed(said.settings),
        }
    return {name: setting_text(value) for name, value in found.items()}
