"""Decides by a queue's policy (JSON text) whether a topic may send to the queue; pure.

It knows what SNS needs of a policy, and nothing else: a test on a key that it does not know never holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

import orjson

_LIKE = frozenset({"arnlike", "arnequals", "stringlike"})  # IAM reference: ArnEquals takes wildcards as well
_EQUAL = frozenset({"stringequals"})


def allows_topic(policy: str, topic_arn: str) -> bool:
    """Whether `policy` lets `sns.amazonaws.com` send messages for `topic_arn`; nothing is allowed without one."""
    try:
        document = orjson.loads(policy)
    except orjson.JSONDecodeError:
        return False
    matching = [
        statement.get("Effect")
        for statement in _listed(document.get("Statement"))
        if isinstance(statement, Mapping) and _applies(statement, topic_arn)
    ]
    return "Allow" in matching and "Deny" not in matching


def _applies(statement: Mapping[str, object], topic_arn: str) -> bool:
    return (
        any(_is_sns(principal) for principal in _listed(statement.get("Principal")))
        and any(
            fnmatchcase("sqs:sendmessage", str(action).lower()) for action in _listed(statement.get("Action"))
        )
        and _condition_holds(statement.get("Condition"), topic_arn)
    )


def _is_sns(principal: object) -> bool:
    if isinstance(principal, Mapping):
        services = _listed(principal.get("Service"))
        return "sns.amazonaws.com" in services or "*" in _listed(principal.get("AWS"))
    return principal == "*"


def _condition_holds(condition: object, topic_arn: str) -> bool:
    """Whether every test on `aws:SourceArn` and `aws:SourceAccount` holds; a test on any other key never does."""
    if not isinstance(condition, Mapping):
        return condition is None
    told = {"aws:sourcearn": topic_arn, "aws:sourceaccount": f"{topic_arn}::::".split(":")[4]}
    return all(
        key.lower() in told and _compare(operator.lower(), _listed(values), told[key.lower()])
        for operator, tests in condition.items()
        for key, values in tests.items()
    )


def _compare(operator: str, values: Iterable[object], told: str) -> bool:
    if operator in _LIKE:
        return any(fnmatchcase(told, str(value)) for value in values)
    return operator in _EQUAL and told in values


def _listed(value: object) -> list[object]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
