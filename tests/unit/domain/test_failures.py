"""What each failed call means, how long to wait after it, and the loop around calls that may be repeated."""

from __future__ import annotations

import pytest
import trio
from support.settings import model_retry
from support.virtual import VirtualClock, run_virtual

from fanout.domain.failures import FailureKind, failure_kind
from fanout.domain.retry_policy import backoff_s
from fanout.engine.retrying import retriable, retry_call
from fanout.errors import CallError, Exit, Phase, RunError

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
        (failed("ResourceNotFound", 400), FailureKind.RUN),
        (failed("NoSuchBucket", 404), FailureKind.RUN),
        (failed("AWS.SimpleQueueService.NonExistentQueue", 400), FailureKind.RUN),
        (failed("SomethingNew", 401), FailureKind.RUN),
        (failed("SomethingNew", 403), FailureKind.RUN),
        (failed("404", 404), FailureKind.RUN),
        # credentials
        (failed("ExpiredToken", 403), FailureKind.CREDENTIALS),
        (failed("ExpiredToken", 400), FailureKind.CREDENTIALS),
        (failed("ExpiredTokenException", 403), FailureKind.CREDENTIALS),
        (failed("RequestExpired", 400), FailureKind.CREDENTIALS),
    ],
    ids=lambda value: (
        f"{value.code}-{value.status}-{value.phase.value}" if isinstance(value, CallError) else value.name
    ),
)
def test_a_failed_call_means(error, verdict):
    assert failure_kind(error) is verdict


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


@pytest.mark.parametrize(
    ("error", "repeated"),
    [
        (failed("SlowDown", 503), True),
        (failed("InternalError", 500), True),
        (failed("ConnectionRefusedError", phase=CONNECT), True),
        (failed("ReadTimeoutError", phase=EXCHANGE), True),
        (failed("ExpiredToken", 403), True),
        (failed("AccessDenied", 403), False),
        (failed("NoSuchKey", 404), False),
        (failed("PreconditionFailed", 412), False),
        (ValueError("a bug of ours"), False),
        (RunError("over"), False),
    ],
    ids=str,
)
def test_a_harmless_call_is_repeated_after(error, repeated):
    assert retriable(error) is repeated


@pytest.mark.parametrize(
    ("tries", "longest"),
    [(1, 0.2), (2, 0.4), (3, 0.8), (4, 1.6), (7, 12.8), (8, 20.0), (9, 20.0), (5_000, 20.0)],
)
def test_backoff_is_exponential_with_full_jitter_and_a_cap(tries, longest):
    assert backoff_s(tries, draw=0.0) == 0.0
    assert backoff_s(tries, draw=0.5) == pytest.approx(longest / 2)
    assert backoff_s(tries, draw=0.999) == pytest.approx(0.999 * longest)


def test_backoff_takes_its_base_and_its_cap():
    assert backoff_s(3, draw=0.5, base_s=1.0, cap_s=100.0) == 2.0
    assert backoff_s(30, draw=0.5, base_s=1.0, cap_s=7.0) == 3.5


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("ClientError: Received server error (500) from model with message ...", True),
        ("Received server error (503) from primary", True),
        ("Invocation timed out while waiting for the model", True),
        ("Model container TIMEOUT", True),
        ("Internal Server Error", True),
        ("Received client error (400) from model", False),
        ("unsupported content type", False),
        ("", False),
        (None, False),
    ],
)
def test_a_model_failure_that_may_pass_is_tried_again(text, allowed):
    assert model_retry().allows(generation=0, text=text) is allowed


@pytest.mark.parametrize(("generations", "allowed"), [(0, 0), (1, 1), (3, 3)])
def test_a_row_has_so_many_generations_beyond_the_first(generations, allowed):
    retry = model_retry(generations=generations)
    assert [retry.allows(generation=number, text="timeout") for number in range(6)] == [
        number < allowed for number in range(6)
    ]


def test_the_users_patterns_replace_ours():
    retry = model_retry(patterns=("CUDA out of memory",))
    assert retry.allows(generation=0, text="error: cuda OUT of memory at 0x0")
    assert not retry.allows(generation=0, text="timeout")
    assert not model_retry(patterns=()).allows(generation=0, text="timeout")


class Script:
    """A call that fails as told, then answers; remembers when it was made."""

    def __init__(self, *errors, answer="done", takes_s=0.0):
        self._errors = list(errors)
        self._answer = answer
        self._takes_s = takes_s
        self.at = []

    async def __call__(self):
        self.at.append(trio.current_time())
        await trio.sleep(self._takes_s)
        if self._errors:
            raise self._errors.pop(0)
        return self._answer


