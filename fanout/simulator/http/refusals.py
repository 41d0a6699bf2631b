"""Maps each reason to refuse a signature to the error that the service answers with; pure tables."""

from __future__ import annotations

from fanout.simulator.errors import ServiceError
from fanout.simulator.http.sigv4 import Refusal, SignatureRefused

_JSON = {
    Refusal.MISSING: (403, "MissingAuthenticationTokenException"),
    Refusal.INCOMPLETE: (400, "IncompleteSignatureException"),
    Refusal.UNKNOWN_KEY: (403, "UnrecognizedClientException"),
    Refusal.BAD_TOKEN: (403, "UnrecognizedClientException"),
    Refusal.EXPIRED: (403, "ExpiredTokenException"),
}
_QUERY = {
    Refusal.MISSING: (403, "MissingAuthenticationToken"),
    Refusal.INCOMPLETE: (400, "IncompleteSignature"),
    Refusal.UNKNOWN_KEY: (403, "InvalidClientTokenId"),
    Refusal.BAD_TOKEN: (403, "InvalidClientTokenId"),
    Refusal.EXPIRED: (403, "ExpiredToken"),
}
_S3 = {
    Refusal.MISSING: (403, "AccessDenied"),
    Refusal.INCOMPLETE: (400, "AuthorizationHeaderMalformed"),
    Refusal.UNKNOWN_KEY: (403, "InvalidAccessKeyId"),
    Refusal.BAD_TOKEN: (400, "InvalidToken"),
    Refusal.EXPIRED: (400, "ExpiredToken"),
    Refusal.SCOPE: (400, "AuthorizationHeaderMalformed"),
    Refusal.SKEWED: (403, "RequestTimeTooSkewed"),
    Refusal.PAYLOAD_HEADER: (400, "InvalidRequest"),
    Refusal.PAYLOAD: (400, "XAmzContentSHA256Mismatch"),
    Refusal.UNSUPPORTED: (501, "NotImplemented"),
}


def json_refusal(refused: SignatureRefused) -> ServiceError:
    """Return the error of SageMaker and its runtime."""
    status, code = _JSON.get(refused.refusal, (403, "InvalidSignatureException"))
    return ServiceError(status, code, refused.message)


def query_refusal(refused: SignatureRefused) -> ServiceError:
    """Return the error of SNS and STS, and of SQS, which kept the codes of its query protocol."""
    status, code = _QUERY.get(refused.refusal, (403, "SignatureDoesNotMatch"))
    return ServiceError(status, code, refused.message)


def s3_refusal(refused: SignatureRefused) -> ServiceError:
    """Return the error of S3."""
    status, code = _S3.get(refused.refusal, (403, "SignatureDoesNotMatch"))
    return ServiceError(status, code, refused.message)
