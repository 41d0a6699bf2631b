"""Reads the bucket, the key and the operation of an S3 request from its Host, path and query.

It knows path style and virtual-hosted style. Pure. A subresource that is not simulated is an error, never mistaken
for the plain operation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fanout.simulator.errors import ServiceError
from fanout.simulator.http.messages import Request, decode_path

_VIRTUAL = re.compile(r"(?P<bucket>[a-z0-9][a-z0-9.-]*?)\.(?:s3[.-].*|localhost)(?::\d+)?")
_IGNORED = frozenset({"x-id"})  # some SDKs name the operation in the query, for logs

# method, is there a key, the parameters that choose the operation (others may be there, see _REFINEMENTS)
_OPERATIONS: dict[tuple[str, str, frozenset[str]], str] = {
    ("GET", "account", frozenset()): "ListBuckets",
    ("PUT", "bucket", frozenset()): "CreateBucket",
    ("HEAD", "bucket", frozenset()): "HeadBucket",
    ("GET", "bucket", frozenset({"location"})): "GetBucketLocation",
    ("GET", "bucket", frozenset({"list-type"})): "ListObjectsV2",
    ("GET", "bucket", frozenset({"uploads"})): "ListMultipartUploads",
    ("POST", "bucket", frozenset({"delete"})): "DeleteObjects",
    ("PUT", "object", frozenset()): "PutObject",
    ("GET", "object", frozenset()): "GetObject",
    ("GET", "object", frozenset({"tagging"})): "GetObjectTagging",
    ("HEAD", "object", frozenset()): "HeadObject",
    ("DELETE", "object", frozenset()): "DeleteObject",
    ("POST", "object", frozenset({"uploads"})): "CreateMultipartUpload",
    ("PUT", "object", frozenset({"partNumber", "uploadId"})): "UploadPart",
    ("POST", "object", frozenset({"uploadId"})): "CompleteMultipartUpload",
    ("DELETE", "object", frozenset({"uploadId"})): "AbortMultipartUpload",
}
_REFINEMENTS = {
    "ListObjectsV2": frozenset(
        {
            "prefix",
            "delimiter",
            "start-after",
            "continuation-token",
            "max-keys",
            "encoding-type",
            "fetch-owner",
        }
    ),
    "ListMultipartUploads": frozenset(
        {"prefix", "key-marker", "upload-id-marker", "max-uploads", "encoding-type"}
    ),
    "ListBuckets": frozenset({"prefix", "max-buckets", "bucket-region", "continuation-token"}),
}
_CHOOSING = frozenset().union(*(parameters for _, _, parameters in _OPERATIONS))


@dataclass(frozen=True, slots=True)
class Target:
    """One request's subject; `key` is empty for a bucket, `bucket` for the account."""

    operation: str
    bucket: str
    key: str
    parameters: dict[str, str]


def target_of(request: Request) -> Target:
    """Return what the request is about.

    Raises:
        ServiceError: NotImplemented; InvalidURI for a path that is not UTF-8.
    """
    bucket, key = _address(request)
    kind = "object" if key else "bucket" if bucket else "account"
    parameters = request.parameters()
    names = parameters.keys() - _IGNORED
    operation = _OPERATIONS.get((request.method, kind, frozenset(names & _CHOOSING)))
    if operation is None or (names and names - _CHOOSING - _REFINEMENTS.get(operation, frozenset())):
        asked = f"{request.method} of a {kind} with {sorted(names)}"
        raise ServiceError(
            501,
            "NotImplemented",
            f"A header you provided implies functionality that is not simulated: {asked}",
        )
    if "x-amz-copy-source" in request.headers:
        raise ServiceError(501, "NotImplemented", "Copies are not simulated.")
    return Target(operation, bucket, key, parameters)


def _address(request: Request) -> tuple[str, str]:
    path = decode_path(request.path)
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise ServiceError(400, "InvalidURI", "Couldn't parse the specified URI.") from error
    virtual = _VIRTUAL.fullmatch(request.host)
    if virtual is not None:
        return virtual["bucket"], path[1:]
    bucket, _, key = path[1:].partition("/")
    return bucket, key
