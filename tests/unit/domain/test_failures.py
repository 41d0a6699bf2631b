"""What each failed call means."""

from __future__ import annotations

import re

import pytest
from botocore.session import get_session

from fanout.domain import failures
from fanout.domain.failures import FailureKind, failure_kind
from fanout.errors import CallError, Phase

REPLY, CONNECT, EXCHANGE = Phase.REPLY, Phase.CONNECT, Phase.EXCHANGE


def failed(code, status=None, phase=REPLY, **facts):
    return CallError(phase, code, status=status, **facts)


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        # throttle
        (failed("ThrottlingException", 400), FailureKind.THROTTLED),
        (failed("Throttling", 400), FailureKind.THROTTLED),
        (failed("TooManyRequestsException", 429), FailureKind.THROTTLED),
        (failed("RequestLimitExceeded", 503), FailureKind.THROTTLED),
        (failed("SlowDown", 503), FailureKind.THROTTLED),
        (failed("429", 429), FailureKind.THROTTLED),
        # as SNS and SQS say it of themselves and of KMS, in a 400: see the exceptions of their service models
        (failed("Throttled", 400), FailureKind.THROTTLED),
        (failed("KMSThrottling", 400), FailureKind.THROTTLED),
        (failed("KmsThrottled", 400), FailureKind.THROTTLED),
        (failed("SomethingNew", 429), FailureKind.THROTTLED),
        (failed("Unknown", 429), FailureKind.THROTTLED),
        # transient
        (failed("InternalFailure", 500), FailureKind.TRANSIENT),
        (failed("InternalServerException", 500), FailureKind.TRANSIENT),
        (failed("500", 500), FailureKind.TRANSIENT),
        (failed("502", 502), FailureKind.TRANSIENT),
        (failed("ServiceUnavailable", 503), FailureKind.TRANSIENT),
        (failed("503", 503), FailureKind.TRANSIENT),
        (failed("504", 504), FailureKind.TRANSIENT),
        (failed("SomethingNew", 530), FailureKind.TRANSIENT),
        (failed("InternalError", 200), FailureKind.TRANSIENT),  # CompleteMultipartUpload, inside a 200
        (failed("RequestTimeout", 400), FailureKind.TRANSIENT),  # S3 waited for our bytes
        # not sent, whatever the code
        (failed("ConnectionRefusedError", phase=CONNECT), FailureKind.NOT_SENT),
        (failed("ClientConnectorDNSError", phase=CONNECT), FailureKind.NOT_SENT),
        (failed("SSLError", phase=CONNECT), FailureKind.NOT_SENT),
        (failed("ConnectTimeoutError", phase=CONNECT), FailureKind.NOT_SENT),
        # nor ever will be
        (failed("SSLCertVerificationError", phase=CONNECT), FailureKind.RUN),
        (failed("Unreachable", phase=CONNECT), FailureKind.RUN),
        # redirects are not followed, and what redirects has not taken the request
        (failed("307", 307), FailureKind.RUN),
        (failed("TemporaryRedirect", 307), FailureKind.RUN),
        (failed("PermanentRedirect", 301), FailureKind.RUN),
        (failed("302", 302), FailureKind.RUN),
        # unknown: bytes may have been read
        (failed("ServerDisconnectedError", phase=EXCHANGE), FailureKind.UNKNOWN),
        (failed("ClientOSError", phase=EXCHANGE), FailureKind.UNKNOWN),
        (failed("ReadTimeoutError", phase=EXCHANGE), FailureKind.UNKNOWN),
        (failed("UnreadableReply", 202, phase=EXCHANGE), FailureKind.UNKNOWN),
        (failed("UnreadableReply", 500, phase=EXCHANGE), FailureKind.UNKNOWN),
        # the row's fault
        (failed("ValidationException", 400), FailureKind.ROW),
        (failed("ValidationError", 400), FailureKind.ROW),
        (failed("SomethingNew", 400), FailureKind.ROW),
        (failed("413", 413), FailureKind.ROW),
        (failed("418", 418), FailureKind.ROW),
        # the run's fault
        (failed("AccessDenied", 403), FailureKind.RUN),
        (failed("AccessDeniedException", 400), FailureKind.RUN),
        (failed("NotAuthorized", 400), FailureKind.RUN),  # common errors of the SageMaker API reference
        (failed("SignatureDoesNotMatch", 403), FailureKind.RUN),
        (failed("InvalidSignatureException", 403), FailureKind.RUN),
        (failed("IncompleteSignature", 400), FailureKind.RUN),
        (failed("UnrecognizedClientException", 403), FailureKind.RUN),
        (failed("InvalidClientTokenId", 403), FailureKind.RUN),
        (failed("MissingAuthenticationToken", 403), FailureKind.RUN),
        (failed("OptInRequired", 403), FailureKind.RUN),
        (failed("RequestInTheFuture", 400), FailureKind.RUN),
        (failed("KMSAccessDenied", 400), FailureKind.RUN),
        (failed("KmsAccessDenied", 400), FailureKind.RUN),
        (failed("ResourceNotFound", 400), FailureKind.RUN),
        (failed("NoSuchBucket", 404), FailureKind.RUN),
        (failed("AWS.SimpleQueueService.NonExistentQueue", 400), FailureKind.RUN),
        (failed("InvalidAddress", 400), FailureKind.RUN),
        (failed("SomethingNew", 401), FailureKind.RUN),
        (failed("SomethingNew", 403), FailureKind.RUN),
        (failed("404", 404), FailureKind.RUN),
        # credentials
        (failed("ExpiredToken", 403), FailureKind.CREDENTIALS),
        (failed("ExpiredToken", 400), FailureKind.CREDENTIALS),
        (failed("ExpiredTokenException", 403), FailureKind.CREDENTIALS),
        (failed("RequestExpired", 400), FailureKind.CREDENTIALS),
        (failed("TokenRefreshRequired", 400), FailureKind.CREDENTIALS),
    ],
    ids=lambda value: (
        f"{value.code}-{value.status}-{value.phase.value}" if isinstance(value, CallError) else value.name
    ),
)
def test_a_failed_call_means(error, verdict):
    assert failure_kind(error) is verdict


