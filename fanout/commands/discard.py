"""Gives a run up: removes what it has in AWS, then its directory, once the person agrees."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from fanout.commands.account_scan import scan_account, topics_of
from fanout.commands.judging import judged
from fanout.commands.leftovers import Leftover, remove_run
from fanout.commands.sights import begun, held
from fanout.concurrency.clock import uptime_s
from fanout.config.model import Config
from fanout.domain.dead_runs import Sight
from fanout.domain.location import parse_prefix
from fanout.domain.row_state import RowState
from fanout.errors import RunError, UsageError
from fanout.output.destination import workspace_path
from fanout.output.object_place import is_remote, object_place
from fanout.rundir.claim import OutputInUse, Owner, claimed, read_claim
from fanout.rundir.journal import count_states
from fanout.rundir.manifest import Manifest, read_manifest
from fanout.rundir.paths import RunDirectory
from fanout.runtime.event_loop import run_in_event_loop
from fanout.runtime.object_claim import ObjectClaim
from fanout.runtime.session import Session, open_session
from fanout.runtime.supervisor import until_stopped
from fanout.text import quoted

VERSION = 1
State = Literal["unsent", "unfinished", "finished"]
_AGAIN = "the directory is still there: run `fanout discard` again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Discard:
    """A run that is given up, or is to be.

    Attributes:
        run_dir: Its directory, or the uri of its place in S3.
        run_id: The run; None for one that was killed before it had a name.
        state: `unsent`: it was killed before it could send anything. `finished`: it has its output, which stays.
        accepted: Rows that the endpoint has, or may have: it goes on serving them, for no one.
        durable: Rows whose results go with the directory.
        leftovers: What it has in AWS.
        unseen: What could not be looked at, and what to grant.
        workspace: Where its output was being built, beside its name; None for an output in S3.
        strangers: What else stands in its directory, and stays.
    """

    run_dir: Path | str
    run_id: str | None
    state: State
    accepted: int = 0
    durable: int = 0
    leftovers: Sequence[Leftover] = ()
    unseen: Sequence[str] = ()
    workspace: Path | None = None
    strangers: Sequence[Path | str] = field(default_factory=tuple)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "version": VERSION,
            "run": self.run_id,
            "run_dir": str(self.run_dir),
            "state": self.state,
            "accepted": self.accepted,
            "durable": self.durable,
            "found": [each.as_dict() for each in self.leftovers],
            "strangers": [str(path) for path in self.strangers],
        }


def discard(path: Path, *, config: Config | None = None, agree: Callable[[Discard], None]) -> Discard:
    """Remove a run with all that it has in AWS, and return what that was.

    Args:
        path: The run directory.
        config: Leads to AWS; by default the run's own configuration.
        agree: Called with what would be removed; raises if that is not to be.

    Raises:
        UsageError: There is no run, or it is a share of another.
        JournalInUse: A process is at it.
        RunError: Something in AWS could not be seen or removed: the directory stays, so that this can be repeated.
    """
    directory = RunDirectory(path.absolute())
    unnamed = not directory.manifest.exists() and directory.journal.exists()
    manifest = None if unnamed else read_manifest(directory)
    if manifest is not None and manifest.is_shard:
        whole = directory.whole.path
        raise UsageError(
            f"{path} is one shard of the run in {whole}: `fanout discard {quoted(whole)}` discards all of it"
        )
    counts = _counts(directory)  # before it is ours: a journal that is open tells no other reader
    with held(directory, unreadable="pass"):
        if manifest is None:
            _check_unsent(directory, counts)
            plan = Discard(run_dir=directory.path, run_id=None, state="unsent")
        else:
            plan = _plan(directory, manifest, config or manifest.config, counts=counts)
        agree(plan)
        if plan.leftovers:
            call = partial(_clear, plan, config or (manifest.config if manifest is not None else Config()))
            plan = run_in_event_loop(partial(until_stopped, call, next_step=_AGAIN))
        check_cleared(plan, again=_AGAIN)
        if manifest is not None and plan.state != "finished":
            _drop_claim(directory, manifest, config or manifest.config)
        if plan.workspace is not None:
            shutil.rmtree(plan.workspace, ignore_errors=True)
        return replace(plan, strangers=directory.remove())


def _plan(
    directory: RunDirectory, manifest: Manifest, config: Config, *, counts: Mapping[RowState, int]
) -> Discard:
    """Return what giving a run up would remove."""
    plan = Discard(run_dir=directory.path, run_id=manifest.run_id, state="finished")
    if directory.summary.exists():
        return plan
    run_ids = [manifest.run_id, *(read_manifest(shard).run_id for shard in _shards(directory))]
    output = manifest.config.output.path
    plan = replace(
        plan,
        state="unfinished",
        durable=counts.get(RowState.DURABLE, 0),
        accepted=counts.get(RowState.ACCEPTED, 0) + counts.get(RowState.INTENT, 0),
        workspace=None if not output or is_remote(output) else workspace_path(Path(output), manifest.run_id),
    )
    if manifest.config.local.enabled:  # its AWS has ended with it
        return plan
    call = partial(find_leftovers, plan, manifest, reaching(config), run_ids=run_ids)
    return run_in_event_loop(partial(until_stopped, call, next_step="nothing was removed"))


async def find_leftovers(
    plan: Discard, manifest: Manifest, config: Config, *, run_ids: Sequence[str]
) -> Discard:
    """Return the plan with what the run has in AWS; what it has noted of its uploads stands in `plan.run_dir`."""
    prefix = manifest.config.transport.input_prefix
    uploads = parse_prefix(prefix) if prefix else None
    keeps = manifest.config.transport.keep_inputs
    sights = {
        run_id: Sight(
            run_id, str(plan.run_dir), manifest.endpoint, lives=False, age_s=math.inf, keeps_inputs=keeps
        )
        for run_id in run_ids
    }
    noted = begun(sights.values())
    async with open_session(config) as session:
        found = await scan_account(
            session.cloud,
            clock=session.clock,
            topics=await topics_of(session.cloud, manifest.endpoint),
            uploads=uploads,
            places=sorted({location for each in noted.values() for location in each.places}),
            run_ids=run_ids,
        )
    leftovers = judged(found, sights=sights, uploads=uploads, begun=noted, endpoint=None, older_than_s=0.0)
    return replace(plan, leftovers=leftovers, unseen=found.unseen)


async def _clear(plan: Discard, config: Config) -> Discard:
    async with open_session(reaching(config)) as session:
        done = await remove_run(plan.leftovers, session.cloud, clock=session.clock)
    return replace(plan, leftovers=done)


def _drop_claim(directory: RunDirectory, manifest: Manifest, config: Config) -> None:
    """Remove the claim on its output that names the run: a later start would look for it, and not find it.

    Before the directory goes: killed in between, discarding can be done again.
    """
    if manifest.config.local.enabled:  # it leaves none
        return
    if not is_remote(manifest.config.output.path or ""):
        _drop_claim_here(manifest)
        return

    async def call() -> None:
        async with open_session(reaching(config)) as session:
            await drop_claim(session, manifest, where=directory.path)

    run_in_event_loop(partial(until_stopped, call, next_step=_AGAIN))


async def drop_claim(session: Session, manifest: Manifest, *, where: Path | str) -> None:
    """Remove the claim on a run's output that names the run, here or in S3; `where` is what the run is named by.

    Raises:
        OutputInUse: A process goes on with the run elsewhere.
        RunError: S3 does not permit it.
    """
    output = manifest.config.output.path or ""
    if not is_remote(output):
        _drop_claim_here(manifest)
        return
    claim = ObjectClaim(
        session.cloud.objects,
        object_place(output),
        owner=Owner.here(manifest.run_id, run_dir=where, now=session.clock.now()),
        clock=session.clock,
        uptime=uptime_s,
    )
    await claim.give_up()


def _drop_claim_here(manifest: Manifest) -> None:
    output, run_id = manifest.config.output.path or "", manifest.run_id
    owner = read_claim(output)
    if owner is None or owner.run_id != run_id:
        return
    with suppress(OutputInUse), claimed(output) as held_claim:  # in use: another has it by now
        if held_claim.previous is not None and held_claim.previous.run_id == run_id:
            held_claim.drop()


def check_cleared(plan: Discard, *, again: str) -> None:
    """Return if nothing of a run is left in AWS, as far as that can be known.

    Raises:
        RunError: Something is.
    """
    problems = [
        f"{each.name} stays: {each.problem or each.verdict.reason}"
        for each in plan.leftovers
        if each.outcome == "left" and each.verdict.gone
    ]
    if problems or plan.unseen:
        raise RunError(f"{'; '.join([*problems, *plan.unseen])}; {again}")


def _check_unsent(directory: RunDirectory, counts: Mapping[RowState, int]) -> None:
    """Return if a run that was killed before its `run.json` has sent nothing.

    Raises:
        UsageError: It has: the `run.json` is lost, and with it what would tell where its things are.
    """
    if counts.keys() - {RowState.READY} or any(directory.parts.glob("*")):
        raise UsageError(
            f"{directory.path} holds a run whose run.json is gone, and with it what tells where its queue and its "
            "uploads are: put it back, or remove the directory by hand and look with `fanout gc`"
        )


def _counts(directory: RunDirectory) -> Counter[RowState]:
    """Return how many rows stand in each state, those of shards included; none of a journal that does not tell."""
    found: Counter[RowState] = Counter()
    for each in (directory, *_shards(directory)):
        with suppress(RunError):
            found.update((count_states(each.journal) or {}) if each.journal.exists() else {})
    return found


def _shards(directory: RunDirectory) -> list[RunDirectory]:
    """Return the directories of the shards that have begun."""
    found = [RunDirectory(path) for path in sorted(directory.shards.glob("*"))]
    return [shard for shard in found if shard.manifest.exists()]


def reaching(config: Config) -> Config:
    """Return a run's configuration for one process that reads no input."""
    return config.model_copy(
        update={
            "input": config.input.model_copy(update={"paths": ()}),
            "run": config.run.model_copy(update={"processes": 1}),
        }
    )
