"""Turns what botocore, aiohttp or the operating system raised into a `CallError`; imported late like both.

Exception classes do not tell whether a server got the request: `EndpointConnectionError` covers "refused" and
"reset after it was read". Only errors of aiohttp's connect phase, found inside, mean that nothing was sent;
every other transport error leaves it open. `tests/unit/aws/sdk/test_transport_facts.py` pins each of these facts.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any

import aiohttp
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    HTTPClientError,
    LoginError,
    MetadataRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProxyConnectionError,
    RefreshWithMFAUnsupportedError,
    SSLError,
    SSOError,
    TokenRetrievalError,
)

from fanout.aws.errors import CREDENTIALS, MESSAGE_CHARS, connection_code, redirect, retry_after_s, skew_s
from fanout.errors import CallError, Phase

_UNSIGNED = (
    *(NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, MetadataRetrievalError),
    *(NoAuthTokenError, TokenRetrievalError, RefreshWithMFAUnsupportedError, SSOError, LoginError),
)
_NOT_SENT_BOTOCORE = (ConnectTimeoutError, ProxyConnectionError, SSLError)
# aiohttp raises these from its connector only, before a byte of the request is written; a reset during the
# TLS handshake is among them. A TLS error later on is an OSError, hence a ClientOSError, and not among them.
_NOT_SENT_AIOHTTP = (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError, aiohttp.InvalidURL)
_NOT_SENT_OS = (socket.gaierror, ConnectionRefusedError, ssl.SSLCertVerificationError)


def to_call_error(error: Exception) -> CallError:
    """Return what `error` says about the call that it ended.

    What is not known here counts as `Phase.EXCHANGE`: the request may have been read.
    """
    if isinstance(error, CallError):
        return error
    if isinstance(error, ClientError):
        return _refusal(error)
    if isinstance(error, ParamValidationError):
        return CallError(Phase.REPLY, "ParamValidation", status=400, message=_without_values(error))
    if isinstance(error, _UNSIGNED):
        return CallError(Phase.CONNECT, CREDENTIALS, message=_text(error))
    inner = _inner(error)
    refused = _refused_certificate(error)
    if refused is not None:
        return CallError(Phase.CONNECT, type(refused).__name__, message=_text(error))
    phase = Phase.CONNECT if _not_sent(error, inner) else Phase.EXCHANGE
    return CallError(phase, connection_code(inner), message=_text(inner) or _text(error))


def _refusal(error: ClientError) -> CallError:
    response: Mapping[str, Any] = error.response
    described, meta = response.get("Error", {}), response.get("ResponseMetadata", {})
    status, headers = meta.get("HTTPStatusCode"), meta.get("HTTPHeaders", {})
    message = str(described.get("Message", ""))
    elsewhere = redirect(status, headers)
    if elsewhere is not None:
        message = f"{elsewhere}: {message}" if message else elsewhere
    return CallError(
        Phase.REPLY,
        str(described.get("Code") or status or "Unknown"),
        message=message[:MESSAGE_CHARS],
        status=status,
        retry_after_s=retry_after_s(headers),
        request_id=meta.get("RequestId") or None,
        skew_s=skew_s(headers, now=time.time()),
    )


def _refused_certificate(error: Exception) -> ssl.SSLCertVerificationError | None:
    """Return why the server's certificate was refused, if that is what happened; under the name that OpenSSL has."""
    wrapped = error.kwargs.get("error") if isinstance(error, BotoCoreError) else error
    if isinstance(wrapped, aiohttp.ClientConnectorCertificateError):
        wrapped = wrapped.certificate_error
    return wrapped if isinstance(wrapped, ssl.SSLCertVerificationError) else None


def _inner(error: Exception) -> BaseException:
    """Return the transport error that botocore wrapped, or `error` itself."""
    wrapped = error.kwargs.get("error") if isinstance(error, BotoCoreError) else None
    if isinstance(wrapped, BaseException) and not isinstance(error, _NOT_SENT_BOTOCORE):
        return wrapped
    return error


def _not_sent(error: Exception, inner: BaseException) -> bool:
    if isinstance(error, _NOT_SENT_BOTOCORE) or isinstance(inner, _NOT_SENT_AIOHTTP):
        return True
    return not isinstance(error, HTTPClientError) and isinstance(inner, _NOT_SENT_OS)


def _text(error: BaseException) -> str:
    return " ".join(str(error).split())[:MESSAGE_CHARS]


def _without_values(error: ParamValidationError) -> str:
    """Return botocore's report up to the first value: that may be the payload, which belongs in no log."""
    return " ".join(str(error).partition(", value:")[0].split())[:MESSAGE_CHARS]
