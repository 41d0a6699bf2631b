"""A queue against a plain model that rescans all its messages at every step."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule
from support.examples import examples

from fanout.simulator.queues import Queues, QueueStatistics

VISIBILITY_S = 30.0


@dataclass
class Modelled:
    body: str
    hidden_until: float = 0.0
    receipt: str | None = None
    receive_count: int = 0


class QueueMachine(RuleBasedStateMachine):
    """Time only moves forward; messages are told apart by their bodies."""

    receipts = Bundle("receipts")

    @initialize()
    def start(self) -> None:
        self.now = 0.0
        self.sent = 0
        self.messages: dict[str, Modelled] = {}
        self.queues = Queues(region="eu-west-1", account_id="123456789012")
        self.queues.create("q", {"VisibilityTimeout": str(int(VISIBILITY_S))})

    @rule(seconds=st.sampled_from([0.0, 0.5, 10.0, 30.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(count=st.integers(min_value=1, max_value=12))
    def send(self, count: int) -> None:
        for _ in range(count):
            body = f"m{self.sent}"
            self.sent += 1
            self.queues.send("q", body, now=self.now)
            self.messages[body] = Modelled(body)

    @rule(
        target=receipts,
        count=st.integers(min_value=1, max_value=10),
        visibility_s=st.sampled_from([None, 0.0, 5.0, 50.0]),
    )
    def receive(self, count: int, visibility_s: float | None):
        visible = [message for message in self.messages.values() if message.hidden_until <= self.now]
        received = self.queues.receive("q", max_messages=count, visibility_s=visibility_s, now=self.now)
        assert len(received) == min(count, len(visible))
        for message in received:
            modelled = self.messages[message.body]
            assert modelled.hidden_until <= self.now
            modelled.receive_count += 1
            assert message.receive_count == modelled.receive_count
            modelled.hidden_until = self.now + (VISIBILITY_S if visibility_s is None else visibility_s)
            modelled.receipt = message.receipt
        assert len({message.body for message in received}) == len(received)
        return multiple(*[(message.body, message.receipt) for message in received])

    @rule(receipt=receipts)
    def delete(self, receipt: tuple[str, str]) -> None:
        body, handle = receipt
        self.queues.delete_message("q", handle, now=self.now)
        modelled = self.messages.get(body)
        if modelled is not None and modelled.receipt == handle:
            del self.messages[body]

    @invariant()
    def counts_agree(self) -> None:
        hidden = [
            message.hidden_until for message in self.messages.values() if message.hidden_until > self.now
        ]
        visible = len(self.messages) - len(hidden)
        assert self.queues.statistics("q", now=self.now) == QueueStatistics(visible, len(hidden), self.sent)
        expected = self.now if visible else min(hidden, default=None)
        assert self.queues.next_visible_at("q", now=self.now) == expected


TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(deadline=None, max_examples=examples(60), stateful_step_count=40)
