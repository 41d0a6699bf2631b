"""Answers S3's calls on objects: put, get with ranges and conditions, head, delete one or many."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache

from fanout.simulator.authorization import Right
from fanout.simulator.errors import ServiceError
from fanout.simulator.http.checksums import content_of
from fanout.simulator.http.messages import Header, Reply, Request, Wire
from fanout.simulator.http.replies import text, xml_reply
from fanout.simulator.http.s3_headers import kept_of, told_of
from fanout.simulator.http.s3_rights import object_arn
from fanout.simulator.http.s3_target import Target
from fanout.simulator.objects import MAX_KEYS, Flaw, Objects, StoredObject, precondition_failed

_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
_META = "x-amz-meta-"
_MAX_META_BYTES = 2_048  # S3 user guide: user-defined metadata, names and values in UTF-8
_MAX_XML_BYTES = 2 << 20  # S3 API reference: 1,000 keys of 1,024 bytes, and their tags


class ObjectCalls:
    """The operations on objects.

    Args:
        objects: The store.
        truncates: Decides for each GET whether its body ends early by a fault.
        disabled_keys: KMS keys that encrypt nothing any more.
        allows: Decides for each key of a DeleteObjects, which S3 refuses one by one.
    """

    def __init__(
        self,
        objects: Objects,
        *,
        truncates: Callable[[], bool],
        disabled_keys: frozenset[str],
        allows: Callable[[Right], bool],
    ) -> None:
        self._objects = objects
        self._disabled_keys = disabled_keys
        self._truncates = truncates
        self._allows = allows
        self.operations: dict[str, Callable[[Target, Request, float], Reply]] = {
            "PutObject": self._put,
            "GetObjectTagging": self._tagging,
            "GetObject": self._get,
            "HeadObject": self._head,
            "DeleteObject": self._delete,
            "DeleteObjects": self._delete_many,
        }

    def _put(self, target: Target, request: Request, now: float) -> Reply:
        body, checksums = content_of(request)
        kept = kept_of(request, disabled_keys=self._disabled_keys)
        stored = self._objects.put(
            target.bucket,
            target.key,
            body,
            content_type=request.headers.get("content-type"),
            now=now,
            metadata=metadata_of(request),
            if_match=request.headers.get("if-match"),
            if_none_match=if_none_match(request),
            kept=kept,
        )
        return xml_reply(200, "", headers=(("ETag", stored.etag), *checksums, *kept.encryption))

    def _tagging(self, target: Target, _request: Request, _now: float) -> Reply:
        tags = self._objects.get(target.bucket, target.key).kept.tags
        members = "".join(
            f"<Tag><Key>{text(key)}</Key><Value>{text(value)}</Value></Tag>" for key, value in tags
        )
        return xml_reply(200, f"<Tagging><TagSet>{members}</TagSet></Tagging>")

    def _get(self, target: Target, request: Request, _now: float) -> Reply:
        stored = self._objects.get(target.bucket, target.key)
        reply = _reply(stored, request)
        if self._truncates() or stored.flaw is Flaw.CUT_OFF:
            reply.wire = Wire.TRUNCATE
        return reply

    def _head(self, target: Target, request: Request, _now: float) -> Reply:
        return _reply(self._objects.head(target.bucket, target.key), request)

    def _delete(self, target: Target, _request: Request, _now: float) -> Reply:
        self._objects.delete(target.bucket, target.key)
        return xml_reply(204, "")

    def _delete_many(self, target: Target, request: Request, _now: float) -> Reply:
        body, checksums = content_of(request)
        if "content-md5" not in request.headers and not checksums:
            raise ServiceError(400, "InvalidRequest", "Missing required header for this request: Content-MD5")
        document = parse_xml(body)
        keys = [child_text(item, "Key") for item in children(document, "Object")]
        if not 1 <= len(keys) <= MAX_KEYS:
            raise malformed()
        members: list[str] = []
        refused: list[str] = []
        for key in keys:
            if not self._allows(Right("s3:DeleteObject", object_arn(target.bucket, key))):
                refused.append(
                    f"<Error><Key>{text(key)}</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
                )
                continue
            self._objects.delete(target.bucket, key)
            members.append(f"<Deleted><Key>{text(key)}</Key></Deleted>")
        quiet = child_text(document, "Quiet").lower() == "true"
        told = "".join(refused if quiet else (*members, *refused))
        return xml_reply(200, f"<DeleteResult>{told}</DeleteResult>")


def if_none_match(request: Request) -> bool:
    """Whether the write must fail if the key exists.

    Raises:
        ServiceError: NotImplemented for anything but `*`, as S3 says.
    """
    condition = request.headers.get("if-none-match")
    if condition not in {None, "*"}:
        raise ServiceError(501, "NotImplemented", "If-None-Match accepts only * on a write.")
    return condition is not None


def metadata_of(request: Request) -> tuple[tuple[str, str], ...]:
    """Return the user's metadata.

    Raises:
        ServiceError: MetadataTooLarge.
    """
    pairs = tuple(
        (name.removeprefix(_META), value) for name, value in request.headers.items() if name.startswith(_META)
    )
    if sum(len(name) + len(value.encode()) for name, value in pairs) > _MAX_META_BYTES:
        raise ServiceError(
            400, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size"
        )
    return pairs


def malformed() -> ServiceError:
    """Return S3's answer to a document that it does not understand."""
    message = "The XML you provided was not well-formed or did not validate against our published schema"
    return ServiceError(400, "MalformedXML", message)


