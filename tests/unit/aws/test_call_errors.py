"""The mapping where the wire is not needed to show it; the rest is in test_transport_facts."""

from __future__ import annotations

import errno
import socket
from types import SimpleNamespace

import aiohttp
import pytest
from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    ProxyConnectionError,
    ReadTimeoutError,
    UnauthorizedSSOTokenError,
)

from fanout.aws.call_errors import to_call_error
from fanout.aws.errors import retry_after_s
from fanout.errors import CallError, Phase

URL = "https://runtime.example"
_KEY = SimpleNamespace(ssl=True, host="h", port=1)
NO_DESCRIPTOR = aiohttp.ClientConnectorError(_KEY, OSError(errno.EMFILE, "Too many open files"))


@pytest.mark.parametrize(
    ("error", "phase", "code"),
    [
        (EndpointConnectionError(endpoint_url=URL, error=BrokenPipeError()), Phase.EXCHANGE, "BrokenPipeError"),
        (EndpointConnectionError(endpoint_url=URL, error=aiohttp.ClientOSError()), Phase.EXCHANGE, "ClientOSError"),
        (EndpointConnectionError(endpoint_url=URL, error=socket.gaierror()), Phase.CONNECT, "gaierror"),
        (ProxyConnectionError(proxy_url=URL, error=OSError()), Phase.CONNECT, "ProxyConnectionError"),
        (HTTPClientError(error=ValueError("x")), Phase.EXCHANGE, "ValueError"),
        (HTTPClientError(error=ConnectionRefusedError()), Phase.EXCHANGE, "ConnectionRefusedError"),
        (ReadTimeoutError(endpoint_url=URL, error=TimeoutError()), Phase.EXCHANGE, "TimeoutError"),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), Phase.EXCHANGE, "IncompleteReadError"),
        (FlexibleChecksumError(error_msg="differs"), Phase.EXCHANGE, "FlexibleChecksumError"),
        (EndpointConnectionError(endpoint_url=URL, error=NO_DESCRIPTOR), Phase.CONNECT, "TooManyOpenFiles"),
        (NoCredentialsError(), Phase.CONNECT, "CredentialsUnavailable"),
        (CredentialRetrievalError(provider="iam", error_msg="x"), Phase.CONNECT, "CredentialsUnavailable"),
        (UnauthorizedSSOTokenError(), Phase.CONNECT, "CredentialsUnavailable"),
        (KeyError("something new"), Phase.EXCHANGE, "KeyError"),
    ],
)  # fmt: skip
def test_only_errors_before_the_first_byte_mean_not_sent(error, phase, code):
    mapped = to_call_error(error)
    assert (mapped.phase, mapped.code, mapped.status) == (phase, code, None)


def test_a_call_error_stays_what_it_is():
    error = CallError(Phase.REPLY, "X", status=400)
    assert to_call_error(error) is error


def test_a_refused_parameter_is_a_400_that_does_not_quote_the_payload():
    report = "Invalid type for parameter Body, value: my secret\npayload, type: <class 'str'>"
    error = to_call_error(ParamValidationError(report=report))
    assert (error.phase, error.code, error.status) == (Phase.REPLY, "ParamValidation", 400)
    assert error.message == "Parameter validation failed: Invalid type for parameter Body"


def test_a_reply_without_code_goes_by_its_status():
    error = to_call_error(ClientError({"ResponseMetadata": {"HTTPStatusCode": 502}}, "InvokeEndpointAsync"))
    assert (error.phase, error.code, error.status, error.request_id) == (Phase.REPLY, "502", 502, None)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"x-amz-retry-after": "250"}, 0.25),
        ({"x-amz-retry-after": "250", "retry-after": "9"}, 0.25),
        ({"x-amz-retry-after": "-1", "retry-after": "9"}, 9.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:09 GMT"}, None),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:01 GMT", "date": "Thu, 01 Jan 2026 00:00:05 GMT"}, 0.0),
    ],
)
def test_retry_after(headers, seconds):
    assert retry_after_s(headers) == seconds
