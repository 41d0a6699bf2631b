"""Writes calls in AWS's query protocol, a form, and reads its XML replies; pure. SNS, STS and CloudWatch speak it.

CloudWatch has JSON and CBOR, too, but the query protocol is the one that it has had everywhere from the start.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from fanout.aws.http.reply_errors import unreadable
from fanout.aws.http.reply_parser import Answer

VERSIONS = {"sns": "2010-03-31", "cloudwatch": "2010-08-01", "sts": "2011-06-15"}
_TEXT = re.compile(rb"<(\w+)>([^<]+)</\1>")
_MEMBER = re.compile(rb"<member>(.*?)</member>", re.DOTALL)


def form(service: str, action: str, parameters: Mapping[str, Any]) -> bytes:
    """Return a call's body: names and values, maps (`a.entry.1.key`) and lists (`a.member.1`) of them."""
    fields = {"Action": action, "Version": VERSIONS[service]}
    for name, value in parameters.items():
        fields |= _fields(name, value)
    return urlencode(fields).encode()


def _fields(name: str, value: object) -> Iterator[tuple[str, str]]:
    """Yield the fields of one parameter."""
    if isinstance(value, Mapping):
        for number, (key, inner) in enumerate(value.items(), start=1):
            yield f"{name}.entry.{number}.key", key
            yield f"{name}.entry.{number}.value", inner
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for number, member in enumerate(value, start=1):
            place = f"{name}.member.{number}"
            if isinstance(member, Mapping):
                yield from ((f"{place}.{key}", inner) for key, inner in member.items())
            else:
                yield place, member
    elif isinstance(value, bool):
        yield name, str(value).lower()
    elif isinstance(value, datetime):
        yield name, value.isoformat().replace("+00:00", "Z")
    else:
        yield name, str(value)


def elements(answer: Answer, action: str) -> dict[str, Any]:
    """Return the texts of a successful reply, by the names of their elements.

    Raises:
        CallError: It is no reply to `action`.
    """
    if f"<{action}Response".encode() not in answer.body:
        raise unreadable(answer, f"the reply's body is no {action}Response")
    return _texts(answer.body)


def statistics(answer: Answer, action: str) -> dict[str, Any]:
    """Return a reply of GetMetricStatistics, as aiobotocore does.

    Raises:
        CallError: It is none, or holds what is no time or no number.
    """
    label = elements(answer, action).get("Label")
    try:
        points = [_point(_texts(member)) for member in _MEMBER.findall(answer.body)]
    except ValueError as error:
        raise unreadable(answer, f"a data point of the reply cannot be read: {error}") from error
    return ({} if label is None else {"Label": label}) | {"Datapoints": points}


def _point(texts: Mapping[str, str]) -> dict[str, Any]:
    point: dict[str, Any] = {}
    for name, text in texts.items():
        if name == "Timestamp":
            point[name] = datetime.fromisoformat(text)
        else:
            point[name] = text if name == "Unit" else float(text)
    return point


def _texts(xml: bytes) -> dict[str, str]:
    return {
        name.decode(): html.unescape(text.decode("utf-8", "replace")) for name, text in _TEXT.findall(xml)
    }