def parse_xml(body: bytes) -> ET.Element:
    """Return the root of a request's document.

    Raises:
        ServiceError: MalformedXML.
    """
    if len(body) > _MAX_XML_BYTES or b"<!DOCTYPE" in body:
        raise malformed()
    try:
        return ET.fromstring(body)  # noqa: S314 - entities need a DOCTYPE, which was refused above
    except ET.ParseError as error:
        raise malformed() from error


def children(element: ET.Element, name: str) -> list[ET.Element]:
    """Return the children of that name, in whatever namespace the client chose."""
    return [child for child in element if child.tag.rpartition("}")[2] == name]


def child_text(element: ET.Element, name: str) -> str:
    """Return the text of the first child of that name, empty without one."""
    return next((child.text or "" for child in children(element, name)), "")


def _reply(stored: StoredObject, request: Request) -> Reply:
    """Return the object, or the range of it that is asked for.

    Raises:
        ServiceError: A condition does not hold; the range begins behind the end.
    """
    headers = request.headers
    if headers.get("if-match", stored.etag) not in {stored.etag, stored.etag.strip('"'), "*"}:
        raise precondition_failed()
    described = _described(stored)
    if headers.get("if-none-match") in {stored.etag, "*"}:
        return xml_reply(304, "", headers=described)
    span = _span(headers.get("range", ""), len(stored.body))
    if span is None:
        reply = xml_reply(200, "", headers=described)
        reply.body = stored.body
    else:
        start, end = span
        content_range = ("Content-Range", f"bytes {start}-{end - 1}/{len(stored.body)}")
        reply = xml_reply(206, "", headers=(*described, content_range))
        reply.body = stored.body[start:end]
    return reply


def _described(stored: StoredObject) -> tuple[Header, ...]:
    return (
        ("ETag", stored.etag),
        ("Last-Modified", _http_date(int(stored.modified_at))),
        ("Content-Type", stored.content_type or "binary/octet-stream"),
        ("Accept-Ranges", "bytes"),
        *((_META + name, value) for name, value in stored.metadata),
        *told_of(stored.kept),
    )


def _span(header: str, size: int) -> tuple[int, int] | None:
    """Return the half-open range that is asked for, None for the whole; a malformed header is ignored, as S3 does.

    Raises:
        ServiceError: InvalidRange when it begins behind the end.
    """
    match = _RANGE.fullmatch(header)
    if match is None or header == "bytes=-":
        return None
    first, last = match[1], match[2]
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= size:
        raise ServiceError(416, "InvalidRange", "The requested range is not satisfiable")
    return start, end


@lru_cache(maxsize=256)
def _http_date(second: int) -> str:
    return formatdate(second, usegmt=True)
