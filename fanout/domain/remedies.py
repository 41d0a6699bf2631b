"""Writes the next step for a person, for each way in which AWS refuses a run; text only, decides nothing."""

from __future__ import annotations

from fanout.domain.failures import (
    BAD_SIGNATURE,
    EXPIRED,
    NOT_PERMITTED,
    OPEN_FILES,
    THROTTLES,
    UNKNOWN_KEYS,
    WRONG_CLOCK,
)
from fanout.errors import CallError, Phase


def remedy(operation: str, error: CallError) -> str:
    """Return one or two sentences: what AWS answered to `operation` (`s3:PutObject`), and what to do about it."""
    said = f"{operation}: {error}"
    if error.request_id:
        said += f" (request {error.request_id})"
    return f"{said.rstrip('. ')}. {_step(operation, error)}"


def _step(operation: str, error: CallError) -> str:
    if error.code == "CredentialsUnavailable":
        return (
            "No credentials could be had: sign in again (aws sso login), or check the profile and the role."
        )
    if error.code == OPEN_FILES:
        return "Nothing is wrong with AWS: raise `ulimit -n`, or lower --concurrency."
    if error.phase is Phase.CONNECT:
        return (
            "Nothing answers there: check the region, the endpoint url (AWS_ENDPOINT_URL), DNS, and whether this "
            "network reaches AWS (NAT, VPC endpoint, proxy)."
        )
    if error.code in WRONG_CLOCK:  # before EXPIRED: a request that has expired was refreshed in vain
        return "The clock of this machine is off by more than AWS allows: set it (chronyc makestep), then run again."
    if error.code in EXPIRED:
        return "The credentials have expired and were not renewed: sign in again (aws sso login) or renew the role."
    if error.code in UNKNOWN_KEYS:
        return "AWS does not know these credentials: check AWS_PROFILE and the key (aws sts get-caller-identity)."
    if error.code in BAD_SIGNATURE:
        return (
            "The secret key does not fit the access key, or something between here and AWS rewrites requests."
        )
    if error.code in NOT_PERMITTED or error.status == 403:
        return f"Grant {operation} to the role that runs this, or have its KMS key policy and bucket policy allow it."
    if error.code in THROTTLES or error.status == 429:
        return "AWS keeps throttling: lower --rate or --concurrency, or ask for a higher quota."
    if error.phase is Phase.REPLY and (error.status or 0) < 500:
        return "Check the names of the endpoint, the bucket and the queue, and the region."
    return "The service kept failing: see the AWS health dashboard, then run again."
