"""Checksums are compared with the bytes; aws-chunked bodies are unpacked, and their trailers count as headers."""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64encode

import pytest

from fanout.simulator.errors import ServiceError
from fanout.simulator.http.checksums import content_of, crc32c, crc64nvme
from fanout.simulator.http.messages import Request

BODY = b"hello, world"


def b64(value: bytes) -> str:
    return b64encode(value).decode()


SUMS = {
    "content-md5": b64(hashlib.md5(BODY).digest()),
    "x-amz-checksum-crc32": b64(zlib.crc32(BODY).to_bytes(4, "big")),
    "x-amz-checksum-crc32c": b64(crc32c(BODY).to_bytes(4, "big")),
    "x-amz-checksum-crc64nvme": b64(crc64nvme(BODY).to_bytes(8, "big")),
    "x-amz-checksum-sha1": b64(hashlib.sha1(BODY).digest()),
    "x-amz-checksum-sha256": b64(hashlib.sha256(BODY).digest()),
}


def content(body=BODY, **headers):
    return content_of(
        Request("PUT", "/b/k", "", {name.replace("_", "-"): value for name, value in headers.items()}, body)
    )


def code(body=BODY, **headers):
    with pytest.raises(ServiceError) as caught:
        content(body, **headers)
    return caught.value.code


def test_the_two_slow_checksums_match_their_published_check_values():
    assert crc32c(b"123456789") == 0xE3069283
    assert crc64nvme(b"123456789") == 0xAE8B14860A799888


@pytest.mark.parametrize("name", SUMS)
def test_a_right_checksum_is_confirmed_and_a_wrong_one_refused(name):
    body, confirmed = content(**{name: SUMS[name]})
    assert body == BODY
    assert dict(confirmed).get(name) == (None if name == "content-md5" else SUMS[name])
    assert code(b"hello, worle", **{name: SUMS[name]}) == "BadDigest"


def test_a_checksum_that_is_none_is_refused():
    assert code(content_md5="x") == "InvalidDigest"
    assert code(x_amz_checksum_crc32="AAAA") == "InvalidRequest"


CHUNKED = (
    b"7\r\nhello, \r\n5\r\nworld\r\n0\r\nx-amz-checksum-crc32:"
    + SUMS["x-amz-checksum-crc32"].encode()
    + b"\r\n\r\n"
)
STREAMING = {
    "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "x-amz-decoded-content-length": "12",
    "x-amz-trailer": "x-amz-checksum-crc32",
}


def test_a_chunked_body_is_unpacked_and_its_trailer_checked():
    body, confirmed = content(CHUNKED, **STREAMING)
    assert body == BODY
    assert dict(confirmed)["x-amz-checksum-crc32"] == SUMS["x-amz-checksum-crc32"]
    assert code(CHUNKED.replace(b"world", b"worle"), **STREAMING) == "BadDigest"


def test_a_chunked_body_that_is_cut_or_lies_is_refused():
    assert code(CHUNKED[:-2], **STREAMING) == "IncompleteBody"
    assert code(CHUNKED, **STREAMING | {"x-amz-decoded-content-length": "13"}) == "IncompleteBody"
    assert code(CHUNKED, **STREAMING | {"x-amz-trailer": "x-amz-checksum-sha1"}) == "MalformedTrailerError"
    assert code(b"hello\r\n", **STREAMING) == "InvalidRequest"
