"""Defines every error of the program: a failed call, a failed row, a failed run, each with its next step.

A failed *call* is a `CallError` with raw facts; `domain.failures` decides what it means. A failed *row* is a
value (`records.Rejected`, `records.Outcome`). A failed *run* is a `RunError`, whose message names the remedy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, IntEnum, unique


@unique
class Exit(IntEnum):
    """Exit codes of the command line; schedulers branch on them."""

    OK = 0
    """Every row succeeded, or there was nothing new to do."""
    BUG = 1
    """A bug of fanout: the traceback on stderr is what to report; `fanout resume` goes on where the run was."""
    USAGE = 2
    """Usage or configuration: nothing was sent; the message says what to write instead."""
    ROWS_FAILED = 3
    """Finished, and some rows failed: each has its `error_code` in the output; `fanout retry` sends them again."""
    PRECONDITION = 4
    """A precondition on AWS is not met (endpoint, permission, queue): the message names it; then `fanout resume`."""
    JOURNAL = 5
    """Another process uses the run or its output, or the run's journal is damaged: the message says which."""
    STORAGE = 6
    """The disk is full or fails, or too many files are open: make room, then `fanout resume`."""
    DEADLINE = 7
    """The run's own deadline (`--deadline`) has passed: what was collected is safe; `fanout resume` goes on."""
    INTERRUPTED = 75
    """Interrupted by a signal: `fanout resume` goes on, if anything was sent."""


@unique
class Phase(Enum):
    """How far a call had come when it failed; decides whether it may have taken effect."""

    CONNECT = "connect"
    """The request was certainly not read: refused, DNS, TLS, connect timeout."""
    EXCHANGE = "exchange"
    """Bytes may have been read: reset, truncated or unreadable reply, timeout after sending."""
    REPLY = "reply"
    """A whole reply arrived; `status` and `code` hold what it said."""


NOT_RELEASED = "NotReleased"
"""Code of a request that was not sent, as it might not leave any more when it could have (`Invocation.may_leave`)."""


THEN_RESUME = "then `fanout resume`"
"""The next step of an error of the disk; `next_time` puts another in its place where there is nothing to resume."""


NO_DESCRIPTORS = "too many files and connections are open: raise `ulimit -n`, or lower --concurrency"
"""What EMFILE and ENFILE mean, and what to do about them."""


