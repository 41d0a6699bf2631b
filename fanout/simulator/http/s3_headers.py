"""Reads from the headers of an upload how S3 is to keep it, and refuses what S3 refuses: encryption, tags, payer."""

from __future__ import annotations

from urllib.parse import parse_qsl

from fanout.simulator.bucket import KMS_KEY, SSE, Kept
from fanout.simulator.errors import ServiceError
from fanout.simulator.http.messages import Header, Request

_BUCKET_KEY = "x-amz-server-side-encryption-bucket-key-enabled"
_ALGORITHMS = frozenset({"AES256", "aws:kms", "aws:kms:dsse"})  # service model of S3, ServerSideEncryption
MAX_TAGS, MAX_TAG_KEY, MAX_TAG_VALUE = 10, 128, 256  # S3 user guide, object tagging


def kept_of(request: Request, *, disabled_keys: frozenset[str]) -> Kept:
    """Return what S3 is to keep beside the content.

    Raises:
        ServiceError: InvalidArgument, InvalidTag; KMS.DisabledException for one of `disabled_keys`.
    """
    headers = request.headers
    algorithm, key = headers.get(SSE), headers.get(KMS_KEY)
    if algorithm is not None and algorithm not in _ALGORITHMS:
        raise ServiceError(400, "InvalidArgument", "The encryption method specified is not supported")
    if key is not None and not (algorithm or "").startswith("aws:kms"):
        message = f"Server Side Encryption with AWS KMS managed key requires HTTP header {SSE} : aws:kms"
        raise ServiceError(400, "InvalidArgument", message)
    if headers.get(_BUCKET_KEY, "true") not in {"true", "false"}:
        raise ServiceError(400, "InvalidArgument", "The bucket key header is neither true nor false")
    if key in disabled_keys:
        raise ServiceError(400, "KMS.DisabledException", f"{key} is disabled.")
    return Kept(
        tuple((name, headers[name]) for name in (SSE, KMS_KEY, _BUCKET_KEY) if name in headers),
        _tags(headers.get("x-amz-tagging", "")),
    )


def told_of(kept: Kept) -> tuple[Header, ...]:
    """Return the headers by which HEAD and GET tell of what is kept."""
    count = (("x-amz-tagging-count", str(len(kept.tags))),) if kept.tags else ()
    return (*kept.encryption, *count)


def check_payer(request: Request, bucket: str, *, requester_pays: frozenset[str]) -> None:
    """Return unless the bucket's owner lets the requester pay, who does not say that it will.

    Raises:
        ServiceError: AccessDenied, which is all that S3 says.
    """
    if bucket in requester_pays and request.headers.get("x-amz-request-payer") != "requester":
        raise ServiceError(403, "AccessDenied", "Access Denied")


def _tags(text: str) -> tuple[tuple[str, str], ...]:
    tags = tuple(parse_qsl(text, keep_blank_values=True))
    if len(tags) > MAX_TAGS:
        raise ServiceError(400, "BadRequest", f"Object tags cannot be greater than {MAX_TAGS}")
    for key, value in tags:
        if not 1 <= len(key) <= MAX_TAG_KEY or len(value) > MAX_TAG_VALUE:
            raise ServiceError(400, "InvalidTag", "The TagKey or the TagValue you have provided is invalid")
    if len(dict(tags)) < len(tags):
        raise ServiceError(400, "InvalidTag", "Cannot provide multiple Tags with the same key")
    return tags
