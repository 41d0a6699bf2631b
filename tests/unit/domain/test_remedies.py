"""Each refusal leads to a next step that fits it."""

from __future__ import annotations

import pytest

from fanout.domain.location import Location
from fanout.domain.remedies import is_clock_wrong, remedy, upload_remedy
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


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure"])
@pytest.mark.parametrize(
    "message",
    [
        "Signature expired: 20261130T100000Z is now earlier than 20261130T101000Z (20261130T101500Z - 5 min.)",
        "Signature not yet current: 20261130T100000Z is still later than 20261130T095500Z",
        "The difference between the request time and the current time is too large.",
    ],
)
def test_a_signature_refused_for_its_date_leads_to_the_clock(code, message):
    text = said(code, 403, message=message)
    assert "clock" in text
    assert "secret key" not in text


@pytest.mark.parametrize(
    ("skew_s", "off"),
    [
        (700.0, "12 minutes behind AWS's"),
        (-700.0, "12 minutes ahead of AWS's"),
        (7300.0, "2 hours behind AWS's"),
        (-400 * 86_400.0, "400 days ahead of AWS's"),
    ],
)
def test_the_dates_of_both_tell_by_how_much(skew_s, off):
    assert f"The clock of this machine is {off}: set it" in said("SignatureDoesNotMatch", 403, skew_s=skew_s)
    assert off in said("RequestTimeTooSkewed", 403, skew_s=skew_s)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("SignatureDoesNotMatch", "Credential should be scoped to a valid region."),
        ("InvalidSignatureException", "Credential should be scoped to a valid region, not 'eu-west-1'."),
        ("InvalidSignatureException", "Credential should be scoped to correct service: 'sagemaker'."),
        (
            "AuthorizationHeaderMalformed",
            "The authorization header is malformed; the region 'eu-west-1' is wrong; expecting 'us-east-1'",
        ),
    ],
)
def test_a_signature_for_another_region_leads_to_the_region(code, message):
    text = said(code, 403, message=message)
    assert "check --region" in text
    assert "secret key" not in text


def test_clocks_that_agree_are_not_blamed():
    assert "secret key" in said("SignatureDoesNotMatch", 403, skew_s=3.0)
    assert "sign in again" in said("RequestExpired", 400, skew_s=3.0)
    assert "off by more than AWS allows" in said("RequestTimeTooSkewed", 403, skew_s=3.0)
    assert not is_clock_wrong(CallError(Phase.REPLY, "AccessDenied", status=403, skew_s=9000.0))


@pytest.mark.parametrize(
    ("message", "step"),
    [
        ("certificate verify failed: self-signed certificate in certificate chain", "AWS_CA_BUNDLE"),
        ("certificate verify failed: unable to get local issuer certificate", "AWS_CA_BUNDLE"),
        ("certificate verify failed: certificate has expired", "clock of this machine"),
        ("certificate verify failed: certificate is not yet valid", "clock of this machine"),
        (
            "certificate verify failed: Hostname mismatch, certificate is not valid for 'a'",
            "AWS_ENDPOINT_URL",
        ),
        (
            "certificate verify failed: IP address mismatch, certificate is not valid for '1.2'",
            "AWS_ENDPOINT_URL",
        ),
    ],
)
def test_a_refused_certificate_leads_to_who_signed_it_or_to_its_date_or_name(message, step):
    text = said("SSLCertVerificationError", phase=Phase.CONNECT, message=message)
    assert step in text
    assert "check the region" not in text


def test_a_redirect_leads_to_what_answers_for_aws():
    assert "AWS_ENDPOINT_URL" in said("307", 307)
    assert "login page" in said("PermanentRedirect", 301)


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


@pytest.mark.parametrize(
    ("code", "status", "key", "step"),
    [
        ("NoSuchBucket", 404, None, "There is no bucket bucket: create it"),
        ("KMS.DisabledException", 400, "alias/mine", "with the KMS key alias/mine: have it enabled"),
        ("KMS.NotFoundException", 400, "alias/mine", "with the KMS key alias/mine: have it enabled"),
        ("KMS.DisabledException", 400, None, "the bucket's own KMS key"),
        ("AccessDenied", 403, None, "Grant s3:PutObject on s3://bucket/ to the role that runs this, or"),
        ("AccessDenied", 403, "alias/mine", "kms:GenerateDataKey and kms:Decrypt on the KMS key alias/mine"),
        ("InternalError", 500, "alias/mine", "health dashboard"),
    ],
)
def test_an_upload_that_was_refused_names_the_bucket_and_the_key(code, status, key, step):
    error = CallError(Phase.REPLY, code, status=status, message="as S3 says")
    text = upload_remedy(Location("bucket", "inputs/00/run/1"), error, kms_key_id=key, tags={})
    assert text.startswith(f"s3://bucket/inputs/00/run/1: s3:PutObject: {code}: as S3 says")
    assert step in text


def test_tags_of_an_upload_need_a_right_of_their_own():
    error = CallError(Phase.REPLY, "AccessDenied", status=403)
    text = upload_remedy(Location("bucket", "key"), error, kms_key_id=None, tags={"team": "x"})
    assert "Grant s3:PutObject and s3:PutObjectTagging on s3://bucket/" in text
