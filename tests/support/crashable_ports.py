"""The engine's ports around a mortal process, watched: who is in flight, when it was sent, what was deleted.

Enters a `MemoryCloud`, leaves `ports.Cloud`. Each call asks the `KillSwitch` before and after, so that a kill may fall
between an effect and its reply; what breaks a bound is noted in `Watch.violations` and fails the seed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
from support.kill_switch import KillSwitch

from fanout.domain.ids import Send, parse_inference_id
from fanout.domain.location import Location
from fanout.domain.records import Invocation, Message, Reply
from fanout.ports import Admit, Clock, Control, Object, ObjectInfo, Queue, Upload, at_once
from fanout.rundir.journal import Journal
from fanout.simulator.forger import FORGED_MARKS
from fanout.simulator.ports.cloud import MemoryCloud

T = TypeVar("T")


@dataclass
class Watch:
    """What is seen of one process, and of the run over all of its processes.

    Attributes:
        durable: Rows whose part was reported durable, over all processes.
        superseded: Whether a row has gone on to a later generation: its older messages are of no more use.
        bounds: Called at every send; notes what is out of bounds.
    """

    run_id: str
    clock: Clock
    durable: set[int]
    shared_queue: bool
    superseded: Callable[[Send], bool] = lambda send: False
    bounds: Callable[[], None] = lambda: None
    sent_at: list[float] = field(default_factory=list)
    sent_ids: set[str] = field(default_factory=set)
    in_flight: int = 0
    in_flight_most: int = 0
    violations: list[str] = field(default_factory=list)

    def note(self, violation: str) -> None:
        if len(self.violations) < 5:
            self.violations.append(violation)


class WatchedJournal(Journal):
    """The journal; what it reports durable is remembered outside of it."""

    watch: Watch

    def commit_part(self, number: int, rows: Sequence[int]) -> None:
        super().commit_part(number, rows)
        again = self.watch.durable.intersection(rows)
        if again:
            self.watch.note(f"I1: rows {sorted(again)[:5]} became durable twice")
        self.watch.durable.update(rows)


class CrashableCloud:
    """`ports.Cloud` of one process."""

    def __init__(self, cloud: MemoryCloud, fate: KillSwitch, watch: Watch) -> None:
        self._cloud, self._fate, self._watch = cloud, fate, watch
        self.invoker = _Invoker(cloud, fate, watch)
        self.objects = _Objects(cloud, fate)
        self.control: Control = cloud.control

    def queue(self, url: str) -> Queue:
        return _Queue(self._cloud.queue(url), self._fate, self._watch)


async def _lived(fate: KillSwitch, call: Awaitable[T]) -> T:
    result = await call
    fate.step()
    return result


class _Invoker:
    def __init__(self, cloud: MemoryCloud, fate: KillSwitch, watch: Watch) -> None:
        self._invoker, self._fate, self._watch = cloud.invoker, fate, watch

    async def invoke(self, invocation: Invocation) -> Reply:
        self._fate.step()
        watch = self._watch
        watch.sent_at.append(watch.clock.now())
        watch.sent_ids.add(invocation.inference_id)
        watch.in_flight += 1
        watch.in_flight_most = max(watch.in_flight_most, watch.in_flight)
        watch.bounds()
        send = parse_inference_id(invocation.inference_id)
        if send is None or send.row in watch.durable:
            watch.note(f"I2: {invocation.inference_id} was sent although its row is durable")
        try:
            return await self._invoker.invoke(invocation)
        finally:
            watch.in_flight -= 1
            self._fate.step()


class _Objects:
    def __init__(self, cloud: MemoryCloud, fate: KillSwitch) -> None:
        self._objects, self._fate = cloud.objects, fate

    async def put(self, location: Location, body: bytes, **told: Any) -> str:
        self._fate.step()
        return await _lived(self._fate, self._objects.put(location, body, **told))

    async def begin_upload(self, location: Location, **told: Any) -> Upload:
        self._fate.step()
        return await _lived(self._fate, self._objects.begin_upload(location, **told))

    async def read(self, location: Location, *, start: int, size_bytes: int, etag: str) -> bytes:
        self._fate.step()
        return await self._objects.read(location, start=start, size_bytes=size_bytes, etag=etag)

    async def get(self, location: Location, *, admit: Admit = at_once) -> Object:
        self._fate.step()
        return await self._objects.get(location, admit=admit)

    async def head(self, location: Location) -> ObjectInfo | None:
        self._fate.step()
        return await self._objects.head(location)

    async def delete(self, locations: Sequence[Location]) -> Sequence[Location]:
        self._fate.step()
        return await _lived(self._fate, self._objects.delete(locations))

    def list(self, bucket: str, prefix: str) -> AsyncIterator[Sequence[ObjectInfo]]:
        self._fate.step()
        return self._objects.list(bucket, prefix)


class _Queue:
    """I3: what is deleted is durable, or of no use to anybody."""

    def __init__(self, queue: Queue, fate: KillSwitch, watch: Watch) -> None:
        self._queue, self._fate, self._watch = queue, fate, watch
        self._bodies: dict[str, str] = {}

    async def receive(self, *, max_messages: int = 10, wait_s: float = 20.0) -> Sequence[Message]:
        self._fate.step()
        messages = await _lived(self._fate, self._queue.receive(max_messages=max_messages, wait_s=wait_s))
        self._bodies.update((message.receipt, message.body) for message in messages)
        return messages

    async def delete(self, receipts: Sequence[str]) -> Sequence[str]:
        for receipt in receipts:
            self._check(self._bodies[receipt])
        self._fate.step()
        return await _lived(self._fate, self._queue.delete(receipts))

    def _check(self, body: str) -> None:
        watch = self._watch
        if any(mark in body for mark in FORGED_MARKS):  # of a request that was refused, and of no use
            return
        send = _send_of(body)
        if send is None or send.run_id != watch.run_id:
            if watch.shared_queue:
                watch.note("I3: a message of another run's was deleted from a shared queue")
        elif send.row not in watch.durable and not watch.superseded(send):
            watch.note(f"I3: a message of row {send.row} was deleted before the row was durable")


def _send_of(body: str) -> Send | None:
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    name = fields.get("inferenceId") if isinstance(fields, dict) else None
    return parse_inference_id(name) if isinstance(name, str) else None
