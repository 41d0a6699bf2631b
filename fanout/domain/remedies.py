"""Writes the next step for a person, for each way in which AWS refuses a run; text only, decides nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fanout.domain.failures import (
    BAD_SIGNATURE,
    EXPIRED,
    NOT_PERMITTED,
    OPEN_FILES,
    THROTTLES,
    TOLERATED_SKEW_S,
    UNKNOWN_KEYS,
    UNTRUSTED,
    WRONG_CLOCK,
)
from fanout.domain.location import Location
from fanout.errors import CallError, Phase

_DATED = re.compile(
    r"signature expired|signature not yet current|is now earlier than|too large|too skewed", re.IGNORECASE
)
"""How services that sign by the same scheme say it of a date, under the code of a wrong signature."""
_SCOPED = re.compile(r"scoped to|the region '.*' is wrong|incorrect service", re.IGNORECASE)
"""How they say it of a region or a service, under the same code: "Credential should be scoped to a valid region"."""


def remedy(operation: str, error: CallError) -> str:
    """Return one or two sentences: what AWS answered to `operation` (`s3:PutObject`), and what to do about it."""
    said = f"{operation}: {error}"
    if error.request_id:
        said += f" (request {error.request_id})"
    return f"{said.rstrip('. ')}. {_step(operation, error)}"


def upload_remedy(
    location: Location, error: CallError, *, kms_key_id: str | None, tags: Mapping[str, str]
) -> str:
    """Return what S3 answered to the upload of a payload, and what to do about it: bucket and key by their names."""
    said = f"{location.uri}: s3:PutObject: {error}."
    key = f"the KMS key {kms_key_id}" if kms_key_id is not None else "the bucket's own KMS key"
    if error.code == "NoSuchBucket":
        return (
            f"{said} There is no bucket {location.bucket}: create it, or name another place (--input-prefix)."
        )
    if error.code.startswith("KMS."):  # S3 passes KMS's own errors on: disabled, not found, to be deleted
        return f"{said} Payloads are encrypted with {key}: have it enabled, or name another (--kms-key-id)."
    if error.code in NOT_PERMITTED:
        more = f", and kms:GenerateDataKey and kms:Decrypt on {key}" if kms_key_id is not None else ""
        rights = "s3:PutObject and s3:PutObjectTagging" if tags else "s3:PutObject"
        return (
            f"{said} Grant {rights} on s3://{location.bucket}/ to the role that runs this{more}, or have the "
            "bucket's policy allow it."
        )
    return f"{location.uri}: {remedy('s3:PutObject', error)}"


def _step(operation: str, error: CallError) -> str:
    if error.code == "CredentialsUnavailable":
        return (
            "No credentials could be had: sign in again (aws sso login), or check the profile and the role."
        )
    if error.code == OPEN_FILES:
        return "Nothing is wrong with AWS: raise `ulimit -n`, or lower --concurrency."
    if error.code in UNTRUSTED:
        return _untrusted(error.message)
    if error.phase is Phase.CONNECT:
        return (
            "Nothing answers there: check the region, the endpoint url (AWS_ENDPOINT_URL), DNS, and whether this "
            "network reaches AWS (NAT, VPC endpoint, proxy)."
        )
    if error.status is not None and 300 <= error.status < 400:
        return (
            "Requests go to the host that they were signed for and nowhere else: check the endpoint url "
            "(AWS_ENDPOINT_URL), the region of the bucket, and whether a proxy or a login page answers for AWS."
        )
    if is_clock_wrong(error):  # before EXPIRED: a request that has expired was refreshed in vain
        return f"The clock of this machine is {_off_by(error.skew_s)}: set it (chronyc makestep), then run again."
    if error.code in EXPIRED:
        return "The credentials have expired and were not renewed: sign in again (aws sso login) or renew the role."
    if error.code in UNKNOWN_KEYS:
        return "AWS does not know these credentials: check AWS_PROFILE and the key (aws sts get-caller-identity)."
    if error.code in BAD_SIGNATURE | {"AuthorizationHeaderMalformed"}:
        return _unfit(error)
    if error.code in NOT_PERMITTED or error.status == 403:
        return f"Grant {operation} to the role that runs this, or have its KMS key policy and bucket policy allow it."
    if error.code in THROTTLES or error.status == 429:
        return "AWS keeps throttling: lower --rate or --concurrency, or ask for a higher quota."
    if error.phase is Phase.REPLY and (error.status or 0) < 500:
        return "Check the names of the endpoint, the bucket and the queue, and the region."
    return "The service kept failing: see the AWS health dashboard, then run again."


def is_clock_wrong(error: CallError) -> bool:
    """Whether a refusal is for our clock: by its code, or a signature is refused and date or text say why."""
    skew_s = abs(error.skew_s or 0.0)
    if error.code in WRONG_CLOCK:
        if error.code in EXPIRED:  # may mean the credentials, too; the clocks tell which
            return error.skew_s is None or skew_s >= TOLERATED_SKEW_S
        return True
    if error.code not in BAD_SIGNATURE | {"AuthFailure"}:
        return False
    return skew_s >= TOLERATED_SKEW_S or _DATED.search(error.message) is not None


def _off_by(skew_s: float | None) -> str:
    if skew_s is None or abs(skew_s) < TOLERATED_SKEW_S:
        return "off by more than AWS allows"
    units = [(86_400, "days"), (3600, "hours"), (60, "minutes")]
    unit_s, name = next((each for each in units if abs(skew_s) >= 2 * each[0]), units[-1])
    return f"{abs(skew_s) / unit_s:.0f} {name} {'behind' if skew_s > 0 else 'ahead of'} AWS's"


def _unfit(error: CallError) -> str:
    """Return the step for a signature that was refused for what it was made with: the region, or the key."""
    if error.code == "AuthorizationHeaderMalformed" or _SCOPED.search(error.message):
        return (
            "The request was signed for another region than the one that it reached: check --region (or AWS_REGION) "
            "and the endpoint url (AWS_ENDPOINT_URL)."
        )
    return "The secret key does not belong to the access key, or something between here and AWS changes requests."


def _untrusted(said: str) -> str:
    """Return the step for a certificate that was refused, by OpenSSL's text: for its date, its name or its signer."""
    lowered = said.lower()
    if "has expired" in lowered or "not yet valid" in lowered:
        return (
            "The certificate of that server is not valid on the date that this machine has: check the clock of this "
            "machine and, where a proxy opens TLS, the proxy's certificate."
        )
    if "mismatch" in lowered or "doesn't match" in lowered:
        return (
            "The certificate is another host's: check the endpoint url (AWS_ENDPOINT_URL) and DNS; in a VPC, whether "
            "the endpoint has private DNS."
        )
    return (
        "No authority that is trusted here has signed its certificate: where a proxy or a firewall opens TLS, name a "
        "file with its authority (AWS_CA_BUNDLE, or ca_bundle in the profile)."
    )
