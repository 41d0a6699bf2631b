"""The loop around calls that may be repeated: when it repeats, how long it waits, what it raises in the end."""

from __future__ import annotations

import pytest
import trio
from support.virtual import VirtualClock, run_virtual

from fanout.engine.retrying import retriable, retry_call
from fanout.errors import CallError, Exit, Phase, RunError

REPLY, CONNECT, EXCHANGE = Phase.REPLY, Phase.CONNECT, Phase.EXCHANGE


def failed(code, status=None, phase=REPLY, **facts):
    return CallError(phase, code, status=status, **facts)


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


def retried(call, **options):
    """Return what `retry_call` returned or raised."""

    async def main():
        try:
            return await retry_call(call, operation="s3:GetObject", clock=VirtualClock(), **options)
        except (CallError, RunError) as error:
            return error

    return run_virtual(main)


def test_a_call_that_succeeds_is_made_once_and_never_reaches_tenacity(monkeypatch):
    monkeypatch.setattr("fanout.engine.retrying.AsyncRetrying", None)
    call = Script()
    assert retried(call) == "done"
    assert call.at == [0.0]


def test_a_call_that_cannot_succeed_never_reaches_tenacity(monkeypatch):
    monkeypatch.setattr("fanout.engine.retrying.AsyncRetrying", None)
    missing = failed("NoSuchKey", 404)
    assert retried(Script(missing)) is missing


def test_passing_failures_are_repeated_until_it_answers():
    call = Script(
        failed("InternalError", 500),
        failed("SlowDown", 503),
        failed("ConnectionRefusedError", phase=CONNECT),
        failed("ReadTimeoutError", phase=EXCHANGE),
        failed("ExpiredToken", 403),
    )
    assert retried(call) == "done"
    assert len(call.at) == 6


def test_each_repetition_waits_its_turn():
    call = Script(*[failed("SlowDown", 503)] * 4)
    assert retried(call) == "done"
    gaps = [after - before for before, after in zip(call.at, call.at[1:], strict=False)]
    # A gap of exactly 0 would be a draw of 0 out of 2**53.
    assert all(0 < gap <= 0.2 * 2**number for number, gap in enumerate(gaps)), gaps


def test_jitter_differs_from_call_to_call():
    first, second = Script(*[failed("SlowDown", 503)] * 4), Script(*[failed("SlowDown", 503)] * 4)
    retried(first)
    retried(second)
    assert first.at[2:] != second.at[2:]


def test_it_waits_as_long_as_the_service_asks():
    call = Script(failed("SlowDown", 503, retry_after_s=7.0))
    assert retried(call) == "done"
    assert call.at[1] >= 7.0


def test_no_attempt_is_made_after_the_time_to_give_up():
    call = Endless(answer=failed("InternalError", 500), takes_s=1.0)
    error = retried(call, give_up_after_s=20.0)
    assert isinstance(error, RunError)
    assert 3 <= len(call.at) <= 21
    assert max(call.at) <= 20.0


def test_a_slow_first_attempt_counts_towards_giving_up():
    call = Endless(answer=failed("ReadTimeoutError", phase=EXCHANGE), takes_s=60.0)
    assert isinstance(retried(call, give_up_after_s=50.0), RunError)
    assert call.at == [0.0]


def test_at_the_end_the_run_fails_with_the_next_step():
    last = failed("ServiceUnavailable", 503, message="try later", request_id="R1")
    error = retried(Endless(answer=last), give_up_after_s=0.0)
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
    assert retried(call) is error
    assert len(call.at) == before + 1


@pytest.mark.parametrize(
    "error", [failed("UnrecognizedClientException", 403), failed("QueueDoesNotExist", 400)], ids=str
)
def test_a_service_that_will_not_answer_ends_the_run(error):
    """As its docstring says: denied and gone raise RunError, and neither is about one object."""
    raised = retried(Script(error))
    assert isinstance(raised, RunError)
    assert error.code in str(raised)


def test_our_own_bugs_pass_through():
    async def main():
        with pytest.raises(ZeroDivisionError):
            await retry_call(Script(ZeroDivisionError()), operation="s3:GetObject", clock=VirtualClock())
        return trio.current_time()

    assert run_virtual(main) == 0.0