def test_a_code_stands_for_one_thing():
    kinds = (failures.THROTTLES, failures.EXPIRED, failures.DENIED, failures.GONE)
    assert sum(map(len, kinds)) == len(frozenset[str]().union(*kinds)) > 50


@pytest.mark.parametrize("service", ["sagemaker", "sagemaker-runtime", "sns", "sqs", "s3"])
def test_what_the_models_of_our_services_call_throttled_denied_or_missing_stands_in_the_table(service):
    """Each refusal that botocore knows of one of our services and that is not about one row."""
    shapes = get_session().get_service_model(service).shape_names
    model = get_session().get_service_model(service)
    codes = {shape.error_code for shape in map(model.shape_for, shapes) if shape.metadata.get("exception")}
    telling = {
        code for code in codes if re.search("Throttl|AccessDenied|NotFound$|DoesNotExist|NoSuchBucket", code)
    }
    known = failures.THROTTLES | failures.DENIED | failures.GONE
    assert telling - known <= {
        "KMSNotFound",
        "KmsNotFound",
    }  # the key of a queue or topic: an administrator's


@pytest.mark.parametrize(
    "code", ["ThrottlingException", "ExpiredToken", "AccessDenied", "NoSuchKey", "ValidationException"]
)
@pytest.mark.parametrize(
    ("phase", "verdict"), [(CONNECT, FailureKind.NOT_SENT), (EXCHANGE, FailureKind.UNKNOWN)]
)
def test_how_far_the_call_had_come_outweighs_its_code(code, phase, verdict):
    assert failure_kind(failed(code, 400, phase=phase)) is verdict


def test_the_text_of_an_error_decides_nothing():
    assert (
        failure_kind(failed("ValidationException", 400, message="Rate exceeded; ExpiredToken"))
        is FailureKind.ROW
    )
