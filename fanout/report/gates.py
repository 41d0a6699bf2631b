"""Judges a report by its gates: the conditions of `--fail-if`, given now or when the experiment was carried out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fanout.analysis.checks import Check, Found, check, refuse_unanswerable, with_standard
from fanout.analysis.comparison import Comparison
from fanout.analysis.fail_conditions import WAYS, Condition
from fanout.analysis.failures import Failed, read_failures
from fanout.analysis.run_checks import Earlier, Measured, check_run, refuse_for_runs
from fanout.report.counts import Counts
from fanout.report.latency import Spread


@dataclass(frozen=True, slots=True)
class Gates:
    """Conditions and their verdicts.

    Attributes:
        source: Who asked: `--fail-if` of this report, or the path of a `bench.json`.
    """

    checks: tuple[Check, ...]
    source: str

    @property
    def failed(self) -> tuple[Check, ...]:
        """Those that make the command exit with 3."""
        return tuple(each for each in self.checks if each.fails)


def measured(spreads: Sequence[Spread], counts: Counts) -> Measured:
    """Return what conditions on a run are checked against."""
    latencies = {
        (each.phase, each.way): {
            "p50": each.p50, "p90": each.p90, "p99": each.p99, "p999": each.p999, "max": each.max,
        }
        for each in spreads
    }  # fmt: skip
    succeeded = counts.by_status.get("succeeded", 0)
    failures = {"": Failed(counts.rows, counts.rows - succeeded)}
    for way in WAYS:
        if way in counts.by_way:
            failures[way] = Failed(counts.by_way[way], counts.failed_by_way.get(way, 0))
    return Measured(latencies, failures)


def judge_run(
    conditions: Sequence[Condition], found: Measured, *, earlier: Earlier | None = None
) -> Gates | None:
    """Return the verdicts on a run; None without a condition.

    Raises:
        UsageError: A run cannot answer one.
    """
    if not conditions:
        return None
    refuse_for_runs(conditions, compared=earlier is not None)
    return Gates(tuple(check_run(each, found, earlier) for each in with_standard(conditions)), "--fail-if")


def judge_experiment(
    conditions: Sequence[Condition], comparison: Comparison | None, *, path: Path
) -> Gates | None:
    """Return the verdicts on an experiment, whose output is at `path`; None without a condition.

    Raises:
        UsageError: It cannot answer one; a baseline is `fanout bench`'s to compare with.
    """
    if not conditions:
        return None
    sizes = None if comparison is None else [group.to_bytes for group in comparison.groups]
    for condition in conditions:
        refuse_unanswerable(condition, sizes=sizes, before=None)
    found = Found(comparison, read_failures(path))
    return Gates(tuple(check(each, found) for each in with_standard(conditions)), "--fail-if")
