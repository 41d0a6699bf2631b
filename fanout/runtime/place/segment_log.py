"""Appends segments to the journal of a run place, one at a time, each put only where none stands.

That is the fence: a new owner claims the next number, and the old one, whose next segment would have it, is refused. It
then reads what stands there, since it may be its own segment, whose reply was lost.
"""

from __future__ import annotations

import logging
import random
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial

import anyio

from fanout.domain.failures import FailureKind, failure_kind
from fanout.domain.location import Location
from fanout.domain.remedies import remedy
from fanout.domain.retry_policy import backoff_s
from fanout.domain.row_state import RowRecord
from fanout.errors import CallError, Fenced, JournalError, Phase, RunError, StateLost
from fanout.ports import Clock, ObjectStore
from fanout.runtime.place.release import LAPSE_S, Release
from fanout.runtime.place.replay import Listing, list_journal, read_object, reading, replay
from fanout.runtime.place.run_place import RunPlace
from fanout.runtime.place.segment import NewPart, Purpose, Segment, decode, encode
from fanout.runtime.place.sign_of_life import SILENT_S, last_write, place_in_use
from fanout.runtime.place.state import PlaceState

PATIENCE_S = 60.0
"""How long S3 may refuse a segment. Nothing is sent meanwhile."""
LEAST_TRIES = 5
"""A process that was stopped for longer than its patience has not tried for as long."""
RETRY_MAX_S = 5.0
_CLAIM_TRIES = 50
"""Times that the number to claim may be taken by an owner who is at work, at seven a second."""
_CONFLICT = "ConditionalRequestConflict"
_log = logging.getLogger(__name__)


