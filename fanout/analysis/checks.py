"""Checks the conditions of `--fail-if`: before anything is sent, whether they can be answered; then, what was found.

A condition of whose kind nothing was measured has not passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fanout.analysis.baseline import Change, slower
from fanout.analysis.client_check import TOO_FEW
from fanout.analysis.comparison import Comparison, GroupResult
from fanout.analysis.fail_conditions import (
    FAILURES,
    OPERATORS,
    RETRY,
    STATISTICS,
    WORSE,
    Condition,
    parse_condition,
)
from fanout.analysis.failures import Failed, Failures
from fanout.analysis.units import size_text
from fanout.domain.limits import INLINE_MAX_BYTES
from fanout.domain.percentiles import P999_MIN
from fanout.errors import UsageError

STANDARD = "failures > 1%"
"""What holds where no condition names failures: from 1 % on, the p99 of those that are left is another quantile."""


@dataclass(frozen=True, slots=True)
class Check:
    """The check of a condition.

    Attributes:
        holds: What it says is the case.
        found: What was found, in words.
        measured: Whether anything was found that it speaks of.
    """

    text: str
    holds: bool
    found: str
    measured: bool = True

    @property
    def fails(self) -> bool:
        """Whether the command exits with 3 for it."""
        return self.holds or not self.measured

    def __str__(self) -> str:
        """Say it, as its line on a terminal does."""
        return f"{'FAILED' if self.fails else 'passed'}: --fail-if {self.text!r}: {self.found}"


@dataclass(frozen=True, slots=True)
class Latency:
    """One statistic of one transport, in milliseconds, now and in what it is compared with; None where it is not told.

    Attributes:
        way: The transport; empty for a difference of the two.
    """

    way: str
    now_ms: float | None
    then_ms: float | None


@dataclass(frozen=True, slots=True)
class Found:
    """What conditions are checked against.

    Attributes:
        now: What the pairs say; None where they say nothing of the service.
        before: What those of the baseline say.
        changes: Between the two.
    """

    now: Comparison | None
    failures: Failures
    before: Comparison | None = None
    changes: Sequence[Change] = ()


def with_standard(conditions: Sequence[Condition]) -> list[Condition]:
    """Return the conditions, and the standard one on failures unless one of them names these."""
    named = any(each.phase == FAILURES for each in conditions)
    return [*conditions, *([] if named else [parse_condition(STANDARD)])]


def refuse_unanswerable(
    condition: Condition, *, sizes: Sequence[int] | None, before: Comparison | None
) -> None:
    """Return if the experiment can answer the condition.

    Args:
        condition: The condition.
        sizes: Of the payloads that will be sent, in bytes; None if only reading a dataset can tell.
        before: The baseline; None if there is none.

    Raises:
        UsageError: It asks for a size that will not be tried, or for something that the baseline has not.
    """
    size, text = condition.size_bytes, condition.text
    if condition.phase == RETRY or condition.ways == ("existing",):
        raise UsageError(
            f"--fail-if {text!r}: an experiment sends no row again, and uploads every payload itself"
        )
    if size is not None and sizes is not None and size not in sizes:
        known = ", ".join(map(size_text, sorted(sizes)))
        raise UsageError(f"--fail-if {text!r}: no payload of {size_text(size)} will be tried, only {known}")
    if size is not None and not 1 <= size <= INLINE_MAX_BYTES:
        raise UsageError(f"--fail-if {text!r}: no payload of {size_text(size)} can go both ways")
    if not condition.needs_baseline:
        return
    if before is None:
        raise UsageError(f"--fail-if {text!r} needs --baseline")
    if condition.phase != WORSE and all(
        _value(condition, way, before) is None for way in condition.ways or ("",)
    ):
        raise UsageError(f"--fail-if {text!r}: the baseline has nothing of that kind to compare with")


def check(condition: Condition, found: Found) -> Check:
    """Return whether the condition holds."""
    if condition.phase == FAILURES:
        return _failures(condition, found.failures)
    if found.now is None:
        return Check(condition.text, holds=False, found="the service was not measured", measured=False)
    if condition.phase == WORSE:
        worse = [f"{each.way} {each.before:,.1f} -> {each.now:,.1f} ms" for each in slower(found.changes)]
        return Check(condition.text, bool(worse), ", ".join(worse) or "no total got slower")
    return _latency(condition, found.now, found.before)


def check_failures(condition: Condition, failed: Failed, *, found: str, none: str) -> Check:
    """Return whether a condition on failures holds of `failed`.

    Args:
        condition: The condition.
        failed: How many there are.
        found: The same in words.
        none: What is the case where it is 0 of 0.
    """
    if not failed.requests:
        return Check(condition.text, holds=False, found=none, measured=False)
    bound = condition.bound
    value = failed.failed if bound.share is None else failed.share
    limit = bound.count if bound.share is None else bound.share
    holds = limit is not None and OPERATORS[condition.operator](value, limit)
    return Check(condition.text, holds, found)


def check_latency(condition: Condition, values: Iterable[Latency], *, few: str) -> Check:
    """Return whether a condition on a latency holds of one of `values`.

    Args:
        condition: The condition.
        values: What was measured, by transport.
        few: Why nothing was, as the end of a sentence; may be empty.
    """
    bound = condition.bound
    found, holds = [], False
    for each in values:
        if each.now_ms is None or (bound.factor and each.then_ms is None):
            continue
        bound_ms = bound.factor * (each.then_ms or 0.0) + bound.plus_ms
        holds = holds or OPERATORS[condition.operator](each.now_ms, bound_ms)
        found.append(f"{f'{each.way} ' if each.way else ''}{each.now_ms:,.1f} ms, bound {bound_ms:,.1f} ms")
    if found:
        return Check(condition.text, holds, "; ".join(found))
    return Check(condition.text, holds=False, found=f"nothing of that kind was measured{few}", measured=False)


def _failures(condition: Condition, failures: Failures) -> Check:
    failed = getattr(failures, condition.ways[0]) if len(condition.ways) == 1 else failures.all
    return check_failures(condition, failed, found=f"{failed} failed", none="no request of that kind ended")


def _latency(condition: Condition, now: Comparison, before: Comparison | None) -> Check:
    values = (
        Latency(
            way,
            now_ms=_value(condition, way, now),
            then_ms=None if before is None else _value(condition, way, before),
        )
        for way in condition.ways or ("",)
    )
    group = _group(condition, now)
    few = "" if group is None or group.is_told else f": only {group.pairs} pairs, and {TOO_FEW} are needed"
    if not few and STATISTICS.get(condition.statistic) == "p999":
        few = f": a p99.9 needs {P999_MIN:,} pairs"
    return check_latency(condition, values, few=few)


def _value(condition: Condition, way: str, comparison: Comparison) -> float | None:
    group = _group(condition, comparison)
    result = group.phases.get(condition.phase) if group is not None and group.is_told else None
    if result is None:
        return None
    if condition.statistic == "difference":
        return result.difference.median if result.difference else None
    quantiles = {"inline": result.inline, "s3": result.s3}.get(way)
    found: float | None = getattr(quantiles, STATISTICS[condition.statistic], None)
    return found


def _group(condition: Condition, comparison: Comparison) -> GroupResult | None:
    if condition.size_bytes is None:
        return comparison.everything
    return next(
        (group for group in comparison.groups if group.from_bytes <= condition.size_bytes <= group.to_bytes),
        None,
    )
