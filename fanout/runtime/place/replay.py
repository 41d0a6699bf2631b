"""Reads the state of a run from its place: the newest snapshot, and the segments after it.

It claims nothing and changes nothing. An owner that is at work may delete what a snapshot has made superfluous while it
is read; then the place is listed again.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from fanout.concurrency.side_by_side import side_by_side
from fanout.domain.location import Location
from fanout.domain.remedies import remedy
from fanout.engine.retrying import repeat_call
from fanout.errors import CallError, JournalError, RunError
from fanout.ports import Clock, ObjectStore
from fanout.runtime.place.run_place import RunPlace, number_of
from fanout.runtime.place.segment import Segment, decode
from fanout.runtime.place.snapshot import decode_snapshot
from fanout.runtime.place.state import PlaceState

AT_ONCE = 32
"""Segments that are read at the same time, and held in memory."""
GIVE_UP_S = 30.0
T = TypeVar("T")
_TRIES = 5
"""Times that what was listed may be gone when it is read: a snapshot follows another after minutes, not at once."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What stands in the journal of a place.

    Attributes:
        segments: Numbers, rising.
        snapshots: Likewise.
    """

    segments: tuple[int, ...]
    snapshots: tuple[int, ...]

    @property
    def last(self) -> int:
        """The highest number that was ever used, as far as this tells; 0 if none was."""
        return max((*self.segments[-1:], *self.snapshots[-1:]), default=0)


async def list_journal(objects: ObjectStore, place: RunPlace, *, clock: Clock) -> Listing:
    """Return what stands in the journal of a place.

    Raises:
        RunError: S3 does not permit it, or does not answer.
    """

    async def numbers(prefix: str) -> tuple[int, ...]:
        found = [
            number_of(info.location.key) async for page in objects.list(place.bucket, prefix) for info in page
        ]
        return tuple(sorted(number for number in found if number is not None))

    # Segments first: one that is deleted meanwhile is in a snapshot that is listed then.
    segments = await reading(lambda: numbers(place.journal), place, operation="s3:ListBucket", clock=clock)
    snapshots = await reading(lambda: numbers(place.snapshots), place, operation="s3:ListBucket", clock=clock)
    return Listing(segments, snapshots)


async def read_state(objects: ObjectStore, place: RunPlace, *, clock: Clock) -> PlaceState | None:
    """Return the state of the run at a place as it is now; None where no run is.

    Raises:
        JournalError: A segment is missing or damaged.
        RunError: S3 does not permit it, or does not answer.
    """
    listing = await list_journal(objects, place, clock=clock)
    if not listing.last:
        return None
    return await replay(objects, place, clock=clock, listing=listing)


async def replay(
    objects: ObjectStore, place: RunPlace, *, clock: Clock, listing: Listing, until: int | None = None
) -> PlaceState:
    """Return the state after the last segment before `until`, or after the last of the listing.

    Args:
        objects: S3.
        place: The place.
        clock: The run's clock.
        listing: What stands there; it is listed again if that has changed.
        until: The number of a claim, which is not read.

    Raises:
        JournalError: A segment is missing or damaged.
        RunError: S3 does not permit it, or does not answer.
    """
    missing = 0
    for _ in range(_TRIES):
        last = listing.last if until is None else until - 1
        try:
            return await _replay(objects, place, clock=clock, listing=listing, last=last)
        except _Missing as error:
            missing = error.number
        listing = await list_journal(objects, place, clock=clock)
    raise JournalError(
        f"{place.segment(missing).uri} is missing: put it back (S3 versioning, a backup); without it, what was sent "
        "since cannot be told, and `fanout discard` gives the run up"
    )


class _Missing(Exception):  # noqa: N818 - reads as what is the case
    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


async def _replay(
    objects: ObjectStore, place: RunPlace, *, clock: Clock, listing: Listing, last: int
) -> PlaceState:
    state = PlaceState()
    usable = [number for number in listing.snapshots if number <= last]
    if usable:
        location = place.snapshot(usable[-1])
        content = await read_object(objects, location, clock=clock)
        if content is None:
            raise _Missing(usable[-1])
        state = decode_snapshot(content, location.uri)
    for first in range(state.number + 1, last + 1, AT_ONCE):
        for segment in await _segments(objects, place, range(first, min(first + AT_ONCE, last + 1)), clock):
            state.apply(segment)
    return state


async def _segments(
    objects: ObjectStore, place: RunPlace, numbers: Sequence[int], clock: Clock
) -> list[Segment]:
    locations = [place.segment(number) for number in numbers]
    contents = await side_by_side(
        [functools.partial(read_object, objects, location, clock=clock) for location in locations]
    )
    found = []
    for number, location, content in zip(numbers, locations, contents, strict=True):
        if content is None:
            raise _Missing(number)
        found.append(decode(content, location.uri))
    return found


async def read_object(objects: ObjectStore, location: Location, *, clock: Clock) -> bytes | None:
    """Return the content of an object of a place, None if it is not there.

    Raises:
        RunError: S3 does not permit it, or does not answer.
    """

    async def read() -> bytes | None:
        try:
            return (await objects.get(location)).body
        except CallError as error:
            if error.missing:
                return None
            raise

    return await reading(read, location, operation="s3:GetObject", clock=clock)


async def reading(
    call: Callable[[], Awaitable[T]], where: RunPlace | Location, *, operation: str, clock: Clock
) -> T:
    """Return what `call` returns, repeated while that can help; names `where` when it cannot.

    Raises:
        RunError: S3 does not permit it, or does not answer.
    """
    try:
        return await repeat_call(call, clock=clock, give_up_after_s=GIVE_UP_S)
    except CallError as error:
        raise RunError(f"{where.uri}: {remedy(operation, error)}") from error
