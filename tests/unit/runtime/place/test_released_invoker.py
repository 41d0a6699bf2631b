"""A request is looked at when it leaves, and again when its connection is there."""

from __future__ import annotations

import anyio
import pytest
from support.memory import invocation

from fanout.domain.failures import FailureKind, failure_kind
from fanout.errors import NOT_RELEASED, CallError
from fanout.runtime.place.released_invoker import ReleasedInvoker


class Sends:
    def __init__(self):
        self.sent = []

    async def invoke(self, given):
        self.sent.append(given)
        return "reply"


def test_it_sends_what_may_leave_and_says_how_to_look_again():
    async def main():
        answers = [True, False]
        sends = Sends()
        released = ReleasedInvoker(sends, lambda: answers.pop(0))
        assert await released.invoke(invocation()) == "reply"
        assert not sends.sent[0].may_leave()

    anyio.run(main)


def test_what_may_not_leave_was_certainly_not_sent():
    async def main():
        sends = Sends()
        with pytest.raises(CallError) as caught:
            await ReleasedInvoker(sends, lambda: False).invoke(invocation())
        assert caught.value.code == NOT_RELEASED
        assert failure_kind(caught.value) is FailureKind.NOT_SENT
        assert sends.sent == []

    anyio.run(main)
