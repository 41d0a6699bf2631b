"""Implements the engine's ports on a `World`, without network or tasks of its own; tests and simulations run on it.

It takes what `ports` says and raises `CallError`, nothing else. Time passes by the clock that is handed in: calls
and long polls let the world advance to it. Faults and latencies are the settings'.
"""

from __future__ import annotations

from collections.abc import Sequence

from fanout.domain.leftovers import Leftovers
from fanout.domain.records import Invocation, Message, Reply
from fanout.errors import CallError, Phase
from fanout.ports import Clock, Control, Invoker, ObjectStore, Queue
from fanout.simulator.errors import ServiceError
from fanout.simulator.faults import FOREIGN_LOCATION, InvokeFault
from fanout.simulator.limits import AsyncRequest
from fanout.simulator.ports.control import MemoryControl, queue_name
from fanout.simulator.ports.latency import Wire, reply_error
from fanout.simulator.ports.leftovers import MemoryLeftovers
from fanout.simulator.ports.objects import MemoryObjects
from fanout.simulator.queues import MAX_RECEIVE
from fanout.simulator.world import Accepted, World

CALL_TIMEOUT_S = 30.0  # after which a client gives up a reply that hangs or dribbles
MAX_WAIT_S = 20.0  # SQS API reference: WaitTimeSeconds


class MemoryCloud:
    """Implements `ports.Cloud`; needs no opening and no closing.

    Args:
        world: The account. Several clouds may share one: another process, a resumed run.
        clock: The run's clock; must not be behind the world's.

    Attributes:
        world: As given, for tests to look into.
    """

    def __init__(self, world: World, clock: Clock) -> None:
        self.world = world
        self._wire = Wire(world, clock)
        self.invoker: Invoker = _MemoryInvoker(self._wire)
        self.objects: ObjectStore = MemoryObjects(self._wire)
        self.control: Control = MemoryControl(self._wire)
        self.leftovers: Leftovers = MemoryLeftovers(self._wire)

    def queue(self, url: str) -> Queue:
        """Return the queue at `url`; whether it is there shows at the first call."""
        return _MemoryQueue(self._wire, queue_name(url))


