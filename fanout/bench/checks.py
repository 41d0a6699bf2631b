"""Checks the conditions of `--fail-if`: before anything is sent, whether they can be answered; then, what was found.

A condition of whose kind nothing was measured has not passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fanout.analysis.client_check import TOO_FEW
from fanout.analysis.comparison import Comparison, GroupResult
from fanout.analysis.failures import Failures
from fanout.analysis.units import size_text
from fanout.bench.baseline import Change, slower
from fanout.bench.fail_conditions import FAILURES, OPERATORS, WORSE, Condition, parse_condition
from fanout.domain.limits import INLINE_MAX_BYTES
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


def _failures(condition: Condition, failures: Failures) -> Check:
    failed = getattr(failures, condition.ways[0]) if len(condition.ways) == 1 else failures.all
    if not failed.requests:
        return Check(condition.text, holds=False, found="no request of that kind ended", measured=False)
    bound = condition.bound
    value = failed.failed if bound.share is None else failed.share
    limit = bound.count if bound.share is None else bound.share
    holds = limit is not None and OPERATORS[condition.operator](value, limit)
    return Check(condition.text, holds, f"{failed} failed")


def _latency(condition: Condition, now: Comparison, before: Comparison | None) -> Check:
    compares = OPERATORS[condition.operator]
    found, holds = [], False
    for way in condition.ways or ("",):
        value = _value(condition, way, now)
        earlier = 0.0
        if condition.bound.factor:
            was = _value(condition, way, before) if before is not None else None
            if was is None:
                continue
            earlier = was
        if value is None:
            continue
        bound_ms = condition.bound.factor * earlier + condition.bound.plus_ms
        holds = holds or compares(value, bound_ms)
        found.append(f"{f'{way} ' if way else ''}{value:,.1f} ms, bound {bound_ms:,.1f} ms")
    if found:
        return Check(condition.text, holds, "; ".join(found))
    group = _group(condition, now)
    few = "" if group is None or group.is_told else f": only {group.pairs} pairs, and {TOO_FEW} are needed"
    return Check(condition.text, holds=False, found=f"nothing of that kind was measured{few}", measured=False)


def _value(condition: Condition, way: str, comparison: Comparison) -> float | None:
    group = _group(condition, comparison)
    result = group.phases.get(condition.phase) if group is not None and group.is_told else None
    if result is None:
        return None
    if condition.statistic == "difference":
        return result.difference.median if result.difference else None
    quantiles = result.inline if way == "inline" else result.s3
    return None if quantiles is None else float(getattr(quantiles, condition.statistic))


def _group(condition: Condition, comparison: Comparison) -> GroupResult | None:
    if condition.size_bytes is None:
        return comparison.everything
    return next(
        (group for group in comparison.groups if group.from_bytes <= condition.size_bytes <= group.to_bytes),
        None,
    )
