"""Parses `--fail-if`, a condition on the result that makes the command exit with 3, before anything is sent.

`[inline.|s3.]PHASE.(p50|p90|p99|max)[@SIZE] OP BOUND` (without a transport: either), `PHASE.difference[@SIZE] OP BOUND`
(S3 minus inline, the median), or `worse` (a total got slower than the baseline's, beyond chance). OP is > >= < <=;
BOUND is `80ms`, `1.5s`, `-2ms`, `baseline`, `baseline + 5ms` or `baseline * 1.1`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from fanout.analysis.comparison import Comparison, GroupResult
from fanout.analysis.pairs import PHASES
from fanout.analysis.units import parse_duration, parse_size, size_text
from fanout.bench.baseline import Change, slower
from fanout.errors import UsageError
from fanout.text import did_you_mean

WAYS = ("inline", "s3")
STATISTICS = ("p50", "p90", "p99", "max", "difference")
OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_TOKEN = re.compile(
    r"\s*(?:(?P<number>-?\d[\d_,.]*\s*[A-Za-z]*)|(?P<name>[A-Za-z]\w*)|(?P<sign>[<>]=?|[.@+*]))"
)


@dataclass(frozen=True, slots=True)
class Bound:
    """What is compared with: `factor` times the baseline plus `plus_ms`; factor 0 for a plain duration."""

    plus_ms: float
    factor: float = 0.0


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed sentence; `phase` is `worse` for the one without a comparison."""

    text: str
    phase: str
    statistic: str = ""
    ways: tuple[str, ...] = ()
    size_bytes: int | None = None
    operator: str = ""
    bound: Bound = Bound(0.0)

    @property
    def needs_baseline(self) -> bool:
        """Whether it speaks of an earlier experiment."""
        return self.phase == "worse" or self.bound.factor != 0.0


@dataclass(frozen=True, slots=True)
class Check:
    """The check of a condition: whether it holds, and what was found, in words."""

    text: str
    holds: bool
    found: str


def parse_condition(text: str) -> Condition:
    """Return what `text` says.

    Raises:
        UsageError: It is no condition; the message names the place and what could stand there.
    """
    return _Parser(text).condition()


def check(
    condition: Condition, now: Comparison, *, before: Comparison | None, changes: Sequence[Change]
) -> Check:
    """Return whether the condition holds.

    Raises:
        UsageError: It asks for a size that was not tried, or for a baseline where there is none.
    """
    if condition.needs_baseline and before is None:
        raise UsageError(f"--fail-if {condition.text!r} needs --baseline")
    if condition.phase == "worse":
        worse = [f"{each.way} {each.before:,.1f} -> {each.now:,.1f} ms" for each in slower(changes)]
        return Check(condition.text, bool(worse), ", ".join(worse) or "no total got slower")
    compares = OPERATORS[condition.operator]
    found, holds = [], False
    for way in condition.ways or ("",):
        value = _value(condition, way, now)
        earlier = _value(condition, way, before) if before is not None and condition.bound.factor else 0.0
        if value is None or earlier is None:
            continue
        bound_ms = condition.bound.factor * earlier + condition.bound.plus_ms
        holds = holds or compares(value, bound_ms)
        found.append(f"{f'{way} ' if way else ''}{value:,.1f} ms, bound {bound_ms:,.1f} ms")
    return Check(condition.text, holds, "; ".join(found) or "nothing of that kind was measured")


def _value(condition: Condition, way: str, comparison: Comparison) -> float | None:
    result = _group(condition, comparison).phases[condition.phase]
    if condition.statistic == "difference":
        return result.difference.median if result.difference else None
    quantiles = result.inline if way == "inline" else result.s3
    return None if quantiles is None else float(getattr(quantiles, condition.statistic))


def _group(condition: Condition, comparison: Comparison) -> GroupResult:
    if condition.size_bytes is None:
        return comparison.everything
    for group in comparison.groups:
        if group.from_bytes <= condition.size_bytes <= group.to_bytes:
            return group
    known = ", ".join(group.label for group in comparison.groups)
    raise UsageError(
        f"--fail-if {condition.text!r}: no payload of {size_text(condition.size_bytes)} was tried, only {known}"
    )


