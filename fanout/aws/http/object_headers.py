"""Makes the headers of requests for objects, and reads those of their replies."""

from __future__ import annotations

from collections.abc import Mapping

from fanout.aws.errors import http_date
from fanout.aws.http.channel import HttpChannel
from fanout.aws.http.reply_errors import header, unreadable
from fanout.aws.http.reply_parser import Answer
from fanout.aws.http.sigv4 import Template
from fanout.aws.s3_arguments import tagging

HASH, CRC32, TYPE = "x-amz-content-sha256", "x-amz-checksum-crc32", "content-type"
_META = "x-amz-meta-"


def to_template(channel: HttpChannel, kind: str, *, headers: Mapping[str, str], typed: bool) -> Template:
    """Return a kind of request to a bucket.

    Args:
        channel: To the bucket.
        kind: `GET`, `HEAD`, `PUT` or `PUT part`.
        headers: Constant headers.
        typed: Whether a Content-Type is given.
    """
    has_body = kind.startswith("PUT")
    varying = (*((TYPE,) if typed else ()), *((CRC32, HASH) if has_body else ()))
    return Template(
        kind[:4].strip(),
        host=channel.route.host,
        path=None,
        headers=headers,
        varying=varying,
        unsigned={"user-agent": channel.route.user_agent},
        is_s3=True,
        has_query=kind == "PUT part",
        has_body=has_body,
    )


def noted(metadata: Mapping[str, str] | None, tags: Mapping[str, str] | None) -> dict[str, str]:
    """Return the headers that store an object with metadata and tags."""
    tagged = {"x-amz-tagging": tagging(tags)} if tags else {}
    return {_META + name: value for name, value in (metadata or {}).items()} | tagged


def metadata_of(answer: Answer) -> dict[str, str]:
    """Return the metadata that an object was stored with."""
    return {
        name.decode("latin-1").removeprefix(_META): value.decode("utf-8", "replace")
        for name, value in answer.headers.items()
        if name.startswith(_META.encode())
    }


def conditions(if_match: str | None, if_none_match: str | None) -> dict[str, str]:
    """Return the headers of a request that is made only if the object is, or is not, as said."""
    told = {"if-match": if_match, "if-none-match": if_none_match}
    return {name: value for name, value in told.items() if value is not None}


def modified_at(answer: Answer) -> float:
    """Return when the object was stored, in seconds since the epoch.

    Raises:
        CallError: The reply does not say.
    """
    instant = http_date(header(answer, b"last-modified") or "")
    if instant is None:
        raise unreadable(answer, "the reply has no readable Last-Modified")
    return instant