class Endless(Script):
    """A call that always fails the same way; a bug of the loop's if it is made 500 times."""

    async def __call__(self):
        assert len(self.at) < 500, f"still repeated after {trio.current_time():,.0f} s"
        self._errors = [self._answer]
        return await super().__call__()


def persisted(call, **options):
    """Return what persist returned or raised."""

    async def main():
        try:
            return await retry_call(call, operation="s3:GetObject", clock=VirtualClock(), **options)
        except (CallError, RunError) as error:
            return error

    return run_virtual(main)


def test_a_call_that_succeeds_is_made_once_and_never_reaches_tenacity(monkeypatch):
    monkeypatch.setattr("fanout.engine.retrying.AsyncRetrying", None)
    call = Script()
    assert persisted(call) == "done"
    assert call.at == [0.0]


def test_a_call_that_cannot_succeed_never_reaches_tenacity(monkeypatch):
    monkeypatch.setattr("fanout.engine.retrying.AsyncRetrying", None)
    missing = failed("NoSuchKey", 404)
    assert persisted(Script(missing)) is missing


def test_passing_failures_are_repeated_until_it_answers():
    call = Script(
        failed("InternalError", 500),
        failed("SlowDown", 503),
        failed("ConnectionRefusedError", phase=CONNECT),
        failed("ReadTimeoutError", phase=EXCHANGE),
        failed("ExpiredToken", 403),
    )
    assert persisted(call) == "done"
    assert len(call.at) == 6


def test_each_repetition_waits_its_turn():
    call = Script(*[failed("SlowDown", 503)] * 4)
    assert persisted(call) == "done"
    gaps = [after - before for before, after in zip(call.at, call.at[1:], strict=False)]
    # A gap of exactly 0 would be a draw of 0 out of 2**53.
    assert all(0 < gap <= 0.2 * 2**number for number, gap in enumerate(gaps)), gaps


def test_jitter_differs_from_call_to_call():
    first, second = Script(*[failed("SlowDown", 503)] * 4), Script(*[failed("SlowDown", 503)] * 4)
    persisted(first)
    persisted(second)
    assert first.at[2:] != second.at[2:]


def test_it_waits_as_long_as_the_service_asks():
    call = Script(failed("SlowDown", 503, retry_after_s=7.0))
    assert persisted(call) == "done"
    assert call.at[1] >= 7.0


def test_no_attempt_is_made_after_the_time_to_give_up():
    call = Endless(answer=failed("InternalError", 500), takes_s=1.0)
    error = persisted(call, give_up_after_s=20.0)
    assert isinstance(error, RunError)
    assert 3 <= len(call.at) <= 21
    assert max(call.at) <= 20.0


def test_a_slow_first_attempt_counts_towards_giving_up():
    call = Endless(answer=failed("ReadTimeoutError", phase=EXCHANGE), takes_s=60.0)
    assert isinstance(persisted(call, give_up_after_s=50.0), RunError)
    assert call.at == [0.0]


def test_at_the_end_the_run_fails_with_the_next_step():
    last = failed("ServiceUnavailable", 503, message="try later", request_id="R1")
    error = persisted(Endless(answer=last), give_up_after_s=0.0)
    assert isinstance(error, RunError)
    assert error.exit is Exit.PRECONDITION
    assert error.__cause__ is last
    assert str(error).startswith("s3:GetObject: ServiceUnavailable: try later (request R1). ")
    assert "health dashboard" in str(error)


@pytest.mark.parametrize(
    "error",
    [
        failed("NoSuchKey", 404),
        failed("404", 404),
        failed("PreconditionFailed", 412),
        failed("AccessDenied", 403),
    ],
    ids=str,
)
@pytest.mark.parametrize("before", [0, 2])
def test_what_it_says_about_one_object_is_the_callers(error, before):
    # AccessDenied among them: without s3:ListBucket it may mean that the object is missing.
    call = Script(*[failed("InternalError", 500)] * before, error)
    assert persisted(call) is error
    assert len(call.at) == before + 1


@pytest.mark.parametrize(
    "error", [failed("UnrecognizedClientException", 403), failed("QueueDoesNotExist", 400)], ids=str
)
def test_a_service_that_will_not_answer_ends_the_run(error):
    """As persist's docstring says: denied and gone raise RunError, and neither is about one object."""
    raised = persisted(Script(error))
    assert isinstance(raised, RunError)
    assert error.code in str(raised)


def test_our_own_bugs_pass_through():
    async def main():
        with pytest.raises(ZeroDivisionError):
            await retry_call(Script(ZeroDivisionError()), operation="s3:GetObject", clock=VirtualClock())
        return trio.current_time()

    assert run_virtual(main) == 0.0
