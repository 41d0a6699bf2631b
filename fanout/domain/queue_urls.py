"""Reads what the url of an SQS queue says: its region, and whether it is one; pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from fanout.domain.location import PARTITIONS

_SUFFIX = f"(?:{'|'.join(map(re.escape, sorted({*PARTITIONS, *(dual for _, dual in PARTITIONS.values())})))})"
_HOST = re.compile(
    rf"(?:vpce-[a-z0-9-]+\.)?sqs(?:-fips)?\.(?P<region>[a-z0-9-]+)(?:\.vpce)?\.{_SUFFIX}"
    rf"|(?P<old>[a-z0-9-]+)\.queue\.{_SUFFIX}"
)
_FIRST_HOSTS = frozenset({"queue.amazonaws.com", "sqs.amazonaws.com"})
"""Without a region: SQS began in us-east-1."""


def is_queue_url(text: str) -> bool:
    """Whether a text is of the form `https://host/account/name`, as AWS and servers like it write it."""
    try:
        parts = urlsplit(text)
    except ValueError:  # an unfinished IPv6 address
        return False
    return (
        parts.scheme in {"http", "https"}
        and bool(parts.hostname)
        and len(parts.path.strip("/").split("/")) == 2
    )


def queue_region(url: str) -> str | None:
    """Return the region of the queue at `url`, None where its host does not tell."""
    host = urlsplit(url).hostname or ""
    if host in _FIRST_HOSTS:
        return "us-east-1"
    found = _HOST.fullmatch(host)
    return None if found is None else found["region"] or found["old"]
