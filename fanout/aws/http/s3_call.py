"""Makes those calls of S3 that are not made for each record: their query and headers are put together each time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import quote
from xml.etree.ElementTree import Element, ParseError, fromstring

from fanout.aws.http.channel import HttpChannel
from fanout.aws.http.reply_errors import refused, unreadable
from fanout.aws.http.reply_parser import Answer
from fanout.aws.http.sigv4 import UNSIGNED, Template

XML_CAP_BYTES = 8 * 1024 * 1024
"""A page of 1,000 keys of 1,024 bytes, each percent-encoded, has 3.5 MiB."""
_CONTROL = re.compile(rb"<!DOCTYPE|<!ENTITY", re.IGNORECASE)


async def call(
    channel: HttpChannel,
    method: str,
    key: str | None,
    *,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | memoryview = b"",
    timeout_s: float,
    cap_bytes: int = XML_CAP_BYTES,
) -> Answer:
    """Return the reply, a success.

    Args:
        channel: To the bucket.
        method: In capitals.
        key: The object's; None for a call of the bucket's.
        query: Parameters, not encoded.
        headers: Beside host, date, hash and credentials; names in lower case.
        body: What is sent.
        timeout_s: Bound of the call as a whole.
        cap_bytes: A reply with a larger body is a failure.

    Raises:
        CallError: It failed, or the reply is a refusal.
    """
    # As in the calls of each record: on https TLS and checksums protect a body, and hashing it again would cost
    # as much CPU as everything else.
    payload = UNSIGNED if channel.route.tls and body else sha256(body).hexdigest()
    template = Template(
        method,
        host=channel.route.host,
        path=None,
        headers={"x-amz-content-sha256": payload, **(headers or {})},
        unsigned={"user-agent": channel.route.user_agent},
        is_s3=True,
        has_query=query is not None,
        has_body=method in {"PUT", "POST"},
    )
    values = (path_of(channel, key), *(() if query is None else (_encoded(query),)))
    return await channel.send(
        template, values, payload=payload, body=body, timeout_s=timeout_s, cap_bytes=cap_bytes
    )


def path_of(channel: HttpChannel, key: str | None) -> str:
    """Return the path of an object, or of its bucket, as it is sent; the route was asked about the key `k`."""
    base = channel.route.path[:-1]
    return base + quote(key, safe="/~") if key is not None else base.rstrip("/") or "/"


def document(answer: Answer, name: str) -> Element:
    """Return the root of a reply's XML, in no namespace.

    Args:
        answer: A success.
        name: What the root must be called.

    Raises:
        CallError: It is an error inside a 200, or nothing that can be read.
    """
    root = None if _CONTROL.search(answer.body) else _parsed(answer.body)
    if root is not None and root.tag == "Error":
        raise refused(answer, root.findtext("Code") or "", root.findtext("Message") or "")
    if root is None or root.tag != name:
        raise unreadable(answer, f"the reply's body is no {name}")
    return root


def _parsed(body: bytes) -> Element | None:
    try:
        # White space keeps a connection alive while S3 completes an upload, and no declaration may stand behind it.
        root = fromstring(body.lstrip())  # noqa: S314 - entities need a DOCTYPE, which was refused
    except ParseError:
        return None
    for element in root.iter():  # S3 and what is compatible with it spell the namespace in three ways
        element.tag = element.tag.rpartition("}")[2]
    return root


def _encoded(query: Mapping[str, str]) -> str:
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query.items())
    return "&".join(f"{name}={value}" for name, value in pairs)
