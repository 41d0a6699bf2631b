"""Answers ListObjectsV2 with a page of keys as XML, rolled up at a delimiter if one is given."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from urllib.parse import quote

from fanout.simulator.errors import ServiceError
from fanout.simulator.http.messages import Reply
from fanout.simulator.http.replies import text, xml_reply
from fanout.simulator.http.s3_target import Target
from fanout.simulator.objects import MAX_KEYS, Objects, StoredObject
from fanout.simulator.timestamps import iso_ms

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_LAST = "\U0010ffff"  # sorts behind every key that has the same beginning


@dataclass(slots=True)
class Page:
    """One page: objects and rolled-up prefixes, together at most `max-keys`.

    Attributes:
        position: The key behind which the next page begins; None if there is none.
    """

    contents: list[tuple[str, StoredObject]] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    position: str | None = None

    def __len__(self) -> int:
        return len(self.contents) + len(self.prefixes)


def page_of(
    objects: Objects, bucket: str, *, prefix: str, delimiter: str, start_after: str, max_keys: int
) -> Page:
    """Return the page of keys below `prefix` and behind `start_after`.

    Raises:
        ServiceError: NoSuchBucket.
    """
    page = Page()
    position = start_after
    while True:
        listing = objects.list(bucket, prefix, start_after=position, max_keys=MAX_KEYS)
        for key, stored in listing.entries:
            if key <= position:
                continue  # rolled up into the prefix that was just counted
            if len(page) >= max_keys:
                page.position = position if max_keys else None
                return page
            head, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            if found:
                rolled = prefix + head + delimiter
                page.prefixes.append(rolled)
                position = rolled + _LAST
            else:
                page.contents.append((key, stored))
                position = key
        if not listing.truncated:
            return page


def list_objects(objects: Objects, target: Target) -> Reply:
    """Return the reply to a ListObjectsV2.

    Raises:
        ServiceError: NoSuchBucket; InvalidArgument.
    """
    asked = target.parameters
    prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter", "")
    token, start_after = asked.get("continuation-token"), asked.get("start-after", "")
    max_keys = list_limit(asked.get("max-keys", ""), name="max-keys")
    page = page_of(
        objects,
        target.bucket,
        prefix=prefix,
        delimiter=delimiter,
        start_after=start_after if token is None else _from_token(token),
        max_keys=max_keys,
    )
    in_url = asked.get("encoding-type") == "url"

    def spell(value: str) -> str:
        return quote(value, safe="/") if in_url else text(value)

    echoed = {
        "Name": text(target.bucket),
        "Prefix": spell(prefix),
        "Delimiter": spell(delimiter),
        "StartAfter": spell(start_after),
        "ContinuationToken": text(token or ""),
        "NextContinuationToken": "" if page.position is None else _to_token(page.position),
        "EncodingType": "url" if in_url else "",
    }
    head = "".join(f"<{name}>{value}</{name}>" for name, value in echoed.items() if value or name == "Prefix")
    counts = f"<MaxKeys>{max_keys}</MaxKeys><KeyCount>{len(page)}</KeyCount>"
    truncated = f"<IsTruncated>{'false' if page.position is None else 'true'}</IsTruncated>"
    contents = "".join(
        f"<Contents><Key>{spell(key)}</Key><LastModified>{iso_ms(stored.modified_at)}</LastModified>"
        f"<ETag>{text(stored.etag)}</ETag><Size>{len(stored.body)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for key, stored in page.contents
    )
    prefixes = "".join(
        f"<CommonPrefixes><Prefix>{spell(name)}</Prefix></CommonPrefixes>" for name in page.prefixes
    )
    xml = f'<ListBucketResult xmlns="{NAMESPACE}">{head}{counts}{truncated}{contents}{prefixes}</ListBucketResult>'
    return xml_reply(200, xml)


def list_limit(value: str, *, name: str) -> int:
    """Return how many entries a page has at most, as the parameter `name` asks for.

    Raises:
        ServiceError: InvalidArgument.
    """
    if not value:
        return MAX_KEYS
    if not value.isascii() or not value.isdigit() or len(value) > 10:
        raise ServiceError(400, "InvalidArgument", f"Provided {name} not an integer or within integer range")
    return min(int(value), MAX_KEYS)


def _to_token(position: str) -> str:
    return urlsafe_b64encode(position.encode()).decode()


def _from_token(token: str) -> str:
    try:
        return urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, UnicodeError) as error:
        raise ServiceError(400, "InvalidArgument", "The continuation token provided is incorrect") from error
