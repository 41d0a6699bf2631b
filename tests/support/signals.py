"""Signals that a test sends to what listens for them, without sending them to the process that it runs in."""

from __future__ import annotations

import signal
from contextlib import contextmanager

import pytest

from fanout.concurrency import signals


class FakeSignals:
    """`send` is what the operating system does; something must be listening, as `listening` says."""

    def __init__(self) -> None:
        self._hearers: list[signals.Hear] = []

    @property
    def listening(self) -> int:
        return len(self._hearers)

    def send(self, number: int) -> None:
        assert self._hearers, "the process would have been killed"
        for hear in list(self._hearers):
            hear(signal.Signals(number).name)

    @contextmanager
    def receiver(self, hear: signals.Hear):
        self._hearers.append(hear)
        try:
            yield
        finally:
            self._hearers.remove(hear)


def fake_signals(monkeypatch: pytest.MonkeyPatch) -> FakeSignals:
    """Have what listens for signals hear those that are sent to the `FakeSignals` that is returned."""
    fake = FakeSignals()
    monkeypatch.setattr(signals, "listening", fake.receiver)
    return fake
