"""Answers the calls of an S3 upload in parts: create, upload a part, complete, abort, list the unfinished."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from fanout.simulator.errors import ServiceError
from fanout.simulator.http.checksums import content_of
from fanout.simulator.http.messages import Reply, Request
from fanout.simulator.http.replies import text, xml_reply
from fanout.simulator.http.s3_headers import kept_of
from fanout.simulator.http.s3_listing import NAMESPACE, list_limit
from fanout.simulator.http.s3_objects import (
    child_text,
    children,
    if_none_match,
    malformed,
    metadata_of,
    parse_xml,
)
from fanout.simulator.http.s3_target import Target
from fanout.simulator.objects import Objects
from fanout.simulator.timestamps import iso_ms


class Multipart:
    """The operations on uploads; `disabled_keys` are KMS keys that encrypt nothing any more."""

    def __init__(self, objects: Objects, *, disabled_keys: frozenset[str]) -> None:
        self._objects = objects
        self._disabled_keys = disabled_keys
        self.operations: dict[str, Callable[[Target, Request, float], Reply]] = {
            "CreateMultipartUpload": self._create,
            "UploadPart": self._part,
            "CompleteMultipartUpload": self._complete,
            "AbortMultipartUpload": self._abort,
            "ListMultipartUploads": self._list,
        }

    def _create(self, target: Target, request: Request, now: float) -> Reply:
        kept = kept_of(request, disabled_keys=self._disabled_keys)
        upload_id = self._objects.create_multipart(
            target.bucket,
            target.key,
            content_type=request.headers.get("content-type"),
            metadata=metadata_of(request),
            kept=kept,
            now=now,
        )
        algorithm = request.headers.get("x-amz-checksum-algorithm")
        confirmed = [] if algorithm is None else [("x-amz-checksum-algorithm", algorithm)]
        xml = (
            f"<InitiateMultipartUploadResult><Bucket>{text(target.bucket)}</Bucket><Key>{text(target.key)}</Key>"
            f"<UploadId>{upload_id}</UploadId></InitiateMultipartUploadResult>"
        )
        return xml_reply(200, xml, headers=(*confirmed, *kept.encryption))

    def _part(self, target: Target, request: Request, _now: float) -> Reply:
        body, checksums = content_of(request)
        number = target.parameters["partNumber"]
        etag = self._objects.upload_part(target.parameters["uploadId"], _number(number), body)
        return xml_reply(200, "", headers=(("ETag", etag), *checksums))

    def _complete(self, target: Target, request: Request, now: float) -> Reply:
        parts = [
            (_number(child_text(part, "PartNumber")), child_text(part, "ETag"))
            for part in children(parse_xml(request.body), "Part")
        ]
        if not parts:
            raise malformed()
        stored = self._objects.complete_multipart(
            target.parameters["uploadId"], parts, now=now, if_none_match=if_none_match(request)
        )
        location = f"http://{request.host}{request.path}"
        xml = (
            f"<CompleteMultipartUploadResult><Location>{text(location)}</Location><Bucket>{text(target.bucket)}</Bucket>"
            f"<Key>{text(target.key)}</Key><ETag>{text(stored.etag)}</ETag></CompleteMultipartUploadResult>"
        )
        return xml_reply(200, xml)

    def _abort(self, target: Target, _request: Request, _now: float) -> Reply:
        self._objects.abort_multipart(target.parameters["uploadId"])
        return xml_reply(204, "")

    def _list(self, target: Target, _request: Request, _now: float) -> Reply:
        asked = target.parameters
        prefix, in_url = asked.get("prefix", ""), asked.get("encoding-type") == "url"
        # S3 API reference: an upload-id-marker without a key-marker is ignored.
        behind = (
            (asked["key-marker"], asked.get("upload-id-marker", "")) if asked.get("key-marker") else ("", "")
        )
        most = list_limit(asked.get("max-uploads", ""), name="max-uploads")
        found, truncated = self._objects.uploads(target.bucket, prefix, behind=behind, most=most)

        def spell(value: str) -> str:
            return quote(value, safe="/") if in_url else text(value)

        uploads = "".join(
            f"<Upload><Key>{spell(key)}</Key><UploadId>{upload_id}</UploadId><Initiated>{iso_ms(began_at)}</Initiated>"
            "<StorageClass>STANDARD</StorageClass></Upload>"
            for key, upload_id, began_at in found
        )
        following = ""
        if truncated and found:
            last, upload_id, _ = found[-1]
            following = f"<NextKeyMarker>{spell(last)}</NextKeyMarker>"
            following += f"<NextUploadIdMarker>{upload_id}</NextUploadIdMarker>"
        encoding = "<EncodingType>url</EncodingType>" if in_url else ""
        return xml_reply(
            200,
            f'<ListMultipartUploadsResult xmlns="{NAMESPACE}"><Bucket>{text(target.bucket)}</Bucket>'
            f"<KeyMarker>{spell(behind[0])}</KeyMarker><UploadIdMarker>{text(behind[1])}</UploadIdMarker>{following}"
            f"<Prefix>{spell(prefix)}</Prefix>{encoding}<MaxUploads>{most}</MaxUploads>"
            f"<IsTruncated>{str(bool(following)).lower()}</IsTruncated>{uploads}</ListMultipartUploadsResult>",
        )


def _number(value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise ServiceError(
            400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive"
        )
    return int(value)
