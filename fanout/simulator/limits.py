"""Checks a request against every documented limit of InvokeEndpointAsync, as the service does.

It takes the request as it came and raises what the service answers. Pure; the limits are botocore's service model.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from fanout.simulator.errors import ServiceError

MAX_BODY_BYTES = 128_000  # bytes, not KiB
DEFAULT_TTL_S, MIN_TTL_S, MAX_TTL_S = 21_600, 60, 21_600
DEFAULT_TIMEOUT_S, MIN_TIMEOUT_S, MAX_TIMEOUT_S = 900, 1, 3_600

# Lengths stand in the patterns, so that the usual request costs one match a field.
_TEXT = re.compile(r"[\x20-\x7e\t]{0,1024}")  # a header cannot carry the other control characters
_INFERENCE_ID = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,63}")
_INPUT_LOCATION = re.compile(r"(?=.{1,1024}\Z)(https|s3)://([^/]+)/?(.*)")
_EXTENSION = re.compile(r"(?!s3:|https:)[a-zA-Z0-9!_.*'()/-]{1,512}")
_FILENAME = re.compile(r"(?!.*\..*\.)[a-zA-Z0-9][a-zA-Z0-9\-_.]{0,31}")


class AsyncRequest(NamedTuple):
    """One InvokeEndpointAsync as it came: the body and the headers, None for a header that is not there.

    `body` is None for a request that names an `input_location` and has no body.
    """

    endpoint: str
    body: bytes | None = None
    input_location: str | None = None
    content_type: str | None = None
    accept: str | None = None
    custom_attributes: str | None = None
    inference_id: str | None = None
    output_extension: str | None = None
    filename: str | None = None
    ttl_s: int | None = None
    invocation_timeout_s: int | None = None


def check(request: AsyncRequest) -> None:
    """Return if the service would accept the request's fields.

    Raises:
        ServiceError: ValidationError, which names the field.
    """
    if (request.body is None) == (request.input_location is None):
        raise invalid("Exactly one of Body and InputLocation must be provided.")
    if request.body is not None and len(request.body) > MAX_BODY_BYTES:
        raise _constraint("body", f"Member must have length less than or equal to {MAX_BODY_BYTES}")
    for name, value, pattern in (
        ("inputLocation", request.input_location, _INPUT_LOCATION),
        ("contentType", request.content_type, _TEXT),
        ("accept", request.accept, _TEXT),
        ("customAttributes", request.custom_attributes, _TEXT),
        ("inferenceId", request.inference_id, _INFERENCE_ID),
        ("s3OutputPathExtension", request.output_extension, _EXTENSION),
        ("filename", request.filename, _FILENAME),
    ):
        if value is not None and not pattern.fullmatch(value):
            raise _constraint(name, f"Member must satisfy regular expression pattern: {pattern.pattern}")
    if request.ttl_s is not None:
        _check_range("requestTTLSeconds", request.ttl_s, least=MIN_TTL_S, most=MAX_TTL_S)
    if request.invocation_timeout_s is not None:
        _check_range(
            "invocationTimeoutSeconds", request.invocation_timeout_s, least=MIN_TIMEOUT_S, most=MAX_TIMEOUT_S
        )


def invalid(message: str) -> ServiceError:
    """Return the runtime's answer to a request that is wrong."""
    return ServiceError(400, "ValidationError", message)


def without_inline() -> ServiceError:
    """Return the answer of a region where a payload cannot travel in the request; AWS's own text is not documented."""
    return _constraint("inputLocation", "Member must not be null")


def _check_range(name: str, value: int, *, least: int, most: int) -> None:
    if value > most:
        raise _constraint(name, f"Member must have value less than or equal to {most}")
    if value < least:
        raise _constraint(name, f"Member must have value greater than or equal to {least}")


def _constraint(name: str, constraint: str) -> ServiceError:
    return invalid(
        f"1 validation error detected: Value at '{name}' failed to satisfy constraint: {constraint}"
    )
