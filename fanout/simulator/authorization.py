"""Decides by an IAM policy document what the caller may do: nothing that no statement allows; pure.

It knows what documents of one caller have: Allow and Deny, wildcards, the escapes of wildcards, conditions on texts.
Whatever else a document says is refused, as it would be read wrongly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

_SID = re.compile(r"[0-9A-Za-z]*", re.ASCII)  # IAM reference, "Sid"
_ACTION = re.compile(r"\*|[A-Za-z0-9-]+:[A-Za-z*?]+", re.ASCII)
_TOKEN = re.compile(r"\$\{(?P<escaped>[*?$])\}|\$\{(?P<variable>[^}]*)\}|(?P<wild>[*?])")
_VERSION = "2012-10-17"
_MEMBERS = frozenset({"Sid", "Effect", "Action", "Resource", "Condition"})


class Right(NamedTuple):
    """What a call needs.

    Attributes:
        action: `s3:GetObject`.
        resource: ARN of what it is done to, `*` for what has none.
        context: What conditions may ask about: `{"s3:prefix": ("a/",)}`.
    """

    action: str
    resource: str
    context: Mapping[str, Sequence[str]] = {}


@dataclass(frozen=True, slots=True)
class _Statement:
    allows: bool
    actions: tuple[re.Pattern[str], ...]
    resources: tuple[re.Pattern[str], ...]
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]

    def applies(self, right: Right) -> bool:
        return (
            any(action.fullmatch(right.action) for action in self.actions)
            and any(resource.fullmatch(right.resource) for resource in self.resources)
            and all(
                _holds(right.context.get(key, ()), operator, wanted)
                for operator, key, wanted in self.conditions
            )
        )


class Authorization:
    """The rights of the one caller.

    Args:
        document: A policy document.

    Attributes:
        used: Actions that were needed and allowed.

    Raises:
        ValueError: It is none, or says what is not understood here.
    """

    def __init__(self, document: Mapping[str, object]) -> None:
        if document.get("Version") != _VERSION or document.keys() - {"Version", "Id", "Statement"}:
            raise ValueError(f'is no policy document of version "{_VERSION}"')
        self._statements = [_parse(each) for each in _listed(document.get("Statement"))]
        sids = [sid for each in _listed(document.get("Statement")) if (sid := _sid(each))]
        if len(sids) != len(set(sids)):
            raise ValueError("two statements have the same Sid")
        self.used: set[str] = set()

    def allows(self, right: Right) -> bool:
        """Whether the caller has a right: a statement allows it, and none denies it."""
        applying = [statement.allows for statement in self._statements if statement.applies(right)]
        allowed = bool(applying) and all(applying)
        if allowed:
            self.used.add(right.action)
        return allowed

    def missing(self, rights: Iterable[Right]) -> Right | None:
        """Return the first of `rights` that the caller has not, None if it has all."""
        return next((right for right in rights if not self.allows(right)), None)


def _sid(statement: object) -> object:
    return statement.get("Sid") if isinstance(statement, Mapping) else None


def _parse(statement: object) -> _Statement:
    if not isinstance(statement, Mapping) or statement.keys() - _MEMBERS:
        raise ValueError(f"a statement has {', '.join(sorted(_MEMBERS))} here, and nothing else")
    sid, effect = statement.get("Sid", ""), statement.get("Effect")
    if not isinstance(sid, str) or not _SID.fullmatch(sid):
        raise ValueError(f"Sid {sid!r}: has letters and digits alone")
    if effect not in {"Allow", "Deny"}:
        raise ValueError(f"Effect {effect!r}: is Allow or Deny")
    actions, resources = _texts(statement.get("Action")), _texts(statement.get("Resource"))
    wrong = [action for action in actions if not _ACTION.fullmatch(action)]
    wrong += [arn for arn in resources if arn != "*" and not arn.startswith("arn:")]
    if wrong or not actions or not resources:
        raise ValueError(f"{sid}: names no action and no resource, or wrongly: {wrong}")
    return _Statement(
        effect == "Allow",
        tuple(_pattern(action, re.IGNORECASE) for action in actions),
        tuple(_pattern(arn) for arn in resources),
        tuple(_conditions(statement.get("Condition"))),
    )


def _conditions(condition: object) -> Iterable[tuple[str, str, tuple[str, ...]]]:
    if condition is None:
        return
    if not isinstance(condition, Mapping):
        raise ValueError("Condition is an object")  # noqa: TRY004 - pydantic reports ValueErrors
    for operator, tests in condition.items():
        if operator not in _OPERATORS or not isinstance(tests, Mapping):
            raise ValueError(f"Condition {operator}: is not simulated; {', '.join(_OPERATORS)} are")
        for key, values in tests.items():
            yield operator, key, tuple(_texts(values))


def _holds(found: Sequence[str], operator: str, wanted: Sequence[str]) -> bool:
    """Whether a condition holds; one on a key that the call has not does not."""
    return any(_OPERATORS[operator](text, value) for text in found for value in wanted)


def _is_like(text: str, pattern: str) -> bool:
    return _pattern(pattern).fullmatch(text) is not None


_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "StringLike": _is_like,
    "StringEquals": str.__eq__,
    "ForAnyValue:StringEquals": str.__eq__,
    "ForAnyValue:StringLike": _is_like,
}


@lru_cache(maxsize=1024)
def _pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """Return what a text with wildcards matches: `*` spans colons and slashes, too; `${*}` is a star.

    Raises:
        ValueError: It holds a variable.
    """
    parts: list[str] = []
    position = 0
    for token in _TOKEN.finditer(text):
        parts.append(re.escape(text[position : token.start()]))
        if token["variable"] is not None:
            raise ValueError(f"{token[0]}: variables of policies are not simulated")
        parts.append(
            re.escape(token["escaped"]) if token["escaped"] else {"*": ".*", "?": "."}[token["wild"]]
        )
        position = token.end()
    parts.append(re.escape(text[position:]))
    return re.compile("".join(parts), flags | re.DOTALL)


def _texts(value: object) -> list[str]:
    found = _listed(value)
    if not all(isinstance(each, str) for each in found):
        raise ValueError(f"{value!r}: is no text and no list of texts")
    return [str(each) for each in found]


def _listed(value: object) -> list[object]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
