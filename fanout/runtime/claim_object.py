"""Keeps the claim on an output in S3 as one object beside it, which is written on conditions alone."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Literal, TypeVar

from fanout.domain.location import Location
from fanout.domain.remedies import remedy
from fanout.engine.retrying import retry_call
from fanout.errors import CallError, RunError
from fanout.output.object_place import CLAIM, CLAIM_SUFFIX, ObjectPlace
from fanout.ports import Clock, ObjectInfo, ObjectStore
from fanout.runtime.claim_note import Note, parse_note

_CONFLICT = "ConditionalRequestConflict"
T = TypeVar("T")
_log = logging.getLogger(__name__)


def claim_location(place: ObjectPlace) -> Location:
    """Return where the claim of an output in S3 stands."""
    return place.at(CLAIM if place.dataset else CLAIM_SUFFIX)


class ClaimObject:
    """The object that holds the claim on one output.

    Args:
        objects: S3.
        place: The output.
        clock: The run's clock.
        give_up_after_s: How long a call is repeated while that can help.

    Attributes:
        location: Where it stands.
    """

    def __init__(
        self, objects: ObjectStore, place: ObjectPlace, *, clock: Clock, give_up_after_s: float
    ) -> None:
        self._objects = objects
        self._clock = clock
        self._give_up_after_s = give_up_after_s
        self.location = claim_location(place)

    async def write(
        self, note: Note, *, if_match: str | None = None, if_none_match: Literal["*"] | None = None
    ) -> str | None:
        """Store the claim and return its ETag; None if its condition does not hold.

        Raises:
            RunError: S3 does not permit it, does not answer, or knows no conditions.
        """
        put = partial(
            self._objects.put,
            self.location,
            note.encode(),
            content_type="application/json",
            if_match=if_match,
            if_none_match=if_none_match,
        )
        try:
            return await self._call(put, "s3:PutObject")
        except CallError as error:
            if error.missing or error.code in {"PreconditionFailed", _CONFLICT}:
                return None
            raise RunError(f"{self.location.uri}: {remedy('s3:PutObject', error)}") from error
        except RunError as error:
            if isinstance(error.__cause__, CallError) and error.__cause__.status == 501:  # Not Implemented
                raise RunError(
                    f"{self.location.uri}: this store knows no conditional writes, which keep two runs from sending "
                    "the same rows: write the output to this machine, and copy it afterwards"
                ) from error
            raise

    async def read(self) -> tuple[Note, ObjectInfo] | None:
        """Return the claim as it stands there, None if there is none.

        Raises:
            JournalError: It is damaged, or of a later version.
            RunError: S3 does not permit it, or does not answer.
        """
        try:
            info = await self._call(lambda: self._objects.head(self.location), "s3:GetObject")
            if info is None:
                return None
            read = partial(
                self._objects.read,
                self.location,
                start=0,
                size_bytes=max(1, info.size_bytes),
                etag=info.etag,
            )
            content = await self._call(read, "s3:GetObject")
        except CallError as error:
            if error.missing or error.code in {"PreconditionFailed", "InvalidRange"}:
                return None
            raise RunError(f"{self.location.uri}: {remedy('s3:GetObject', error)}") from error
        return parse_note(content, self.location.uri), info

    async def delete(self) -> bool:
        """Remove the claim, which says by now that the output is free; return whether it is gone."""
        with suppress(CallError):
            refused = await self._call(lambda: self._objects.delete([self.location]), "s3:DeleteObject")
            if not refused:
                return True
        _log.warning(
            "%s could not be removed and says that the output is free: grant s3:DeleteObject",
            self.location.uri,
        )
        return False

    async def _call(self, call: Callable[[], Awaitable[T]], operation: str) -> T:
        return await retry_call(
            call, operation=operation, clock=self._clock, give_up_after_s=self._give_up_after_s
        )
