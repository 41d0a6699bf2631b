"""What two refusals of S3 mean for the results of an endpoint."""

from __future__ import annotations

import pytest

from fanout.commands.doctor.objects import judge_results
from fanout.errors import CallError, Phase

DENIED = CallError(Phase.REPLY, "AccessDenied", status=403)
MISSING = CallError(Phase.REPLY, "NoSuchKey", status=404)
NO_BUCKET = CallError(Phase.REPLY, "NoSuchBucket", status=404)
DISABLED = CallError(Phase.REPLY, "KMS.DisabledException", status=400)


@pytest.mark.parametrize(
    ("listing", "reading", "listed", "status", "text"),
    [
        (None, MISSING, False, "ok", "can be listed and read"),
        (None, None, False, "ok", "can be listed and read"),
        (None, DENIED, False, "fail", "Grant s3:GetObject"),
        (DENIED, DENIED, False, "warn", "whether s3:GetObject is granted cannot be told"),
        (DENIED, MISSING, False, "warn", "found one by one"),
        (DENIED, DENIED, True, "fail", "Without a queue, listing is how a run finds its results"),
        (NO_BUCKET, NO_BUCKET, False, "fail", "s3:ListBucket: NoSuchBucket"),
        (None, DISABLED, False, "fail", "s3:GetObject: KMS.DisabledException"),
    ],
)  # fmt: skip
def test_what_is_said_of_results(listing, reading, listed, status, text):
    found = judge_results("s3://b/out", listing=listing, reading=reading, listed=listed)
    assert (found.check, found.status) == ("results", status)
    assert "s3://b/out" in found.text
    assert text in found.text
    if reading is MISSING and listing is DENIED:
        assert "cannot be told" not in found.text
