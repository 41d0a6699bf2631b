"""Reads what `fanout bench` wrote beside an experiment's output: the verdicts of its conditions, and its baseline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fanout.analysis.checks import Check

FILE = "bench.json"
_ALL = "all sizes"


@dataclass(frozen=True, slots=True)
class MedianChange:
    """One median then and now, over all sizes, in milliseconds, with the interval of the change."""

    phase: str
    way: str
    before: float
    now: float
    change: float
    low: float
    high: float
    verdict: str


@dataclass(frozen=True, slots=True)
class Against:
    """The baseline of an experiment.

    Attributes:
        path: Its `bench.json`, as it was named.
        differs_in: In what the two experiments differ besides: name, then, now.
        changes: Medians over all sizes.
    """

    path: str
    differs_in: tuple[tuple[str, str, str], ...]
    changes: tuple[MedianChange, ...]


@dataclass(frozen=True, slots=True)
class BenchRecord:
    """What an experiment recorded beside its rows."""

    path: str
    checks: tuple[Check, ...]
    against: Against | None
    stopped: str | None


def read_bench_record(output: Path, *, run_id: str) -> BenchRecord | None:
    """Return what stands beside `output`; None if nothing does, or it is of another experiment."""
    path = output.with_name(FILE)
    try:
        content = json.loads(path.read_bytes())
        if content["run"] != run_id:
            return None
        return BenchRecord(
            str(path),
            tuple(Check(**each) for each in content["checks"]),
            _against(content["baseline"]),
            content.get("stopped"),
        )
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
    ):  # not there, or another version's: then nothing is known
        return None


def _against(content: Mapping[str, Any] | None) -> Against | None:
    if content is None:
        return None
    differs = content.get("differences", {})
    return Against(
        content["path"],
        tuple((name, _said(then), _said(now)) for name, (then, now) in differs.items()),
        tuple(_change(each) for each in content["changes"] if each["group"] == _ALL),
    )


def _change(each: Mapping[str, Any]) -> MedianChange:
    found = each["change"]
    return MedianChange(
        each["phase"], each["way"], each["before"], each["now"], found["median"], found["low"], found["high"],
        each["verdict"],
    )  # fmt: skip


def _said(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_said(each)}" for name, each in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(_said, value))
    return "none" if value is None else str(value)
