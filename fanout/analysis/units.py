"""Parses sizes, durations, shares and counts as people write them, and formats sizes."""

from __future__ import annotations

import re

# A comma, or an underscore, stands between thousands: 1,5ms is not 15 ms.
_NUMBER = r"(\d{1,3}(?:[,_]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
_SIZE = re.compile(rf"{_NUMBER}\s*(B|KB|KiB|MB|MiB)?", re.IGNORECASE)
_DURATION = re.compile(rf"{_NUMBER}\s*([u\u00b5]s|ms|s|sec|min)", re.IGNORECASE)
_SHARE = re.compile(rf"{_NUMBER}\s*%")
_COUNT = re.compile(_NUMBER)
# AWS counts these limits in thousands: 128,000 bytes are 128 KB.
_BYTES = {None: 1, "b": 1, "kb": 1_000, "kib": 1_024, "mb": 1_000_000, "mib": 1_048_576}
_MILLISECONDS = {
    "us": 0.001, "\u00b5s": 0.001, "ms": 1.0, "s": 1_000.0, "sec": 1_000.0, "min": 60_000.0,
}  # fmt: skip


def parse_size(text: str) -> int | None:
    """Return the bytes that `8KB`, `127,999` or `1.5 KiB` mean, None if it is no whole number of them."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        return None
    size = _number(found[1]) * _BYTES[found[2] and found[2].lower()]
    return int(size) if size == int(size) else None


def parse_duration(text: str) -> float | None:
    """Return the milliseconds that `80ms`, `1.5 s` or `200us` mean, None if it has no unit or no number."""
    found = _DURATION.fullmatch(text.strip())
    return None if found is None else _number(found[1]) * _MILLISECONDS[found[2].lower()]


def parse_share(text: str) -> float | None:
    """Return the share that `5%` or `0.5 %` means, None if it is none."""
    found = _SHARE.fullmatch(text.strip())
    return None if found is None else _number(found[1]) / 100


def parse_count(text: str) -> float | None:
    """Return the number that `1,000` or `1.1` means, None if it is none."""
    found = _COUNT.fullmatch(text.strip())
    return None if found is None else _number(found[1])


def size_text(size_bytes: int) -> str:
    """Return `1 KB`, `2 MB` for whole ones, else the bytes; AWS writes its limit as 128,000 bytes, and so do we."""
    if size_bytes and size_bytes != 128_000:
        for unit, name in ((1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "KB")):
            if size_bytes % unit == 0:
                return f"{size_bytes // unit:,} {name}"
    return f"{size_bytes:,} B"


def _number(text: str) -> float:
    return float(text.replace("_", "").replace(",", ""))
