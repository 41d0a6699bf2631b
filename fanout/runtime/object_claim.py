"""Keeps two runs from writing one output in S3: an object beside it, put if absent and renewed while its owner lives.

Its age is S3's own Date minus its Last-Modified, so that no clock of ours matters. A run that has begun is never
started anew by another: its claim is taken over to go on with it, from its own directory.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import anyio

from fanout.errors import JournalError, RunError, UnfinishedRun, UsageError
from fanout.output.object_place import ObjectPlace
from fanout.ports import Clock, ObjectInfo, ObjectStore
from fanout.rundir.claim import Owner, in_use
from fanout.rundir.paths import RunDirectory
from fanout.runtime.claim_note import Note, Sight, State, Verdict, judge, look
from fanout.runtime.claim_object import ClaimObject
from fanout.runtime.claim_place import look_at_place
from fanout.runtime.place.run_place import is_place
from fanout.text import quoted

_log = logging.getLogger(__name__)

RENEW_S = 15.0
LAPSE_S = 30.0
"""How long after its last renewal an owner sends without a look: well before another may take the claim over."""
WATCH_S = 3.0
"""Between two looks at a claim that may be alive."""
PATIENCE_S = 600.0
"""How long renewals may fail. Nothing is sent meanwhile."""
CLOSE_S = 10.0
"""What the release of a claim may take: a claim that stays says what it has to."""


class ObjectClaim:
    """The claim of one run on its output in S3.

    Args:
        objects: S3.
        place: The output.
        owner: This process, for its run.
        clock: The run's clock.
        uptime: Seconds that this machine has been up, those that it was suspended included.
    """

    def __init__(
        self,
        objects: ObjectStore,
        place: ObjectPlace,
        *,
        owner: Owner,
        clock: Clock,
        uptime: Callable[[], float],
    ) -> None:
        self._objects = objects
        self._output = place.uri
        self._object = ClaimObject(objects, place, clock=clock, give_up_after_s=LAPSE_S)
        self._note = Note(owner, secrets.token_hex(8))
        self._clock = clock
        self._uptime = uptime
        self._etag = ""
        self._renewed_at = -LAPSE_S
        self._writing = anyio.Lock()
        self._lost = False
        self._ended = False

    async def take(self) -> None:
        """Make the output ours before anything is sent.

        Raises:
            OutputInUse: A live run has it.
            UnfinishedRun: It has one that is here.
            UsageError: It has one that is not here.
            JournalError: Its claim is damaged, or of a later version.
            RunError: S3 does not permit it, or knows no conditions.
        """
        first: ObjectInfo | None = None
        unseen = 0
        while True:
            if await self._put_if_absent():
                return
            found = await self._object.read()
            if found is None:  # deleted since; or it is there, and may not be read
                unseen += 1
                if unseen > 3:
                    raise RunError(
                        f"{self._object.location.uri} is there and cannot be read: grant s3:GetObject on it"
                    )
                continue
            note, info = found
            if note.token == self._note.token:  # the reply to our own PUT was lost
                self._etag = info.etag
                return
            first = first or info
            age_s = (info.seen_at or info.modified_at) - info.modified_at
            sight = await self._look(note.owner)
            verdict = judge(note, self._note.owner, sight=sight, age_s=age_s, renewed=info.etag != first.etag)
            if verdict is Verdict.WATCH:
                await self._clock.sleep(WATCH_S)
            elif verdict is Verdict.TAKE:
                kept_here = not is_place(note.owner.run_dir or "")
                if kept_here and sight is Sight.NEVER_BEGUN and note.owner.run_id != self._note.owner.run_id:
                    RunDirectory(Path(note.owner.run_dir or "")).remove_if_unused()
                if await self._write(self._note, if_match=info.etag):
                    return
            else:
                raise self._refusal(verdict, note.owner)

    async def check(self) -> None:
        """Return if `take` would not be refused by what is seen now; nothing is written.

        Raises:
            OutputInUse: A live run has the output, or one that was live a moment ago.
            UnfinishedRun: It has one that is here.
            UsageError: It has one that is not here.
            JournalError: Its claim is damaged, or of a later version.
            RunError: S3 does not permit it.
        """
        found = await self._object.read()
        if found is None:
            return
        note, info = found
        age_s = (info.seen_at or info.modified_at) - info.modified_at
        sight = await self._look(note.owner)
        verdict = judge(note, self._note.owner, sight=sight, age_s=age_s, renewed=False)
        if verdict is Verdict.WATCH and note.state == "held":
            verdict = Verdict.IN_USE
        if verdict not in {Verdict.TAKE, Verdict.WATCH}:
            raise self._refusal(verdict, note.owner)

    async def begin(self) -> None:
        """Note, before `run.json` is there or the run goes on, that there is a run from now on.

        Raises:
            JournalError: The claim was taken over.
            RunError: S3 refused, or did not answer.
        """
        self._note = replace(self._note, owner=replace(self._note.owner, begun=True))
        await self.renew()

    async def renew(self) -> None:
        """Show that the owner lives, and learn whether the output is still ours.

        Raises:
            JournalError: The claim was taken over, or removed.
            RunError: S3 refused, or did not answer.
        """
        async with self._writing:
            await self._renew(self._note.state)

    async def ensure(self) -> None:
        """Return at once while the claim is fresh; once it may have lapsed, renew it first.

        Raises:
            JournalError: The claim was taken over, or removed.
            RunError: S3 refused, or did not answer.
        """
        while (silent_s := self._uptime() - self._renewed_at) >= LAPSE_S:
            try:
                async with self._writing:
                    if self._uptime() - self._renewed_at >= LAPSE_S:
                        await self._renew(self._note.state)
            except JournalError:
                raise
            except RunError:
                if silent_s > PATIENCE_S:
                    raise
                await self._clock.sleep(WATCH_S)

    async def keep(self) -> None:
        """Renew the claim until cancelled.

        Raises:
            JournalError: It was taken over, or removed.
            RunError: S3 has refused for `PATIENCE_S`.
        """
        while not self._ended:
            await self._clock.sleep(RENEW_S)
            try:
                async with self._writing:
                    if not self._ended:
                        await self._renew(self._note.state)
            except JournalError:
                raise
            except RunError as error:
                if self._uptime() - self._renewed_at > PATIENCE_S:
                    raise
                _log.warning(
                    "%s could not be renewed, and nothing is sent until it is: %s",
                    self._object.location.uri,
                    error,
                )

    async def release(self, state: Literal["stopped", "released"]) -> None:
        """Let go of the output: `released` removes the claim, `stopped` leaves it for a process that goes on."""
        self._ended = True
        if self._lost:
            return
        with anyio.move_on_after(CLOSE_S, shield=True):
            try:
                async with self._writing:
                    await self._renew(state)
                if state == "released":
                    await self._object.delete()
            except RunError as error:
                _log.warning("%s stays: %s", self._object.location.uri, error)

    async def give_up(self) -> None:
        """Remove what stands there if it is this run's, which is given up; another's stays.

        Raises:
            OutputInUse: A process goes on with the run elsewhere.
            RunError: S3 does not permit it.
        """
        found = await self._object.read()
        if found is not None and found[0].owner.run_id == self._note.owner.run_id:
            await self.take()
            await self.release("released")

    async def clear(self, *, if_match: str) -> str | None:
        """Remove the claim of an owner that is gone, as it was found; return why it stays, if it does.

        An owner that is alive after all has lost it then, and sends nothing more.

        Args:
            if_match: The ETag that it was found with.

        Raises:
            RunError: S3 does not permit it, or does not answer.
        """
        if not await self._write(replace(self._note, state="released"), if_match=if_match):
            return "it was renewed, or taken over, since it was found"
        return (
            None if await self._object.delete() else "it says that the output is free: grant s3:DeleteObject"
        )

    # Calls.

    async def _put_if_absent(self) -> bool:
        return await self._write(self._note, if_none_match="*")

    async def _renew(self, state: State) -> None:
        if self._lost:
            raise self._taken()
        note = replace(self._note, state=state, renewals=self._note.renewals + 1)
        if await self._write(note, if_match=self._etag):
            return
        found = await self._object.read()
        if found is None or found[0].token != self._note.token:
            self._lost = True
            raise self._taken()
        self._etag = found[1].etag  # the reply to an earlier one of ours was lost
        if not await self._write(note, if_match=self._etag):
            self._lost = True
            raise self._taken()

    async def _write(
        self, note: Note, *, if_match: str | None = None, if_none_match: Literal["*"] | None = None
    ) -> bool:
        """Store the claim; return False if its condition does not hold."""
        asked_at = self._uptime()
        etag = await self._object.write(note, if_match=if_match, if_none_match=if_none_match)
        if etag is None:
            return False
        self._etag, self._note, self._renewed_at = etag, note, asked_at
        return True

    async def _look(self, owner: Owner) -> Sight:
        """Return what is seen of the owner's run, here or at its place in S3."""
        return await look_at_place(self._objects, owner, clock=self._clock) or look(owner)

    # Errors.

    def _taken(self) -> JournalError:
        return JournalError(
            f"{self._object.location.uri} is no longer this run's: another process has taken the output over, or "
            "it was discarded; nothing more was sent"
        )

    def _refusal(self, verdict: Verdict, owner: Owner) -> RunError:
        if verdict is Verdict.IN_USE:
            return in_use(self._output, owner)
        if verdict is Verdict.UNFINISHED:
            return UnfinishedRun(
                f"{self._output} has an unfinished run, {owner.run_id}, whose rows a new one would send again: "
                f"`fanout resume {quoted(owner.run_dir)}` goes on; "
                f"`fanout discard {quoted(owner.run_dir)}` gives it up",
                where=owner.run_dir or "",
            )
        return UsageError(
            f"{self._output} has an unfinished run, and its directory {owner.run_dir} is not here: {owner}; resume it "
            f"on {owner.host}, or, if it is given up, remove {self._object.location.uri}"
        )
