"""Holds the codes of failed calls that both HTTP clients share, and reads what headers tell; pure.

How long to wait, what time it is, where a redirect leads.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from functools import lru_cache
from urllib.parse import urlsplit

from fanout.domain.failures import OPEN_FILES
from fanout.text import escape

MESSAGE_CHARS = 1000
"""An HTML error page or an echoed value is cut here: messages end in logs and in the output file."""

_NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE}
_HOST_CHARS = 300
"""A name has 253 characters at most (RFC 1035)."""

CREDENTIALS = "CredentialsUnavailable"
"""Code of a call that was never sent because there was nothing to sign it with."""

UNREADABLE = "UnreadableReply"
"""Code of a reply that calls itself a success and lacks what it must say."""


def connection_code(error: BaseException) -> str:
    """Return the code of a connection that could not be made, for what went wrong."""
    return OPEN_FILES if getattr(error, "errno", None) in _NO_DESCRIPTORS else type(error).__name__


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


def skew_s(headers: Mapping[str, str], *, now: float) -> float | None:
    """Return how far the server's clock is ahead of ours, in seconds; None if its reply has no readable Date.

    Args:
        headers: Response headers with lower-case names.
        now: Our clock, in seconds since the epoch.
    """
    told = http_date(headers.get("date", ""))
    return None if told is None else told - now


def redirect(status: int | None, headers: Mapping[str, str]) -> str | None:
    """Return what a reply that redirects is to be called, None if it does not redirect.

    Args:
        status: Of the reply.
        headers: Response headers with lower-case names.
    """
    if status is None or not 300 <= status < 400:
        return None
    try:
        told = urlsplit(headers.get("location", "")).netloc.rpartition("@")[2]
    except ValueError:  # an unfinished IPv6 address
        told = ""
    region = headers.get("x-amz-bucket-region", "")
    where = f"host {told}" if told else f"region {region}" if region else "no host that it names"
    return f"HTTP {status}: a redirect to {escape(where)[:_HOST_CHARS]}, which is not followed"


@lru_cache(maxsize=1024)
def http_date(text: str) -> float | None:
    """Return an HTTP date as seconds since the epoch, None if it is none; 8 us, but few seconds are new."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError):
        return None
