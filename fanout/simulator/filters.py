"""Compiles an SNS subscription filter of scope MessageBody to nested predicates.

It takes a policy as JSON text and returns a `Filter`, which says whether a parsed message passes. Pure.
Operators: exact values, prefix, suffix, equals-ignore-case, anything-but, exists; nested keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson

from fanout.simulator.errors import ServiceError

Condition = Callable[[object], bool]


class _Absent:
    """Stands for a key that the message does not have."""


_ABSENT = _Absent()


@dataclass(frozen=True, slots=True)
class Filter:
    """All keys must match; of a list, one item."""

    leaves: tuple[tuple[str, Condition], ...]
    branches: tuple[tuple[str, Filter], ...]

    def passes(self, message: object) -> bool:
        """Whether a parsed message body passes; anything but an object fails."""
        if not isinstance(message, dict):
            return False
        for key, holds in self.leaves:
            value = message.get(key, _ABSENT)
            if not (any(map(holds, value)) if isinstance(value, list) else holds(value)):
                return False
        for key, branch in self.branches:  # noqa: SIM110 - a generator here costs as much as all the rest
            if not branch.passes(message.get(key)):
                return False
        return True


def compile_filter(policy: str) -> Filter | None:
    """Return the filter that `policy` describes, None for an empty one, which lets everything through.

    Raises:
        ServiceError: InvalidParameter when it is not a policy, or uses an operator that is not modelled.
    """
    try:
        document = orjson.loads(policy or "{}")
    except orjson.JSONDecodeError as error:
        raise _invalid(f"failed to parse JSON: {error}") from error
    if not isinstance(document, dict):
        raise _invalid("Filter policy must be an object")
    return _compile(document) if document else None


def _compile(document: Mapping[str, object]) -> Filter:
    leaves: list[tuple[str, Condition]] = []
    branches: list[tuple[str, Filter]] = []
    for key, rule in document.items():
        if isinstance(rule, dict):
            branches.append((key, _compile(rule)))
        elif isinstance(rule, list) and rule:
            leaves.append((key, _any_of([_condition(item) for item in rule])))
        else:
            raise _invalid(f'"{key}" must be an object or a non-empty array')
    return Filter(tuple(leaves), tuple(branches))


def _any_of(conditions: list[Condition]) -> Condition:
    if len(conditions) == 1:
        return conditions[0]
    return lambda value: any(condition(value) for condition in conditions)


def _condition(item: object) -> Condition:
    if not isinstance(item, dict):
        return _equals(item)
    if len(item) != 1:
        raise _invalid("an operator is an object with one key")
    [(operator, operand)] = item.items()
    make = _OPERATORS.get(operator)
    if make is None:
        raise _invalid(f'Unrecognized match type "{operator}"')
    return make(operand)


def _equals(expected: object) -> Condition:
    # JSON's true is not 1, although Python's is.
    return lambda value: type(value) is type(expected) and value == expected


def _prefix(operand: object) -> Condition:
    prefix = _text(operand)
    return lambda value: isinstance(value, str) and value.startswith(prefix)


def _suffix(operand: object) -> Condition:
    suffix = _text(operand)
    return lambda value: isinstance(value, str) and value.endswith(suffix)


def _ignore_case(operand: object) -> Condition:
    expected = _text(operand).casefold()
    return lambda value: isinstance(value, str) and value.casefold() == expected


def _anything_but(operand: object) -> Condition:
    refused = tuple(_condition(item) for item in (operand if isinstance(operand, list) else [operand]))
    return lambda value: value is not _ABSENT and not any(condition(value) for condition in refused)


def _exists(operand: object) -> Condition:
    if not isinstance(operand, bool):
        raise _invalid("exists must be a boolean")
    return lambda value: (value is not _ABSENT) is operand


_OPERATORS: Mapping[str, Callable[[object], Condition]] = {
    "prefix": _prefix,
    "suffix": _suffix,
    "equals-ignore-case": _ignore_case,
    "anything-but": _anything_but,
    "exists": _exists,
}


def _text(operand: object) -> str:
    if not isinstance(operand, str):
        raise _invalid("the operator takes a string")
    return operand


def _invalid(reason: str) -> ServiceError:
    return ServiceError(400, "InvalidParameter", f"Invalid parameter: FilterPolicy: {reason}")
