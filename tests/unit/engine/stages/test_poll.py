"""A queue that cannot be read: what that means for the run, and that it is said once."""

from __future__ import annotations

import pytest
import trio
from support.flow import RecordingFlow
from support.virtual import VirtualClock, run_virtual

from fanout.domain.output_paths import OutputPaths
from fanout.engine.open_rows import OpenRows
from fanout.engine.stages.poll import Poll, Trouble, trouble
from fanout.errors import CallError, Phase, RunError

REPLY, CONNECT, EXCHANGE = Phase.REPLY, Phase.CONNECT, Phase.EXCHANGE
GONE = "AWS.SimpleQueueService.NonExistentQueue"


def failed(code, status=400, phase=REPLY):
    return CallError(phase, code, status=status)


@pytest.mark.parametrize(
    ("error", "never_heard", "heard"),
    [
        (failed(GONE), Trouble.LOST, Trouble.LOST),
        (failed("QueueDoesNotExist"), Trouble.LOST, Trouble.LOST),
        (failed("AccessDenied", 403), Trouble.STOP, Trouble.LOST),
        (failed("KmsAccessDenied"), Trouble.STOP, Trouble.LOST),
        (failed("KmsDisabled"), Trouble.STOP, Trouble.LOST),
        (failed("InternalError", 500), Trouble.SILENT, Trouble.SILENT),
        (failed("RequestThrottled"), Trouble.SILENT, Trouble.SILENT),
        (failed("ConnectionRefusedError", None, CONNECT), Trouble.SILENT, Trouble.SILENT),
        (failed("ReadTimeout", None, EXCHANGE), Trouble.SILENT, Trouble.SILENT),
        (failed("ExpiredToken", 403), Trouble.STOP, Trouble.STOP),
        (failed("InvalidClientTokenId", 403), Trouble.STOP, Trouble.STOP),
        (failed("SignatureDoesNotMatch", 403), Trouble.STOP, Trouble.STOP),
    ],
    ids=str,
)
def test_what_a_refusal_means_for_the_run(error, never_heard, heard):
    assert trouble(error, heard=False) is never_heard
    assert trouble(error, heard=True) is heard


class Script:
    """A queue that answers as told, then for ever with the last of it."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.polls = 0

    async def receive(self, *, max_messages, wait_s):
        self.polls += 1
        await trio.sleep(1.0)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, CallError):
            raise answer
        return answer


def poll(*answers, pollers=1, shared=False, for_s=1_000.0):
    """Let pollers poll; return the queue, what was warned of, how often it was called lost, and what it raised."""
    queue, warned, lost, raised = Script(*answers), [], [], []

    async def main():
        rows = OpenRows("abcdefghij", outputs=OutputPaths("abcdefghij"), failures=OutputPaths("abcdefghij"))
        stage = Poll(
            queue=queue,
            rows=rows,
            flow=RecordingFlow(rows),
            clock=VirtualClock(),
            shared=shared,
            trust=False,
            warn=warned.append,
            lost=lambda: lost.append(trio.current_time()),
        )

        async def one():
            try:
                await stage.poller()
            except RunError as error:
                raised.append(error)

        with trio.move_on_after(for_s):
            async with trio.open_nursery() as nursery:
                for _ in range(pollers):
                    nursery.start_soon(one)

    run_virtual(main)
    return queue, warned, lost, raised


@pytest.mark.parametrize("shared", [False, True])
def test_a_queue_that_is_gone_ends_the_polling_and_not_the_run(shared):
    queue, warned, lost, raised = poll([], failed(GONE), pollers=8, shared=shared)
    assert raised == []
    assert warned == [f"the queue is gone ({GONE}): results are found by listing the output path"]
    assert len(lost) == 1
    assert queue.polls <= 16, "nothing asks on"


def test_a_queue_that_is_taken_away_is_as_good_as_gone():
    _, warned, lost, raised = poll([], failed("AccessDenied", 403), pollers=3)
    assert (raised, len(lost)) == ([], 1)
    assert warned == [
        "the queue is refused from now on (AccessDenied): results are found by listing the output path"
    ]


def test_a_role_that_never_could_read_the_queue_is_told_the_right():
    _, warned, lost, raised = poll(failed("AccessDenied", 403))
    assert (warned, lost) == ([], [])
    assert "Grant sqs:ReceiveMessage" in str(raised[0])
    assert isinstance(raised[0].__cause__, CallError)


def test_a_service_that_does_not_answer_is_asked_again():
    queue, warned, lost, raised = poll(failed("ServiceUnavailable", 503), for_s=600.0)
    assert (lost, raised) == ([], [])
    assert set(warned) == {"the queue does not answer (ServiceUnavailable): S3 is looked into meanwhile"}
    assert 20 < queue.polls < 600
