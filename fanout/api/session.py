"""Opens an endpoint for a program that sends payloads itself: awaits each answer, and keeps nothing on disk."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

import anyio

from fanout.api.verbs import configured
from fanout.config.keywords import RunKeywords, spelled_out
from fanout.domain.records import Options, Outcome, Record
from fanout.errors import RunError, UsageError

if TYPE_CHECKING:
    from fanout.config.model import Config
    from fanout.runtime.live import Submissions, Ticket


@spelled_out(RunKeywords)
def open(  # noqa: A001 - `fanout.open`, as `io.open` and `zipfile.ZipFile.open`
    config: Config | None = None, *, drain: bool = True, **keywords: Unpack[RunKeywords]
) -> Session:
    """Return an endpoint to send payloads to, as an asynchronous context manager.

    >>> async def main():
    ...     async with fanout.open(endpoint="my-endpoint") as session:
    ...         outcome = await session.send(b'{"inputs": "one"}')
    ...         return outcome.status, outcome.response is not None
    >>> asyncio.run(main())
    ('succeeded', True)

    Pacing, routing, uploads and collecting are those of a run. The promise holds while the process lives and ends with
    it: nothing is on disk, so what was accepted when the process dies is lost to it.

    Args:
        config: The configuration; what it says of input, output and run directory does not count.
        drain: On leaving the block, wait for the sends that are open; else give them up at once. Sends that were
            cancelled, and what a `map` that was left had sent, are not waited for.
        keywords: The flags of `fanout run` that fit: `endpoint`, `rate`, `concurrency`, `window`, `region`, …

    Raises:
        UsageError: A keyword or a value is not what it should be.
    """
    loaded = configured(config, keywords)
    if not (loaded.endpoint.name or loaded.local.enabled):
        raise UsageError("no endpoint: name it, fanout.open(endpoint=...), or try fanout.open(local=True)")
    return Session(loaded, drain=drain)


class Session:
    """An open endpoint. Made by `open`; entered with `async with`, on asyncio.

    `send` and `map` can be used at once, from any task of the loop. One session may be entered in one cell of a
    notebook and left in another.
    """

    def __init__(self, config: Config, *, drain: bool) -> None:
        self._config = config
        self._drain = drain
        self._task: asyncio.Task[None] | None = None
        self._submissions: Submissions | None = None
        self._left = False
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> Self:
        """Open AWS, find the endpoint, and make the queue that receives notifications.

        Raises:
            RunError: The endpoint is not there, or AWS refuses; names the remedy.
        """
        from fanout.runtime.live import Submissions

        if self._task is not None:
            raise UsageError("a session is entered once: open another with fanout.open(...)")
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            raise UsageError("fanout.open needs an asyncio event loop: it does not run under trio") from None
        self._submissions = Submissions()
        opened: asyncio.Future[None] = self._loop.create_future()
        # A task of its own: cancel scopes of the engine must be left where they were entered, which a notebook's cells
        # and a caller's tasks need not do.
        self._task = asyncio.create_task(self._serve(opened), name="fanout session")
        try:
            await opened
        except BaseException:
            await self._end(self._task)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the sends that are open, or give them up, and remove the queue.

        Raises:
            RunError: The session broke, and nothing else has said so.
        """
        if self._task is None or self._submissions is None:
            raise UsageError("the session was not entered")
        self._left = True
        submissions = self._submissions
        submissions.close()
        try:
            if kind is None and self._drain:
                await submissions.settled()
                if not len(
                    submissions
                ):  # nothing runs out that was given up: the engine ends by itself, all tidied up
                    await asyncio.wait({self._task})
        finally:
            submissions.fail(RunError("the session was left before this send had its outcome"))
            await self._end(self._task)
        broke = None if self._task.cancelled() else self._task.exception()
        if kind is None and broke is not None:
            raise broke

    async def _end(self, task: asyncio.Task[None]) -> None:
        """Cancel the engine and return when it has ended, also if the caller is cancelled: it removes its queue."""
        task.cancel()
        cancelled: asyncio.CancelledError | None = None
        with anyio.CancelScope(shield=True):  # a scope that was cancelled would interrupt each wait at once
            while not task.done():
                try:
                    await asyncio.wait({task})
                except asyncio.CancelledError as error:
                    cancelled = error
        if cancelled is not None:
            raise cancelled

    async def _serve(self, opened: asyncio.Future[None]) -> None:
        """Run the engine until the session is left; when it ends, so do all sends that are open."""
        from fanout.runtime.live import serve

        assert self._submissions is not None

        def ready() -> None:
            if not opened.done():
                opened.set_result(None)

        try:
            await serve(self._config, self._submissions, ready=ready)
        except BaseException as error:
            ended = error if isinstance(error, RunError) else RunError(f"the session has ended: {error!r}")
            self._submissions.fail(ended)
            if not opened.done():
                opened.set_exception(error)
                return
            raise

    async def send(
        self,
        payload: bytes | Record,
        *,
        id: str | None = None,  # noqa: A002 - the name of the column
        content_type: str | None = None,
        accept: str | None = None,
        custom_attributes: str | None = None,
        ttl_s: int | None = None,
        invocation_timeout_s: int | None = None,
    ) -> Outcome:
        """Send one payload and return its outcome, in whatever time that takes; a bad payload is an outcome, too.

        Cancelling it leaves all others alone: the payload may still be served, and its answer is dropped.

        >>> async def main():
        ...     async with fanout.open(endpoint="my-endpoint", rate=100) as session:
        ...         sends = [session.send(b'{"n": %d}' % n, id=str(n)) for n in range(3)]
        ...         return [outcome.id for outcome in await asyncio.gather(*sends)]
        >>> asyncio.run(main())
        ['0', '1', '2']

        Args:
            payload: What the model receives, or a `Record` that says all of it.
            id: The outcome's `id`; for people, never sent.
            content_type: As InvokeEndpointAsync's; by default the configuration's, likewise the next ones.
            accept: Content type asked of the model.
            custom_attributes: Handed to the model.
            ttl_s: Seconds that it may wait in the endpoint's queue, 60 to 21,600.
            invocation_timeout_s: Seconds that the model may take, 1 to 3,600.

        Raises:
            RunError: The session is broken or closed; names the remedy.
        """
        given = Options(
            content_type=content_type,
            accept=accept,
            custom_attributes=custom_attributes,
            ttl_s=ttl_s,
            invocation_timeout_s=invocation_timeout_s,
        )
        ticket = self._entered().submit(self._record(payload, given, ident=id))
        try:
            return await ticket.wait()
        except BaseException:
            ticket.drop()
            raise

    async def map(
        self, records: Iterable[bytes | Record] | AsyncIterable[bytes | Record], *, ordered: bool = True
    ) -> AsyncIterator[Outcome]:
        """Send every record and yield the outcomes, in the order of `records` or of completion.

        As many are open at once as the window allows (`window=`), those that were not yielded yet included. Leaving the
        loop early gives the others up.

        >>> async def main():
        ...     async with fanout.open(endpoint="my-endpoint") as session:
        ...         records = (b'{"n": %d}' % n for n in range(100))
        ...         return [outcome.status async for outcome in session.map(records)].count("succeeded")
        >>> asyncio.run(main())
        100

        Args:
            records: Payloads or `Record`s; an iterable that blocks holds up the loop.
            ordered: In the order of `records`; else each as it completes.

        Raises:
            RunError: The session is broken or closed; names the remedy. What `records` raises is raised as well.
        """
        submissions = self._entered()
        window = asyncio.Semaphore(self._config.pacing.window)
        tickets: asyncio.Queue[Ticket | None] = asyncio.Queue()
        waiting: set[Ticket] = set()

        async def feed() -> None:
            try:
                async for payload in _each(records):
                    await window.acquire()
                    record = self._record(payload, Options(), ident=None)
                    on_end = None if ordered else tickets.put_nowait
                    ticket = submissions.submit(record, on_end=on_end)
                    waiting.add(ticket)
                    if ordered:
                        tickets.put_nowait(ticket)
            finally:
                tickets.put_nowait(None)

        feeder = asyncio.create_task(feed(), name="fanout map")
        fed = False
        try:
            while not fed or waiting:
                ticket = await tickets.get()
                if ticket is None:
                    fed = True
                    await feeder  # raises what `records` raised
                    continue
                outcome = await ticket.wait()
                waiting.discard(ticket)
                window.release()
                yield outcome
        finally:
            feeder.cancel()
            for ticket in waiting:
                ticket.drop()

    def _entered(self) -> Submissions:
        if self._submissions is None or self._left:
            raise UsageError(
                "the session is not open: use it inside `async with fanout.open(...) as session`"
            )
        if asyncio.get_running_loop() is not self._loop:
            raise UsageError("the session belongs to another event loop: open one in each")
        return self._submissions

    def _record(self, payload: bytes | Record, given: Options, *, ident: str | None) -> Record:
        """Return what to send: options that were not given are the record's own, then the configuration's.

        Raises:
            UsageError: The payload is not bytes, or an option is not of its type: a mistake of the caller's code.
        """
        if isinstance(payload, Record):
            record = payload if ident is None else dataclasses.replace(payload, id=ident)
        else:
            record = Record(-1, ident, payload, Options())
        if not isinstance(record.payload, bytes):
            kind = type(record.payload).__name__
            raise UsageError(f"a payload is bytes, or a fanout.Record of bytes, not {kind}: encode it")
        usual = self._config.payload
        named: dict[str, object] = {}
        for field in dataclasses.fields(Options):
            found = (getattr(each, field.name) for each in (given, record.options, usual))
            value = named[field.name] = next((each for each in found if each is not None), None)
            wanted = int if field.name.endswith("_s") else str
            if value is not None and type(value) is not wanted:
                raise UsageError(f"{field.name} is {value!r}: it should be of type {wanted.__name__}")
        return dataclasses.replace(record, options=Options(**named))  # type: ignore[arg-type]  # by its own fields


async def _each(
    records: Iterable[bytes | Record] | AsyncIterable[bytes | Record],
) -> AsyncIterator[bytes | Record]:
    if isinstance(records, AsyncIterable):
        async for record in records:
            yield record
    else:
        for record in records:
            yield record
