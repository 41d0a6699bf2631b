"""Each refusal leads to a next step that fits it."""

from __future__ import annotations

import pytest

from fanout.domain.remedies import remedy
from fanout.errors import CallError, Phase


def said(code, status=None, *, phase=Phase.REPLY, operation="s3:PutObject", **facts):
    return remedy(operation, CallError(phase, code, status=status, **facts))


@pytest.mark.parametrize(
    ("error", "step"),
    [
        (("AccessDenied", 403), "Grant s3:PutObject"),
        (("AccessDeniedException", 400), "Grant s3:PutObject"),
        (("UnauthorizedOperation", 403), "Grant s3:PutObject"),
        (("SomethingNew", 403), "Grant s3:PutObject"),
        (("ExpiredToken", 403), "sign in again"),
        (("ExpiredTokenException", 400), "sign in again"),
        (("TokenRefreshRequired", 400), "sign in again"),
        (("RequestTimeTooSkewed", 403), "clock"),
        (("RequestExpired", 400), "clock"),
        (("RequestInTheFuture", 400), "clock"),
        (("NotAuthorized", 400), "Grant s3:PutObject"),
        (("KMSAccessDenied", 400), "Grant s3:PutObject"),
        (("RequestLimitExceeded", 503), "throttling"),
        (("OverLimit", 400), "throttling"),
        (("InvalidAccessKeyId", 403), "AWS_PROFILE"),
        (("UnrecognizedClientException", 403), "AWS_PROFILE"),
        (("SignatureDoesNotMatch", 403), "secret key"),
        (("InvalidSignatureException", 403), "secret key"),
        (("NoSuchBucket", 404), "Check the names"),
        (("AWS.SimpleQueueService.NonExistentQueue", 400), "Check the names"),
        (("InternalError", 500), "health dashboard"),
        (("ServiceUnavailable", 503), "health dashboard"),
    ],
    ids=str,
)
def test_what_was_refused_leads_to_a_step(error, step):
    assert step in said(*error)


@pytest.mark.parametrize("code", ["ConnectionRefusedError", "ClientConnectorDNSError", "ConnectTimeoutError"])
def test_what_did_not_answer_leads_to_the_network(code):
    text = said(code, phase=Phase.CONNECT)
    assert "region" in text
    assert "AWS_ENDPOINT_URL" in text


def test_no_descriptor_left_leads_to_the_limit_and_not_to_the_network():
    text = said("TooManyOpenFiles", phase=Phase.CONNECT, message="[Errno 24] Too many open files")
    assert text.endswith(". Nothing is wrong with AWS: raise `ulimit -n`, or lower --concurrency.")
    assert "DNS" not in text


def test_what_aws_said_ends_in_one_full_stop():
    assert "not authorized. Grant" in said("AccessDenied", 403, message="not authorized.")


def test_credentials_that_are_not_there_do_not_lead_to_the_network():
    text = said("CredentialsUnavailable", phase=Phase.CONNECT)
    assert "credentials" in text
    assert "DNS" not in text


@pytest.mark.parametrize(
    ("code", "status"), [("ThrottlingException", 400), ("TooManyRequestsException", 429), ("SlowDown", 503)]
)
def test_throttling_does_not_lead_to_names(code, status):
    assert "Check the names" not in said(code, status)


def test_a_reply_that_did_not_come_leads_to_no_names():
    assert "Check the names" not in said("ReadTimeoutError", phase=Phase.EXCHANGE)


def test_it_begins_with_what_was_said_and_by_whom():
    text = said("AccessDenied", 403, message="User: arn is not authorized", request_id="R-1")
    assert text.startswith("s3:PutObject: AccessDenied: User: arn is not authorized (request R-1). ")


def test_without_a_request_id_there_is_no_empty_bracket():
    assert "request" not in said("InternalError", 500).split(". ")[0]
