"""Lists the objects of a bucket, and deletes up to 1,000 of them in one call."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import unquote_plus
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from fanout.aws.http.channel import HttpChannel
from fanout.aws.http.reply_errors import unreadable
from fanout.aws.http.reply_parser import Answer
from fanout.aws.http.s3_call import call, document
from fanout.aws.s3_arguments import crc32
from fanout.domain.location import Location
from fanout.ports import ObjectInfo


async def list_page(
    channel: HttpChannel,
    bucket: str,
    prefix: str,
    *,
    token: str | None,
    headers: Mapping[str, str],
    timeout_s: float,
) -> tuple[Sequence[ObjectInfo], str | None]:
    """Return one page of a listing, and the token of the next, None behind the last.

    Raises:
        CallError: It failed, or a page that is not the last names no other next one: it would end early, or never.
    """
    query = {"list-type": "2", "prefix": prefix, "encoding-type": "url"}
    if token is not None:
        query["continuation-token"] = token
    answer = await call(channel, "GET", None, query=query, headers=headers, timeout_s=timeout_s)
    root = document(answer, "ListBucketResult")
    # Some servers do not know the parameter, and spell keys as they are.
    in_url = root.findtext("EncodingType") == "url"
    found = [_info(answer, bucket, entry, in_url=in_url) for entry in root.iter("Contents")]
    if root.findtext("IsTruncated") != "true":
        return found, None
    following = root.findtext("NextContinuationToken")
    if not following or following == token:
        raise unreadable(answer, "a truncated listing names no next page")
    return found, following


def _info(answer: Answer, bucket: str, entry: Element, *, in_url: bool) -> ObjectInfo:
    # An empty text is no number and no time: what is missing fails below.
    key, size, modified = (entry.findtext(name, "") for name in ("Key", "Size", "LastModified"))
    if not key:
        raise unreadable(answer, "an object without a key")
    try:
        return ObjectInfo(
            Location(bucket, unquote_plus(key) if in_url else key),
            int(size),
            datetime.fromisoformat(modified).timestamp(),
            entry.findtext("ETag") or "",
        )
    except ValueError as error:
        raise unreadable(answer, "an object without size or time") from error


async def delete_objects(
    channel: HttpChannel, locations: Sequence[Location], *, headers: Mapping[str, str], timeout_s: float
) -> Sequence[Location]:
    """Delete objects of one bucket; return those that S3 refused inside its 200.

    Raises:
        CallError: It failed as a whole.
    """
    # A carriage return would be read as a line feed.
    keys = (escape(location.key, {"\r": "&#13;"}) for location in locations)
    members = "".join(f"<Object><Key>{key}</Key></Object>" for key in keys)
    body = f"<Delete><Quiet>true</Quiet>{members}</Delete>".encode()
    answer = await call(
        channel,
        "POST",
        None,
        query={"delete": ""},
        headers={
            **headers,
            "x-amz-checksum-crc32": crc32(body),
            # What is compatible with S3 may know this one alone.
            "content-md5": base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode(),
        },
        body=body,
        timeout_s=timeout_s,
    )
    refused = {entry.findtext("Key") for entry in document(answer, "DeleteResult").iter("Error")}
    return [location for location in locations if location.key in refused]