class SegmentLog:
    """The journal of one run at its place, as long as this process owns it.

    Args:
        objects: S3.
        place: The place.
        run_id: The run.
        clock: The run's clock.
        uptime: Seconds that this machine has been up, those that it was suspended included.
        about: What a claim says of this process.
        owner: The random name by which its segments know this process; by default a new one.
        patience_s: How long S3 may refuse a segment.

    Attributes:
        owner: The random name by which its segments know this process.
        state: What the journal says, with everything that this process has stored.
        release: Whether this process may send now.
        stored: Segments that this process has stored; `lines` and `size_bytes` is what they hold.
        fenced: Whether another process owns the run.
    """

    def __init__(
        self,
        objects: ObjectStore,
        place: RunPlace,
        *,
        run_id: str,
        clock: Clock,
        uptime: Callable[[], float],
        about: Mapping[str, str],
        owner: str | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._objects = objects
        self._run_id = run_id
        self.owner = owner or secrets.token_hex(8)
        self._clock = clock
        self.uptime = uptime
        self._about = about
        self._patience_s = patience_s
        self._unstored: tuple[Segment, bytes] | None = None
        self._first_try_at: float | None = None
        self._warned = False
        self._appending = anyio.Lock()
        self._stored_at = clock.now()
        self._proved_at = uptime()
        self.place = place
        self.state = PlaceState()
        self.release = Release()
        self.listing = Listing((), ())
        self.stored = self.lines = self.size_bytes = 0
        self.fenced = False

    @property
    def claim_number(self) -> int:
        """The number of the segment that made this process the owner."""
        return self.state.claims[-1]

    def is_released(self, ahead_s: float = 0.0) -> bool:
        """Whether a request may leave now, or `ahead_s` seconds from now if nothing is stored meanwhile."""
        return self.release.holds(self.uptime() + ahead_s)

    async def claim(self, *, begins: bool, replaces: str | None = None, behind: int | None = None) -> None:
        """Make this process the owner of the run; the one before can store and send nothing any more.

        Args:
            begins: Whether the run begins here; a place at which rows were sent is refused.
            replaces: Another run, which has finished there; one that begins takes its place.
            behind: The last segment that stood there when no process was at the place: one that has come since stays
                its owner. None to fence any owner.

        Raises:
            PlaceInUse: Another process has come since; names it.
            JournalError: A segment is missing or damaged, another process keeps the number to claim, or a run has
                begun at the place.
            RunError: S3 does not permit it, does not answer, or knows no conditions.
        """
        listing, segment, asked_at = await self._take_number(begins=begins, replaces=replaces, behind=behind)
        number = segment.number
        state = await replay(self._objects, self.place, clock=self._clock, listing=listing, until=number)
        state.apply(segment)
        if state.run_id != self._run_id or (begins and not state.has_sent_nothing):
            raise JournalError(
                f"{self.place.uri} holds run {state.run_id}, which another process has begun: `fanout resume "
                f"{self.place.uri}`, or name another place"
            )
        self.state, self.listing = state, listing
        self._proved_at = asked_at
        self.release.prove(asked_at)

    async def seal(self) -> int:
        """Keep every owner away, whatever the journal says, as the run is given up; return the claim's number.

        Raises:
            JournalError: Another process keeps the number to claim.
            RunError: S3 does not permit it, does not answer, or knows no conditions.
        """
        _, segment, _ = await self._take_number(begins=False, replaces=None)
        return segment.number

    async def _take_number(
        self, *, begins: bool, replaces: str | None, behind: int | None = None
    ) -> tuple[Listing, Segment, float]:
        """Store a claim behind the last segment; return what stood there, the claim, and when that was asked for."""
        for _ in range(_CLAIM_TRIES):
            listing = await list_journal(self._objects, self.place, clock=self._clock)
            if behind is not None and listing.last != behind:
                seen = await last_write(self._objects, self.place, clock=self._clock)
                raise place_in_use(self.place, None if seen is None else seen.owner)
            number = listing.last + 1
            segment = Segment(
                run_id=self._run_id,
                owner=self.owner,
                number=number,
                purpose=Purpose.FIRST if begins else Purpose.CLAIM,
                about=self._about,
                replaces=replaces,
            )
            try:
                asked_at = await self._put(segment, encode(segment))
            except Fenced:
                continue
            finally:
                self._first_try_at = None
            # The owner may have deleted the number that seemed to be next, after a snapshot: then this claim does
            # not fence. It stays, as another process may have claimed the number behind it, and builds on it.
            after = await list_journal(self._objects, self.place, clock=self._clock)
            if after.last == number:
                return listing, segment, asked_at
        raise JournalError(
            f"{self.place.uri} is in use by another process, which is at work: wait for it, or stop it"
        )

    async def append(
        self,
        *,
        lines: Sequence[RowRecord] = (),
        meta: Sequence[tuple[str, str]] = (),
        parts: Sequence[NewPart] = (),
        purpose: Purpose = Purpose.ROWS,
    ) -> None:
        """Store the next segment; what it holds is durable on return.

        Raises:
            Fenced: Another process owns the run.
            StateLost: S3 has refused it, or not answered, for as long as patience lasts.
        """
        async with self._appending:
            if self.fenced:
                raise self._taken(self.place.segment(self.state.number + 1))
            if (
                self._unstored is not None
            ):  # a call that was cancelled: it may be stored, and nothing else may
                await self._store(*self._unstored)
            segment = Segment(
                run_id=self._run_id,
                owner=self.owner,
                number=self.state.number + 1,
                purpose=purpose,
                lines=lines,
                meta=meta,
                parts=parts,
            )
            await self._store(segment, encode(segment))

    async def renew(self, within_s: float) -> None:
        """Show that the run is still this process's, unless it has done so in the last `within_s` seconds.

        Raises:
            Fenced: It is another's.
            StateLost: S3 does not tell.
        """
        if self._clock.now() - self._stored_at >= within_s:
            await self.append()

    async def _store(self, segment: Segment, content: bytes) -> None:
        self._unstored = segment, content
        try:
            asked_at = await self._put(segment, content)
        except Fenced:
            self.fenced = True
            self.release.end()
            raise
        if asked_at - self._proved_at >= SILENT_S:
            await self._check_claim(segment)
        self._unstored = self._first_try_at = None
        self._warned = False
        self._proved_at = asked_at
        self.state.apply(segment)
        self.release.prove(asked_at)
        self._stored_at = self._clock.now()
        self.stored += 1
        self.lines += len(segment.lines)
        self.size_bytes += len(content)

    async def _check_claim(self, segment: Segment) -> None:
        """Return if the place is still there: while this process stood still, it may have been given up, fence and all.

        Raises:
            Fenced: It was.
            StateLost: S3 does not tell.
        """
        claim, location = self.place.segment(self.claim_number), self.place.segment(segment.number)
        try:
            there = await reading(
                partial(self._objects.head, claim), claim, operation="s3:GetObject", clock=self._clock
            )
        except RunError as error:
            raise StateLost(str(error), denied=False) from error
        if there is not None:
            return
        self.fenced = True
        self.release.end()
        with suppress(CallError):  # alone, it would stand in the way of a run that begins there
            await self._objects.delete([location])
        raise Fenced(
            f"{self.place.uri} was given up while this process stood still: it has ended and sends nothing more"
        )

    async def _put(self, segment: Segment, content: bytes) -> float:
        """Store a segment; return when the first attempt began that may have stored it.

        Raises:
            Fenced: Another segment has its number.
            StateLost: Patience is over.
            RunError: The store knows no conditions, or S3 refuses a claim for good.
        """
        location = self.place.segment(segment.number)
        began, tries = self._clock.now(), 0
        while True:
            asked_at = self.uptime()
            try:
                with anyio.CancelScope(shield=True):  # half a call must not be taken for none
                    await self._objects.put(location, content, if_none_match="*")
            except CallError as error:
                if error.code == "PreconditionFailed":
                    if await self._is_ours(segment, content):
                        return asked_at if self._first_try_at is None else self._first_try_at
                    raise self._taken(location) from error
                if error.phase is not Phase.CONNECT and self._first_try_at is None:
                    self._first_try_at = asked_at
                tries += 1
                self._judge(error, segment, waited_s=self._clock.now() - began, tries=tries)
            else:
                # A segment that was stored by an earlier attempt may have been deleted since, after a new owner's
                # snapshot: that this attempt found its number free proves nothing of now.
                return asked_at if self._first_try_at is None else self._first_try_at
            draw = 1.0 - random.random()  # noqa: S311 - jitter
            await self._clock.sleep(backoff_s(tries, draw=draw, cap_s=RETRY_MAX_S))

    def _judge(self, error: CallError, segment: Segment, *, waited_s: float, tries: int) -> None:
        """Return if the segment is to be tried again.

        Raises:
            StateLost: Patience is over.
            RunError: It never will be.
        """
        said = f"{self.place.segment(segment.number).uri}: {remedy('s3:PutObject', error)}"
        if error.status == 501:  # Not Implemented
            raise RunError(
                f"{self.place.uri}: this store knows no conditional writes, which keep two processes from sending the "
                "same rows: name a directory on a disk that outlives this host with --run-dir"
            ) from error
        refused = failure_kind(error) in {FailureKind.RUN, FailureKind.ROW} and error.code != _CONFLICT
        if segment.purpose.claims and refused:
            raise RunError(said) from error
        if waited_s > self._patience_s and tries >= LEAST_TRIES:
            raise StateLost(
                f"the run's state could not be written for {waited_s:.0f} s, so that nothing more was sent. {said}",
                denied=refused,
            ) from error
        if waited_s > LAPSE_S and not self._warned:
            self._warned = True
            _log.warning("nothing is sent until the run's state can be written. %s", said)

    async def _is_ours(self, segment: Segment, content: bytes) -> bool:
        """Whether what stands at the segment's number is the segment itself, whose reply was lost."""
        location = self.place.segment(segment.number)
        found = await read_object(self._objects, location, clock=self._clock)
        if found == content:
            return True
        if found is not None:
            there = decode(found, location.uri)
            _log.info("segment %d is of %s (%s)", there.number, there.owner, dict(there.about))
        return False

    def _taken(self, location: Location) -> Fenced:
        return Fenced(
            f"{self.place.uri} was taken over: {location.uri} is another process's, so this one has ended and sends "
            "nothing more"
        )
