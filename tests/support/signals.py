"""Signals that a test sends to a `Supervisor` without sending them to the process that it runs in."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import contextmanager

import anyio
import pytest
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from fanout.runtime import supervisor


class Signals:
    """`send` is what the operating system does; a receiver must be listening, as `listening` says."""

    def __init__(self) -> None:
        self.listening = 0
        self._streams: list[MemoryObjectSendStream[int]] = []

    def send(self, number: int) -> None:
        assert self.listening, "the process would have been killed"
        for stream in self._streams:
            stream.send_nowait(number)

    @contextmanager
    def receiver(self, *_numbers: int):
        send, receive = anyio.create_memory_object_stream[int](10)
        self._streams.append(send)
        self.listening += 1
        try:
            yield _Received(receive)
        finally:
            self.listening -= 1
            self._streams.remove(send)
            send.close()
            receive.close()


class _Received:
    def __init__(self, stream: MemoryObjectReceiveStream[int]) -> None:
        self._stream = stream

    def __aiter__(self) -> AsyncIterator[int]:
        return self

    async def __anext__(self) -> int:
        return await self._stream.receive()


def fake_signals(monkeypatch: pytest.MonkeyPatch) -> Signals:
    """Have supervisors listen to the `Signals` that are returned, in whichever thread the test runs."""
    signals = Signals()
    monkeypatch.setattr(supervisor.anyio, "open_signal_receiver", signals.receiver)
    monkeypatch.setattr(supervisor.threading, "main_thread", threading.current_thread)
    return signals