class _MemoryInvoker:
    """Implements `ports.Invoker`."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def invoke(self, invocation: Invocation) -> Reply:
        wire, world = self._wire, self._wire.world
        fault = world.faults.invoke()
        latency_s = wire.latency(world.settings.latency.runtime)
        await wire.travel(latency_s / 2)
        if fault is not None and not fault.accepted:
            raise _failure(fault, world)
        now = wire.now()
        try:
            world.faults.permit("InvokeEndpointAsync")
            accepted = world.invoke(_request(invocation), now=now)
        except ServiceError as error:
            raise reply_error(error) from error
        while not world.may_reply(accepted.inference_id):
            await wire.nap(now + CALL_TIMEOUT_S)
            if wire.now() >= now + CALL_TIMEOUT_S:
                raise CallError(Phase.EXCHANGE, "ReadTimeout", message="no reply within the call's time")
        if latency_s:
            await wire.travel(latency_s / 2)
        if fault in {InvokeFault.HANG, InvokeFault.DRIBBLE}:
            await wire.travel(CALL_TIMEOUT_S)
        if fault is None or fault is InvokeFault.WRONG_LOCATION:
            return _reply(accepted, fault)
        raise _failure(fault, world)


class _MemoryQueue:
    """Implements `ports.Queue`."""

    def __init__(self, wire: Wire, name: str) -> None:
        self._wire = wire
        self._name = name
        self._spread = wire.world.settings.latency.sqs

    async def receive(self, *, max_messages: int = 10, wait_s: float = MAX_WAIT_S) -> Sequence[Message]:
        if not 0 <= wait_s <= MAX_WAIT_S:
            raise CallError(
                Phase.REPLY,
                "InvalidParameterValue",
                status=400,
                message="WaitTimeSeconds must be between 0 and 20",
            )
        wire, queues = self._wire, self._wire.world.queues
        latency_s = wire.latency(self._spread)
        await wire.travel(latency_s / 2)
        deadline = wire.now() + wait_s
        try:
            wire.world.faults.permit("ReceiveMessage")
            while True:
                now = wire.now()
                received = queues.receive(self._name, max_messages=max_messages, now=now)
                if received or now >= deadline:
                    break
                visible_at = queues.next_visible_at(self._name, now=now)
                await wire.nap(
                    deadline if visible_at is None else min(deadline, visible_at), queue=self._name
                )
        except ServiceError as error:
            raise reply_error(error) from error
        if latency_s:
            await wire.travel(latency_s / 2)
        return [Message(body=item.body, receipt=item.receipt) for item in received]

    async def delete(self, receipts: Sequence[str]) -> Sequence[str]:
        def work(now: float) -> list[str]:
            if not 1 <= len(receipts) <= MAX_RECEIVE:
                raise ServiceError(
                    400,
                    "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
                    "1 to 10 messages are deleted in one call",
                )
            return [receipt for receipt in receipts if not self._delete_one(receipt, now)]

        return await self._wire.call("DeleteMessageBatch", self._spread, work)

    def _delete_one(self, receipt: str, now: float) -> bool:
        """Whether SQS says of this entry that it was deleted."""
        if self._wire.world.faults.refuses_delete():
            return False
        try:
            self._wire.world.queues.delete_message(self._name, receipt, now=now)
        except ServiceError as error:
            if error.code != "ReceiptHandleIsInvalid":
                raise
            return False
        return True


def _request(invocation: Invocation) -> AsyncRequest:
    options = invocation.options
    return AsyncRequest(
        invocation.endpoint,
        body=invocation.body,
        input_location=invocation.input_location,
        content_type=options.content_type,
        accept=options.accept,
        custom_attributes=options.custom_attributes,
        inference_id=invocation.inference_id,
        output_extension=invocation.output_extension,
        filename=invocation.filename,
        ttl_s=options.ttl_s,
        invocation_timeout_s=options.invocation_timeout_s,
    )


def _reply(accepted: Accepted, fault: InvokeFault | None) -> Reply:
    output = accepted.output_location if fault is None else FOREIGN_LOCATION
    return Reply(accepted.inference_id, output, accepted.failure_location, request_id="simulated")


def _failure(fault: InvokeFault, world: World) -> CallError:
    """Return how a client sees `fault`; transport errors have no status."""
    phase, code, status = _FAILURES[fault]
    retry_after_s = world.settings.throttle.retry_after_s if fault is InvokeFault.THROTTLE else None
    return CallError(
        phase, code, message=f"simulated: {fault.value}", status=status, retry_after_s=retry_after_s
    )


_FAILURES: dict[InvokeFault, tuple[Phase, str, int | None]] = {
    InvokeFault.REFUSE: (Phase.CONNECT, "ConnectionRefusedError", None),
    InvokeFault.RESET_BEFORE: (Phase.EXCHANGE, "ConnectionResetError", None),
    InvokeFault.THROTTLE: (Phase.REPLY, "ThrottlingException", 400),
    InvokeFault.SERVER_ERROR: (Phase.REPLY, "InternalFailure", 500),
    InvokeFault.HTML_ERROR: (Phase.REPLY, "502", 502),
    InvokeFault.SERVER_ERROR_AFTER: (Phase.REPLY, "InternalFailure", 500),
    InvokeFault.RESET_AFTER: (Phase.EXCHANGE, "ConnectionResetError", None),
    InvokeFault.HANG: (Phase.EXCHANGE, "ReadTimeout", None),
    InvokeFault.DRIBBLE: (Phase.EXCHANGE, "ReadTimeout", None),
    InvokeFault.GARBAGE: (Phase.EXCHANGE, "UnreadableReply", 202),
    InvokeFault.NO_LOCATION: (Phase.EXCHANGE, "UnreadableReply", 202),
}
