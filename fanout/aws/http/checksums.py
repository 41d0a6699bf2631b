"""Compares an object with the checksum that S3 stored with it; pure."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable

from fanout.aws.http.reply_errors import header, request_id
from fanout.aws.http.reply_parser import Answer
from fanout.domain.object_faults import CHECKSUM_DIFFERS
from fanout.errors import CallError, Phase

_KINDS: dict[bytes, Callable[[bytes], bytes]] = {
    b"x-amz-checksum-crc32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    b"x-amz-checksum-sha256": lambda body: hashlib.sha256(body).digest(),
    b"x-amz-checksum-sha1": lambda body: hashlib.sha1(body, usedforsecurity=False).digest(),
}
"""What the standard library computes; CRC32C and CRC64NVME would need awscrt, as they do in botocore."""


def verify_checksum(answer: Answer) -> None:
    """Return if the body is what was stored, or if S3 named no checksum that can be compared.

    Raises:
        CallError: It is not: bytes changed on the way.
    """
    for name, digest in _KINDS.items():
        stored = header(answer, name)
        if stored is None or "-" in stored:  # `-3`: of three parts, of whose limits nothing is known
            continue
        if base64.b64encode(digest(answer.body)).decode("ascii") != stored:
            message = f"the object differs from its {name.decode()}"
            raise CallError(
                Phase.EXCHANGE,
                CHECKSUM_DIFFERS,
                message=message,
                status=answer.status,
                request_id=request_id(answer),
            )
        return
