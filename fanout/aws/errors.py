"""What botocore, aiohttp or the operating system raised, as the facts of a `CallError`; pure.

Exception classes do not tell whether a server got the request: `EndpointConnectionError` covers "refused" and
"reset after it was read". Only errors of aiohttp's connect phase, found inside, mean that nothing was sent;
every other transport error leaves it open. `tests/unit/aws/test_transport_facts.py` pins each of these facts.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
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

from fanout.errors import CallError, Phase

MESSAGE_CHARS = 1000
"""An HTML error page or an echoed value is cut here: messages end in logs and in the output file."""

CREDENTIALS = "CredentialsUnavailable"
"""Code of a call that was never sent because there was nothing to sign it with."""

UNREADABLE = "UnreadableReply"
"""Code of a reply that calls itself a success and lacks what it must say."""

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
    phase = Phase.CONNECT if _not_sent(error, inner) else Phase.EXCHANGE
    return CallError(phase, type(inner).__name__, message=_text(inner) or _text(error))


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return how long a reply asks to wait, in seconds; None if it does not say so readably.

    Args:
        headers: Response headers with lower-case names, as botocore gives them.
    """
    millis = headers.get("x-amz-retry-after", "")  # in milliseconds: botocore/retries/standard.py
    if millis.isdecimal():
        return int(millis) / 1000
    asked = headers.get("retry-after", "")
    if asked.isdecimal():
        return float(int(asked))
    try:  # an HTTP date: compared with the reply's own, so that our wall clock does not matter
        until, sent = parsedate_to_datetime(asked), parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (until - sent).total_seconds())
    except (ValueError, TypeError):
        return None


def _refusal(error: ClientError) -> CallError:
    response: Mapping[str, Any] = error.response
    described, meta = response.get("Error", {}), response.get("ResponseMetadata", {})
    status = meta.get("HTTPStatusCode")
    return CallError(
        Phase.REPLY,
        str(described.get("Code") or status or "Unknown"),
        message=str(described.get("Message", ""))[:MESSAGE_CHARS],
        status=status,
        retry_after_s=retry_after_s(meta.get("HTTPHeaders", {})),
        request_id=meta.get("RequestId") or None,
    )


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