class CallError(Exception):
    """One call to AWS failed; the facts, undecided.

    Attributes:
        phase: How far the call had come.
        code: The error code of the reply (`ThrottlingException`), or the name of the transport error.
        status: The HTTP status of the reply, None without one.
        message: Text for a person; never parsed.
        retry_after_s: What the reply asked for (`x-amz-retry-after`, `Retry-After`), in seconds.
        request_id: AWS's id of the request, for a support case.
        skew_s: How far the clock of the server, by its reply's Date, is ahead of ours, in seconds; None without one.
    """

    def __init__(
        self,
        phase: Phase,
        code: str,
        *,
        message: str = "",
        status: int | None = None,
        retry_after_s: float | None = None,
        request_id: str | None = None,
        skew_s: float | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.phase = phase
        self.code = code
        self.message = message
        self.status = status
        self.retry_after_s = retry_after_s
        self.request_id = request_id
        self.skew_s = skew_s

    @property
    def missing(self) -> bool:
        """Whether S3 said that the object is not there.

        Without `s3:ListBucket` S3 answers 403 for a missing key; see `ObjectStore.get`.
        """
        return self.code in {"NoSuchKey", "NotFound", "404"} or (
            self.status == 404 and self.code != "NoSuchBucket"
        )


def not_released() -> CallError:
    """Return the error of a request that might not leave any more: nothing of it was written."""
    return CallError(Phase.CONNECT, NOT_RELEASED, message="another process may own the run")


class RunError(Exception):
    """The run cannot go on; the message says why and what to do next.

    Attributes:
        exit: The exit code that the command line leaves with.
    """

    exit = Exit.PRECONDITION

    @property
    def lines(self) -> tuple[str, ...]:
        """What a person reads, a line for each thing that is wrong."""
        return (str(self),)


class UsageError(RunError):
    """A flag, a key of the configuration, or an input that cannot be used as asked.

    Args:
        said: A sentence for each thing that is wrong: all of it is told at once.
    """

    exit = Exit.USAGE

    def __init__(self, *said: str) -> None:
        super().__init__("\n".join(said))
        self._has_several = len(said) > 1

    @property
    def lines(self) -> tuple[str, ...]:
        """What a person reads, a line for each thing that is wrong."""
        # Of one sentence every character is a file's or a person's: a line end in it begins no line.
        return tuple(str(self).split("\n")) if self._has_several else (str(self),)


class UnfinishedRun(UsageError):  # noqa: N818 - reads as what is the case
    """The output has an unfinished run, and the start was not asked to go on with it.

    Args:
        message: May name `fanout resume DIRECTORY`, in backquotes.
        where: The run's directory, or its place in S3.
    """

    def __init__(self, message: str, *, where: str) -> None:
        super().__init__(message)
        self.where = where

    def name_line(self, line: str) -> None:
        """Name the command line that goes on with the run, in place of a resume of its directory."""
        self.args = (re.sub("`fanout resume [^`]+`", lambda _: f"`{line}`", str(self)),)


class InputError(UsageError):
    """The input as a whole is unreadable: not Parquet, truncated gzip, a missing column; with its place."""


class NothingFound(InputError):  # noqa: N818 - reads as what is the case
    """A path means no file at all."""


class NothingNew(RunError):  # noqa: N818 - reads as what is the case
    """No file is new since the last night: there is nothing to do, and that is no failure."""

    exit = Exit.OK


class StorageError(RunError):
    """The disk is full or failed; nothing that was reported durable is lost."""

    exit = Exit.STORAGE


class JournalError(RunError):
    """The journal is in use by another process, damaged, or does not fit the run."""

    exit = Exit.JOURNAL


class Fenced(JournalError):  # noqa: N818 - reads as what happened
    """Another process has taken the run over: this one touches nothing of it any more."""


class StateLost(RunError):  # noqa: N818 - reads as what is the case
    """The state of the run can no longer be written to its place in S3; what is there is whole.

    Args:
        message: Names the next step.
        denied: Whether S3 refuses it, and does not fail to answer.
    """

    def __init__(self, message: str, *, denied: bool) -> None:
        super().__init__(message)
        self.exit = Exit.PRECONDITION if denied else Exit.INTERRUPTED


class DeadlineReached(RunError):  # noqa: N818 - reads as what happened
    """The run's own deadline has passed; what was collected is durable."""

    exit = Exit.DEADLINE


class Interrupted(RunError):  # noqa: N818 - reads as what happened
    """A signal ended the run; what was collected is durable.

    Attributes:
        by: The signal's name; None if something else ended the run.
    """

    exit = Exit.INTERRUPTED

    def __init__(self, message: str, *, by: str | None = None) -> None:
        super().__init__(message)
        self.by = by


class TooManyFailures(RunError):  # noqa: N818 - reads as what happened
    """More rows failed than `max_failures` allows."""

    exit = Exit.ROWS_FAILED


@contextmanager
def next_time(step: str) -> Iterator[None]:
    """Have an error of the disk from inside end in `then STEP`: there is no run that could be resumed."""
    try:
        yield
    except RunError as error:
        error.args = (str(error).replace(THEN_RESUME, f"then {step}"),)
        raise


@contextmanager
def unwrapped() -> Iterator[None]:
    """Have a block with a task group in it raise what its tasks or its body raised, and not a group of that.

    Code that opens a task group around other code opens it inside this block: exit codes, and callers in Python, go by
    the error's own type. What that error came from, such as AWS's reply, stays its cause.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        cause = root_cause(group)
        raise cause from cause.__cause__ or group


def root_cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the one exception of `group` that a person should see.

    A task group wraps what its tasks raise, and one cause often takes several workers down: a `RunError` tells
    most, then any other error, then a cancellation.
    """
    leaves = list(_leaves(group))
    for kind in (RunError, Exception):
        for leaf in leaves:
            if isinstance(leaf, kind):
                return leaf
    return leaves[0]


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
