"""Parses `--fail-if`, a condition on the result that makes the command exit with 3, before anything is sent.

`[inline.|s3.]PHASE.(p50|p90|p99|p99.9|max)[@SIZE] OP BOUND` (without a transport: either), `PHASE.difference[@SIZE] OP
BOUND` (S3 minus inline, the median), `[inline.|s3.]failures OP (5%|10)`, or `worse` (a total got slower than the
baseline's, beyond chance). OP is > >= < <=; BOUND is `80ms`, `1.5s`, `-2ms`, `baseline`, `baseline + 5ms`, `- 5ms` or
`* 1.1`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from fanout.analysis.pairs import PHASES
from fanout.analysis.units import parse_count, parse_duration, parse_share, parse_size
from fanout.errors import UsageError
from fanout.text import did_you_mean

WAYS = ("inline", "s3", "existing")
RETRY = "retry"
"""The phase of rows that took several requests; an experiment has none."""
STATISTICS = {
    "p50": "p50",
    "p90": "p90",
    "p99": "p99",
    "p99.9": "p999",
    "max": "max",
    "difference": "difference",
}
"""By the name in a condition, the name in `quantiles.Quantiles`."""
OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
FAILURES, WORSE = "failures", "worse"
_TOKEN = re.compile(
    r"\s*(?:(?P<number>-?(?:\d[\d_,.]*|\.\d+)\s*(?:%|[A-Za-z\N{MICRO SIGN}]*))|(?P<name>p\d+\.\d+|[A-Za-z]\w*)"
    r"|(?P<sign>[<>]=?|[.@+*-]))"
)


@dataclass(frozen=True, slots=True)
class Bound:
    """What is compared with: `factor` times the baseline plus `plus_ms`; factor 0 for a plain duration.

    Attributes:
        share: A share of the requests, for a condition on failures that names none of their number.
        count: A number of requests.
    """

    plus_ms: float = 0.0
    factor: float = 0.0
    share: float | None = None
    count: float | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed sentence; `phase` is `worse` for the one without a comparison, or `failures`."""

    text: str
    phase: str
    statistic: str = ""
    ways: tuple[str, ...] = ()
    size_bytes: int | None = None
    operator: str = ""
    bound: Bound = Bound()

    @property
    def needs_baseline(self) -> bool:
        """Whether it speaks of an earlier experiment."""
        return self.phase == WORSE or self.bound.factor != 0.0


def parse_condition(text: str) -> Condition:
    """Return what `text` says.

    Raises:
        UsageError: It is no condition; the message names the place and what could stand there.
    """
    return _Parser(text).condition()


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
        word = self._name((WORSE, FAILURES, *WAYS, *PHASES, RETRY))
        if word == WORSE:
            self._end()
            return Condition(self._text, WORSE)
        ways: tuple[str, ...] = WAYS
        phase = word
        if word in WAYS:
            ways = (word,)
            self._sign(".")
            phase = self._name((FAILURES, *PHASES, RETRY))
        if phase == FAILURES:
            comparison, bound = self._sign(*OPERATORS), self._requests()
            self._end()
            return Condition(self._text, FAILURES, ways=ways, operator=comparison, bound=bound)
        self._sign(".")
        place = self._place()
        statistic = self._name(tuple(STATISTICS))
        if statistic == "difference":
            if word in WAYS:
                self._fail(place, "compares both transports: leave out the transport")
            ways = ()
        elif phase == "upload" and word == "inline":
            self._fail(place, "cannot be measured: an inline payload is not uploaded")
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

    def _requests(self) -> Bound:
        _, word, place = self._take("a share such as 5%, or a number of requests")
        share, count = parse_share(word), parse_count(word)
        if (share is None and count is None) or (share or 0.0) > 1:
            self._fail(place, "is neither a share of the requests, such as 5%, nor a number of them")
        return Bound(share=share, count=count)

    def _bound(self) -> Bound:
        kind, word, place = self._take("a duration such as 80ms, or baseline")
        if kind != "name" or word != "baseline":
            return Bound(self._duration(word, place))
        if self._next == len(self._tokens):
            return Bound(factor=1.0)
        kind, word, _ = self._tokens[self._next]
        # `-5ms` is one word, `- 5ms` are two.
        negative = kind == "number" and word.startswith("-")
        sign = "-" if negative else self._sign("+", "-", "*")
        if sign == "*":
            return Bound(factor=self._factor())
        _, more, place = self._take("a duration such as 5ms, or a share such as 10%")
        share = parse_share(more.removeprefix("-"))
        if share is not None:
            return Bound(factor=1.0 - share if sign == "-" else 1.0 + share)
        plus_ms = self._duration(more.removeprefix("-"), place)
        return Bound(-plus_ms if sign == "-" else plus_ms, 1.0)

    def _duration(self, word: str, place: int) -> float:
        found = parse_duration(word.removeprefix("-"))
        if found is None:
            self._fail(place, "is not a duration with its unit, such as 80ms or 1.5s, nor baseline")
        return -found if word.startswith("-") else found

    def _factor(self) -> float:
        _, word, place = self._take("a factor such as 1.1 or 110%")
        found = parse_count(word)
        if found is None:
            found = parse_share(word)
        if found is None:
            self._fail(place, "is not a factor such as 1.1 or 110%")
        return found

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
            self._fail(self._tokens[self._next][2], "should not be here: the condition is complete before it")

    def _fail(self, place: int, problem: str) -> NoReturn:
        rest = self._text[place:].split()
        word = f"{rest[0]!r} " if rest else ""
        raise UsageError(f"--fail-if {self._text!r}, column {place + 1}: {word}{problem}")