class _Parser:
    """Recursive descent over one sentence, with the column of every word."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str, int]] = []
        self._next = 0
        place = 0
        while text[place:].strip():
            found = _TOKEN.match(text, place)
            if found is None:
                self._fail(place + len(text[place:]) - len(text[place:].lstrip()), "is not understood")
            kind = str(found.lastgroup)
            self._tokens.append((kind, found[kind].strip(), found.start(kind)))
            place = found.end()

    def condition(self) -> Condition:
        word = self._name(("worse", *WAYS, *PHASES))
        if word == "worse":
            self._end()
            return Condition(self._text, "worse")
        ways: tuple[str, ...] = WAYS
        phase = word
        if word in WAYS:
            ways = (word,)
            self._sign(".")
            phase = self._name(PHASES)
        self._sign(".")
        place = self._place()
        statistic = self._name(STATISTICS)
        if statistic == "difference":
            if word in WAYS:
                self._fail(place, "is of both ways: leave out the way")
            ways = ()
        elif phase == "upload" and word == "inline":
            self._fail(place, "cannot be: what goes inline is not uploaded")
        size = self._size() if self._at("@") else None
        comparison = self._sign(*OPERATORS)
        bound = self._bound()
        self._end()
        return Condition(self._text, phase, statistic, ways, size, comparison, bound)

    def _size(self) -> int:
        self._sign("@")
        kind, word, place = self._take("a size such as 64KB")
        size = parse_size(word) if kind == "number" else None
        if size is None:
            self._fail(place, "is not a size such as 64KB or 127,999")
        return size

    def _bound(self) -> Bound:
        kind, word, place = self._take("a duration such as 80ms, or baseline")
        if kind == "name" and word == "baseline":
            if self._at("*"):
                self._sign("*")
                return Bound(0.0, self._factor())
            if self._at("+"):
                self._sign("+")
                _, more, place = self._take("a duration such as 5ms")
                return Bound(self._duration(more, place), 1.0)
            return Bound(0.0, 1.0)
        return Bound(self._duration(word, place))

    def _duration(self, word: str, place: int) -> float:
        found = parse_duration(word.removeprefix("-"))
        if found is None:
            self._fail(place, "is not a duration with its unit, such as 80ms or 1.5s, nor baseline")
        return -found if word.startswith("-") else found

    def _factor(self) -> float:
        _, word, place = self._take("a factor such as 1.1")
        try:
            return float(word)
        except ValueError:
            self._fail(place, "is not a factor such as 1.1")

    def _name(self, known: Sequence[str]) -> str:
        _, word, place = self._take(f"one of {', '.join(known)}")
        if word not in known:
            self._fail(place, f"is not known here; {did_you_mean(word, tuple(known))}")
        return word

    def _sign(self, *signs: str) -> str:
        _, word, place = self._take(" or ".join(signs))
        if word not in signs:
            self._fail(place, f"should be {' or '.join(signs)}")
        return word

    def _at(self, sign: str) -> bool:
        return self._next < len(self._tokens) and self._tokens[self._next][1] == sign

    def _place(self) -> int:
        return self._tokens[self._next][2] if self._next < len(self._tokens) else len(self._text)

    def _take(self, expected: str) -> tuple[str, str, int]:
        if self._next >= len(self._tokens):
            self._fail(len(self._text), f"ends too early: {expected} is missing")
        self._next += 1
        return self._tokens[self._next - 1]

    def _end(self) -> None:
        if self._next < len(self._tokens):
            self._fail(self._tokens[self._next][2], "should not be here: the sentence has ended")

    def _fail(self, place: int, problem: str) -> NoReturn:
        rest = self._text[place:].split()
        word = f"{rest[0]!r} " if rest else ""
        raise UsageError(f"--fail-if {self._text!r}, column {place + 1}: {word}{problem}")
