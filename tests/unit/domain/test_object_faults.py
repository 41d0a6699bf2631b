"""What a GetObject that failed for the last time means, and what the row of that object is told."""

from __future__ import annotations

import pytest

from fanout.domain.object_faults import (
    ObjectFault,
    error_code,
    explanation,
    is_shared,
    may_pass,
    object_fault,
)
from fanout.errors import CallError, Phase

ABSENT, DENIED, RUN = ObjectFault.ABSENT, ObjectFault.DENIED, ObjectFault.RUN
UNREADABLE, UNANSWERED = ObjectFault.UNREADABLE, ObjectFault.UNANSWERED


def reply(code, status):
    return CallError(Phase.REPLY, code, status=status)


def exchange(code):
    return CallError(Phase.EXCHANGE, code)


@pytest.mark.parametrize(
    ("error", "fault", "code"),
    [
        (exchange("IncompleteBody"), UNREADABLE, "OutputTruncated"),
        (exchange("FlexibleChecksumError"), UNREADABLE, "OutputDamaged"),
        (reply("ObjectTooLarge", 200), UNREADABLE, "OutputTooLarge"),
        (reply("InvalidObjectState", 403), UNREADABLE, "OutputArchived"),
        (reply("KMS.DisabledException", 400), UNREADABLE, "OutputKeyUnusable"),
        (reply("KMS.KMSInvalidStateException", 400), UNREADABLE, "OutputKeyUnusable"),
        (reply("KMS.NotFoundException", 400), UNREADABLE, "OutputKeyUnusable"),
        (reply("NoSuchKey", 404), ABSENT, None),
        (reply("404", 404), ABSENT, None),
        (reply("NoSuchBucket", 404), ABSENT, None),
        (reply("AccessDenied", 403), DENIED, "OutputDenied"),
        (reply("403", 403), DENIED, "OutputDenied"),
        (reply("Forbidden", 403), DENIED, "OutputDenied"),
        (reply("InvalidRequest", 400), UNANSWERED, "OutputUnreadable"),  # stored under a customer's own key
        (reply("InternalError", 500), UNANSWERED, "OutputUnreadable"),
        (reply("SlowDown", 503), UNANSWERED, "OutputUnreadable"),
        (reply("KMS.ThrottlingException", 400), UNANSWERED, None),
        (exchange("CallTimeout"), UNANSWERED, "OutputUnreadable"),
        (exchange("ConnectionResetError"), UNANSWERED, "OutputUnreadable"),
        (CallError(Phase.CONNECT, "ConnectionRefusedError"), UNANSWERED, "OutputUnreadable"),
        (CallError(Phase.CONNECT, "CredentialsUnavailable"), RUN, None),
        (reply("ExpiredToken", 400), RUN, None),
        (reply("InvalidAccessKeyId", 403), RUN, None),
        (reply("SignatureDoesNotMatch", 403), RUN, None),
        (reply("RequestTimeTooSkewed", 403), RUN, None),
        (reply("PermanentRedirect", 301), RUN, None),
        (reply("AccountProblem", 403), RUN, None),
    ],
    ids=str,
)
def test_whose_fault_it_is(error, fault, code):
    assert object_fault(error) is fault
    if code is not None:
        assert error_code(error) == code


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (exchange("IncompleteBody"), True),
        (exchange("FlexibleChecksumError"), True),
        (reply("SlowDown", 503), True),
        (reply("InternalError", 500), True),
        (reply("ExpiredToken", 400), True),
        (CallError(Phase.CONNECT, "ConnectionRefusedError"), True),
        (reply("ObjectTooLarge", 200), False),
        (reply("KMS.DisabledException", 400), False),
        (reply("InvalidObjectState", 403), False),
        (reply("AccessDenied", 403), False),
        (reply("NoSuchKey", 404), False),
        (ValueError("a bug of ours"), False),
    ],
    ids=str,
)
def test_what_may_pass_is_tried_again(error, passes):
    assert may_pass(error) is passes


def test_only_its_size_is_an_objects_own_fault_for_sure():
    assert not is_shared(reply("ObjectTooLarge", 200))
    for code in ("KMS.DisabledException", "InvalidObjectState", "AccessDenied", "IncompleteBody"):
        assert is_shared(reply(code, 403)), code


def test_a_row_says_what_s3_said_and_the_next_step():
    error = CallError(
        Phase.REPLY, "InvalidObjectState", message="not valid for the storage class", status=403
    )
    assert explanation(error) == (
        "InvalidObjectState: not valid for the storage class. A lifecycle rule has archived it: restore it "
        "(aws s3api restore-object), then read it there."
    )
