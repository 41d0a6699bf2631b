"""Compares an uploaded body with what the client says of it: Content-MD5, x-amz-checksum-*, aws-chunked.

CRC32C and CRC64NVME are computed here in Python, so bodies beyond `MAX_SLOW_BYTES` are not checked against them.
"""

from __future__ import annotations

import binascii
import hashlib
import zlib
from base64 import b64encode
from collections.abc import Callable
from functools import cache

from fanout.simulator.errors import ServiceError
from fanout.simulator.http.bodies import ChunkedBody, MalformedRequest
from fanout.simulator.http.messages import Header, Request
from fanout.simulator.http.sigv4 import UNSIGNED_TRAILER

MAX_SLOW_BYTES = 1 << 18  # 256 KiB take about 20 ms of the server's only thread
_CRC32C = 0x82F63B78  # Castagnoli, reflected (RFC 3720)
_CRC64NVME = 0x9A6C9329AC4BC9B5  # NVM Express base specification 2.0, reflected


def content_of(request: Request) -> tuple[bytes, list[Header]]:
    """Return the uploaded bytes, out of `aws-chunked` if need be, and the checksum headers of the reply.

    Raises:
        ServiceError: BadDigest, InvalidDigest, InvalidRequest, IncompleteBody, MalformedTrailerError.
    """
    headers = dict(request.headers)
    body = request.body
    # botocore marks a trailing checksum in the payload hash; some SDKs only in the encoding.
    if headers.get("x-amz-content-sha256") == UNSIGNED_TRAILER or "aws-chunked" in headers.get(
        "content-encoding", ""
    ):
        body, trailers = _unchunk(body, headers)
        headers.update(trailers)
    announced_md5 = headers.get("content-md5")
    if announced_md5 is not None:
        _compare("Content-MD5", announced_md5, hashlib.md5(body, usedforsecurity=False).digest())
    confirmed: list[Header] = []
    for algorithm, digest in _ALGORITHMS.items():
        announced = headers.get(f"x-amz-checksum-{algorithm}")
        if announced is None:
            continue
        if algorithm not in _SLOW or len(body) <= MAX_SLOW_BYTES:
            _compare(f"x-amz-checksum-{algorithm}", announced, digest(body))
        confirmed += [(f"x-amz-checksum-{algorithm}", announced), ("x-amz-checksum-type", "FULL_OBJECT")]
    return body, confirmed


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of `data`."""
    return _crc(data, polynomial=_CRC32C, ones=0xFFFFFFFF)


def crc64nvme(data: bytes) -> int:
    """Return the CRC-64/NVME of `data`."""
    return _crc(data, polynomial=_CRC64NVME, ones=0xFFFFFFFFFFFFFFFF)


_ALGORITHMS: dict[str, Callable[[bytes], bytes]] = {
    "crc32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "crc32c": lambda body: crc32c(body).to_bytes(4, "big"),
    "crc64nvme": lambda body: crc64nvme(body).to_bytes(8, "big"),
    "sha1": lambda body: hashlib.sha1(body, usedforsecurity=False).digest(),
    "sha256": lambda body: hashlib.sha256(body).digest(),
}
_SLOW = frozenset({"crc32c", "crc64nvme"})


def _unchunk(body: bytes, headers: dict[str, str]) -> tuple[bytes, dict[str, str]]:
    chunks = ChunkedBody()
    try:
        rest = chunks.feed(body)
    except MalformedRequest as error:
        raise ServiceError(400, "InvalidRequest", f"The aws-chunked body is malformed: {error}.") from error
    announced = headers.get("x-amz-decoded-content-length")
    whole = chunks.whole()
    if rest is None or (announced is not None and announced != str(len(whole))):
        raise ServiceError(
            400,
            "IncompleteBody",
            "You did not provide the number of bytes specified by the Content-Length HTTP header.",
        )
    promised = headers.get("x-amz-trailer")
    if promised is not None and promised.lower() not in chunks.trailers:
        raise ServiceError(
            400, "MalformedTrailerError", "The request contained trailing data that was not well-formed."
        )
    return whole, chunks.trailers


def _compare(name: str, announced: str, actual: bytes) -> None:
    try:
        well_formed = len(binascii.a2b_base64(announced, strict_mode=True)) == len(actual)
    except binascii.Error:
        well_formed = False
    if not well_formed:
        if name == "Content-MD5":
            raise ServiceError(400, "InvalidDigest", "The Content-MD5 you specified was invalid.")
        raise ServiceError(400, "InvalidRequest", f"Value for {name} header is invalid.")
    if announced != b64encode(actual).decode():
        raise ServiceError(
            400, "BadDigest", f"The {name} you specified did not match the calculated checksum."
        )


def _crc(data: bytes, *, polynomial: int, ones: int) -> int:
    table = _table(polynomial)
    value = ones
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ ones


@cache
def _table(polynomial: int) -> tuple[int, ...]:
    """The remainder of every byte: the table of a byte-wise reflected CRC."""
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (polynomial if value & 1 else 0)
        table.append(value)
    return tuple(table)
