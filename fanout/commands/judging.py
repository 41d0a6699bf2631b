"""Judges what was found in an account, by the rules of `domain.dead_runs`: of which run it is, and whether it may go.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from fanout.commands.account_scan import AccountScan
from fanout.commands.claims_left import LeftClaim
from fanout.commands.leftovers import FoundInputs, FoundPlace, FoundQueue, Kind, Leftover, Stranded, Target
from fanout.commands.places_left import LeftPlace
from fanout.domain.dead_claims import judge_claim
from fanout.domain.dead_places import Unfinished, judge_place
from fanout.domain.dead_runs import UPLOADS_SILENT_S, QueueOwner, Sight, Verdict, judge, queue_owner
from fanout.domain.ids import parse_input_key
from fanout.domain.leftovers import BegunUploads, UnfinishedUpload
from fanout.domain.location import Location
from fanout.domain.queues import run_of_queue, seen_at

KEPT = Verdict(gone=False, reason="its run was asked to keep its uploaded payloads (keep_inputs)")

NOT_NOTED = "this run has not begun it: it is another program's, or a later run's, to the same place"


def judged(
    found: AccountScan,
    *,
    sights: Mapping[str, Sight],
    uploads: Location | None,
    begun: Mapping[str, BegunUploads],
    endpoint: str | None,
    older_than_s: float,
) -> list[Leftover]:
    """Return what was found as leftovers of runs, each with whether it may go.

    Args:
        found: In the account.
        sights: The runs whose directories can be seen.
        uploads: Prefix of uploaded payloads; None if none were looked for.
        begun: The uploads to their outputs' places that runs have begun.
        endpoint: The endpoint whose runs are meant, None for all; what may be another's stays.
        older_than_s: How long a run must have been silent.
    """
    judging = _Judging(found, sights=sights, older_than_s=older_than_s)
    leftovers = [*judging.queues(), *judging.subscriptions(), *judging.uploads(uploads, begun)]
    if uploads is not None:
        leftovers += judging.inputs(uploads)
    if endpoint is None:
        return leftovers
    return [_of(each, endpoint) for each in leftovers if each.endpoint in {None, endpoint}]


def judged_claims(
    claims: Iterable[LeftClaim],
    *,
    others: Iterable[Leftover],
    sights: Mapping[str, Sight],
    endpoint: str | None,
    older_than_s: float,
) -> list[Leftover]:
    """Return claims on outputs as leftovers of runs, each with whether it may go; as for `judged`.

    What else was found of a run, `others`, tells its endpoint: a claim does not.
    """
    found = []
    endpoints = {each.run_id: each.endpoint for each in others if each.endpoint is not None}
    for each in claims:
        sight = sights.get(each.run_id)
        verdict = judge_claim(each.run, where=each.where, silent_s=each.silent_s, older_than_s=older_than_s)
        found.append(
            Leftover(
                kind="claim",
                name=each.name,
                run_id=each.run_id,
                endpoint=endpoints.get(each.run_id) if sight is None else sight.endpoint,
                verdict=verdict,
                sight=sight,
                target=each.target,
            )
        )
    return (
        found
        if endpoint is None
        else [_of(each, endpoint) for each in found if each.endpoint in {None, endpoint}]
    )


def judged_places(
    places: Iterable[LeftPlace], *, endpoint: str | None, older_than_s: float, unfinished: Unfinished
) -> list[Leftover]:
    """Return run places as leftovers of runs, each with whether it may go; as for `judged`.

    Args:
        places: The places.
        endpoint: The endpoint whose runs are meant, None for all.
        older_than_s: How long nothing must have been written there.
        unfinished: What becomes of runs that can be gone on with.
    """
    found = []
    for each in places:
        config = None if each.manifest is None else each.manifest.config
        verdict = judge_place(
            each.state,
            where=each.place.uri,
            age_s=each.age_s,
            older_than_s=older_than_s,
            keeps=config is not None and config.run.keep_dir,
            unfinished=unfinished,
        )
        found.append(
            Leftover(
                kind="place",
                name=each.place.uri,
                run_id=each.run_id,
                endpoint=None if each.manifest is None else each.manifest.endpoint,
                verdict=verdict,
                sight=each.sight,
                target=FoundPlace(each),
                count=len(each.objects),
                size_bytes=each.size_bytes,
            )
        )
    return (
        found
        if endpoint is None
        else [_of(each, endpoint) for each in found if each.endpoint in {None, endpoint}]
    )


def _of(leftover: Leftover, endpoint: str) -> Leftover:
    """Return a leftover as one of `endpoint`: it stays if nothing tells that it is."""
    if leftover.endpoint == endpoint or not leftover.verdict.gone:
        return leftover
    reason = "nothing tells of which endpoint its run is"
    return replace(leftover, verdict=replace(leftover.verdict, gone=False, reason=reason))


class _Judging:
    def __init__(self, found: AccountScan, *, sights: Mapping[str, Sight], older_than_s: float) -> None:
        self._found = found
        self._sights = sights
        self._older_than_s = older_than_s
        self._owners: dict[str, QueueOwner] = {}
        """By the queues' urls."""
        for url, tags in found.queues.items():
            owner = queue_owner(url.rpartition("/")[2], tags, sights=sights, now=found.now)
            if owner is not None:
                self._owners[url] = owner
        self._of_run = {owner.run_id: owner for owner in self._owners.values() if owner.doubt is None}

    def queues(self) -> Iterator[Leftover]:
        for url, owner in self._owners.items():
            target = FoundQueue(url, seen_at(self._found.queues[url] or {}))
            yield self._leftover("queue", url, owner.run_id, self._by_queue(owner), target, owner=owner)

    def subscriptions(self) -> Iterator[Leftover]:
        owners = {url.rpartition("/")[2]: owner for url, owner in self._owners.items()}
        for each in self._found.subscriptions:
            run_id, owner = run_of_queue(each.queue) or "", owners.get(each.queue)
            target: Target = each if owner is not None else Stranded(each)
            if owner is not None:
                verdict = self._by_queue(owner)
            elif self._sees_at_work(run_id):
                verdict = self._judge(run_id, None)
            else:
                verdict = Verdict(gone=True, reason="its queue is gone")
            yield self._leftover("subscription", each.arn, run_id, verdict, target, owner=owner)

    def uploads(self, uploads: Location | None, begun: Mapping[str, BegunUploads]) -> Iterator[Leftover]:
        places = {location: run_id for run_id, each in begun.items() for location in each.places}
        for each in self._found.uploads:
            run_id = next((run_id for run_id, noted in begun.items() if noted.has(each)), None)
            if run_id is None and each.location in places:
                verdict = Verdict(
                    gone=False, reason=NOT_NOTED, age_s=max(self._found.now - each.began_at, 0.0)
                )
                yield self._leftover("upload", _named(each), places[each.location], verdict, each)
                continue
            if run_id is None and uploads is not None and each.location.bucket == uploads.bucket:
                run_id, _ = parse_input_key(each.location.key, uploads.key) or (None, 0)
            if run_id is not None:
                yield self._leftover(
                    "upload", _named(each), run_id, self._by_age(run_id, each.began_at), each
                )

    def inputs(self, uploads: Location) -> Iterator[Leftover]:
        for run_id, each in self._found.inputs.items():
            sight = self._sights.get(run_id)
            kept = sight is not None and sight.keeps_inputs
            verdict = KEPT if kept else self._by_age(run_id, each.newest_at)
            name = f"{uploads.uri.rstrip('/')}/*/{run_id}/"
            leftover = self._leftover("inputs", name, run_id, verdict, FoundInputs(uploads, each))
            yield replace(leftover, count=each.count, size_bytes=each.size_bytes)

    def _by_queue(self, owner: QueueOwner) -> Verdict:
        if owner.doubt is not None:
            return Verdict(gone=False, reason=owner.doubt, age_s=owner.silent_s)
        return self._judge(owner.run_id, owner.silent_s)

    def _by_age(self, run_id: str, at: float) -> Verdict:
        """Judge a run by its queue if it has one, else by the instant `at` of what it has uploaded."""
        owner = self._of_run.get(run_id)
        if owner is not None:
            return self._judge(run_id, owner.silent_s)
        return self._judge(run_id, max(self._found.now - at, 0.0), least_s=UPLOADS_SILENT_S)

    def _judge(self, run_id: str, silent_s: float | None, **least: float) -> Verdict:
        return judge(self._sights.get(run_id), silent_s=silent_s, older_than_s=self._older_than_s, **least)

    def _sees_at_work(self, run_id: str) -> bool:
        sight = self._sights.get(run_id)
        return sight is not None and sight.lives

    def _leftover(
        self,
        kind: Kind,
        name: str,
        run_id: str,
        verdict: Verdict,
        target: Target,
        *,
        owner: QueueOwner | None = None,
    ) -> Leftover:
        owner, sight = owner or self._of_run.get(run_id), self._sights.get(run_id)
        endpoint = owner.endpoint if owner is not None else sight.endpoint if sight is not None else None
        return Leftover(
            kind=kind,
            name=name,
            run_id=run_id,
            endpoint=endpoint,
            verdict=verdict,
            sight=sight,
            target=target,
        )


def _named(upload: UnfinishedUpload) -> str:
    return f"{upload.location.uri} (upload {upload.id})"
