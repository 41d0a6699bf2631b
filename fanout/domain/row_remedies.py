"""Tells the next step for a row that did not succeed: by its code, where it is ours, else by what AWS's code means."""

from __future__ import annotations

from fanout.domain.error_codes import ERROR_CODES
from fanout.domain.failures import NOT_PERMITTED, THROTTLES

_AGAIN = "then `fanout retry` sends it again."
_BY_STATUS = {
    "failed": f"Read its message, and the endpoint's log in CloudWatch; {_AGAIN}",
    "invalid": f"Read its response, and mend [output.fields], {_AGAIN}",
    "expired": ERROR_CODES["Expired"].remedy,
    "rejected": f"AWS refused it: read its message, mend the row or the settings, {_AGAIN}",
    "unsettled": ERROR_CODES["NoResult"].remedy,
    "unknown": ERROR_CODES["DeliveryUnknown"].remedy,
}


def row_remedy(code: str | None, status: str) -> str:
    """Return the next step for rows that ended with `status` and the `error_code` `code`."""
    ours = ERROR_CODES.get(code or "")
    if ours is not None:
        return ours.remedy
    if code in NOT_PERMITTED:
        return f"Grant what its message names to the role that runs this, {_AGAIN}"
    if code in THROTTLES:
        return f"Lower --rate or --concurrency, or ask for a higher quota, {_AGAIN}"
    return _BY_STATUS.get(status, f"Read its message, {_AGAIN}")
