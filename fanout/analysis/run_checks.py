"""Checks the conditions of `--fail-if` against a run, or against a run and an earlier one; pure.

A condition of whose kind nothing was measured has not passed, as with an experiment (`checks`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fanout.analysis.checks import Check, Latency, check_failures, check_latency
from fanout.analysis.fail_conditions import FAILURES, STATISTICS, WAYS, WORSE, Condition
from fanout.analysis.failures import Failed
from fanout.analysis.quantiles import Interval
from fanout.domain.percentiles import P999_MIN
from fanout.errors import UsageError

Quantile = Mapping[str, float | None]
"""By name: p50, p90, p99, p999, max."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What conditions on a run are checked against.

    Attributes:
        latencies: Milliseconds by phase and transport.
        failures: By transport, and under an empty name of all rows.
    """

    latencies: Mapping[tuple[str, str], Quantile]
    failures: Mapping[str, Failed]


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier run to compare with.

    Attributes:
        totals: By transport, how its whole latency changed, now minus then.
    """

    measured: Measured
    totals: Mapping[str, Interval]


def refuse_for_runs(conditions: Sequence[Condition], *, compared: bool) -> None:
    """Return if a run can answer the conditions.

    Raises:
        UsageError: One asks for pairs, for sizes, or for an earlier run where there is none.
    """
    for condition in conditions:
        text = condition.text
        if condition.statistic == "difference" or condition.phase == "raw":
            raise UsageError(f"--fail-if {text!r}: only an experiment of `fanout bench` has that")
        if condition.size_bytes is not None:
            raise UsageError(f"--fail-if {text!r}: a run is not measured by size: leave out @SIZE")
        if condition.needs_baseline and not compared:
            raise UsageError(f"--fail-if {text!r} needs an earlier run: name it first, and add --compare")


def check_run(condition: Condition, now: Measured, earlier: Earlier | None = None) -> Check:
    """Return whether the condition holds of the run `now`."""
    if condition.phase == FAILURES:
        return _failures(condition, now)
    if condition.phase == WORSE:
        return _worse(condition, earlier)
    name = STATISTICS[condition.statistic]
    values = (
        Latency(
            way,
            now_ms=_value(now, condition.phase, way, name),
            then_ms=None if earlier is None else _value(earlier.measured, condition.phase, way, name),
        )
        for way in condition.ways or WAYS
    )
    few = f": a p99.9 needs {P999_MIN:,} rows" if name == "p999" else ""
    return check_latency(condition, values, few=few)


def _value(measured: Measured, phase: str, way: str, name: str) -> float | None:
    return measured.latencies.get((phase, way), {}).get(name)


def _failures(condition: Condition, now: Measured) -> Check:
    failed = now.failures.get(condition.ways[0] if len(condition.ways) == 1 else "", Failed(0, 0))
    found = f"{failed.failed:,} of {failed.requests:,} rows ({failed.share:.1%}) did not succeed"
    return check_failures(condition, failed, found=found, none="there is no row of that kind")


def _worse(condition: Condition, earlier: Earlier | None) -> Check:
    if earlier is None or not earlier.totals:
        return Check(
            condition.text,
            holds=False,
            found="the two runs have nothing that can be compared",
            measured=False,
        )
    worse = [f"{way} {each.median:+,.1f} ms" for way, each in earlier.totals.items() if each.low > 0]
    return Check(condition.text, bool(worse), ", ".join(worse) or "no total got slower")
