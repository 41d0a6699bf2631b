"""Errors and their exit codes, and the one that a person should see."""

from __future__ import annotations

import pickle

import pytest

from fanout import errors
from fanout.errors import (
    CallError,
    Exit,
    Interrupted,
    Phase,
    RunError,
    UsageError,
    next_time,
    root_cause,
    unwrapped,
)


class Cancelled(BaseException):
    """A cancellation, as event loops raise it."""


def group(*members):
    return BaseExceptionGroup("tasks", members)


def test_a_run_error_is_seen_before_anything_else():
    cause = RunError("grant s3:GetObject")
    assert root_cause(group(ValueError("a"), Cancelled(), cause, KeyError("b"))) is cause


def test_a_run_error_is_seen_however_deep_it_lies():
    cause = UsageError("no such flag")
    assert root_cause(group(ValueError("a"), group(Cancelled(), group(cause)))) is cause


def test_the_first_of_several_run_errors_is_seen():
    first, second = RunError("first"), Interrupted("second")
    assert root_cause(group(group(first), second)) is first


def test_an_error_is_seen_before_a_cancellation():
    cause = ZeroDivisionError()
    assert root_cause(group(Cancelled(), KeyboardInterrupt(), group(cause))) is cause


def test_a_call_error_is_an_error_like_any_other():
    call, cause = CallError(Phase.CONNECT, "Refused"), RunError("check the region")
    assert root_cause(group(call, cause)) is cause
    assert root_cause(group(Cancelled(), call)) is call


def test_a_cancellation_alone_is_seen():
    cancelled = Cancelled()
    assert root_cause(group(group(cancelled))) is cancelled


def test_a_block_raises_the_one_that_is_seen_and_what_it_came_from():
    cause = RunError("grant s3:GetObject")
    cause.__cause__ = reply = CallError(Phase.REPLY, "AccessDenied")
    with pytest.raises(RunError) as caught, unwrapped():
        raise group(ValueError("a"), group(cause))
    assert caught.value is cause
    assert caught.value.__cause__ is reply


def test_what_else_happened_is_the_cause_of_an_error_that_has_none():
    cause = RunError("grant s3:GetObject")
    both = group(cause, ValueError("a"))
    with pytest.raises(RunError) as caught, unwrapped():
        raise both
    assert caught.value.__cause__ is both


def test_a_block_raises_as_it_is_what_is_no_group():
    cause = Cancelled()
    with pytest.raises(Cancelled) as caught, unwrapped():
        raise cause
    assert caught.value is cause
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("name", "exit_code"),
    [
        ("RunError", Exit.PRECONDITION),
        ("UsageError", Exit.USAGE),
        ("InputError", Exit.USAGE),
        ("StorageError", Exit.STORAGE),
        ("JournalError", Exit.JOURNAL),
        ("DeadlineReached", Exit.DEADLINE),
        ("Interrupted", Exit.INTERRUPTED),
        ("TooManyFailures", Exit.ROWS_FAILED),
    ],
)
def test_each_end_of_a_run_has_its_exit_code(name, exit_code):
    kind = getattr(errors, name)
    assert kind("text").exit is exit_code
    assert issubclass(kind, RunError)


def test_exit_codes_are_as_documented():
    assert {code.name: int(code) for code in Exit} == {
        "OK": 0,
        "BUG": 1,
        "USAGE": 2,
        "ROWS_FAILED": 3,
        "PRECONDITION": 4,
        "JOURNAL": 5,
        "STORAGE": 6,
        "DEADLINE": 7,
        "INTERRUPTED": 75,
    }


@pytest.mark.parametrize(
    ("code", "status", "missing"),
    [
        ("NoSuchKey", 404, True),
        ("404", 404, True),
        ("NoSuchKey", None, True),
        ("AccessDenied", 403, False),
        ("InternalError", 500, False),
        ("NoSuchBucket", 404, False),
    ],
)
def test_missing_means_that_the_object_is_not_there(code, status, missing):
    """A bucket that is not there is no missing object: every row would be waited for until its deadline."""
    assert CallError(Phase.REPLY, code, status=status).missing is missing


def test_a_call_error_says_what_happened():
    assert str(CallError(Phase.REPLY, "SlowDown", message="Please reduce your request rate.")) == (
        "SlowDown: Please reduce your request rate."
    )
    assert str(CallError(Phase.CONNECT, "ConnectionRefusedError")) == "ConnectionRefusedError"


def test_where_there_is_nothing_to_resume_an_error_of_the_disk_says_another_step():
    error = errors.StorageError(f"cannot write out.parquet: full; free space there, {errors.THEN_RESUME}")
    with pytest.raises(errors.StorageError) as caught, next_time("export it again"):
        raise error
    assert caught.value is error
    assert str(error) == "cannot write out.parquet: full; free space there, then export it again"


def test_several_mistakes_are_a_line_each_and_a_file_s_text_begins_none():
    several = UsageError("rate: should be a number", "unknown key 'x'")
    assert several.lines == ("rate: should be a number", "unknown key 'x'")
    assert str(several).splitlines() == list(several.lines)
    assert UsageError("a name with\na line end").lines == ("a name with\na line end",)
    assert pickle.loads(pickle.dumps(several)).args == several.args
