"""Proves the rights in S3: on results by looking for some that are not there, on uploads by one that is aborted.

Whose an output in S3 is, its claim says, which is read and not written.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from fanout.commands.doctor.finding import Finding, failure, found, ok, warning
from fanout.concurrency.clock import uptime_s
from fanout.config.model import TransportSection
from fanout.domain.failures import NOT_PERMITTED
from fanout.domain.ids import PREFIX, input_key
from fanout.domain.location import Location, parse_prefix
from fanout.domain.remedies import remedy, upload_remedy
from fanout.engine.retrying import retry_call
from fanout.errors import CallError, RunError
from fanout.output.object_place import ObjectPlace
from fanout.ports import Clock, ObjectStore
from fanout.rundir.claim import Owner
from fanout.runtime.claim_object import claim_location
from fanout.runtime.endpoint import LOOK_PATIENCE_S
from fanout.runtime.object_claim import ObjectClaim
from fanout.runtime.place.replay import list_journal, read_object
from fanout.runtime.place.run_place import RunPlace
from fanout.runtime.upload_proof import prove_upload
from fanout.text import quoted


async def check_uploads(
    objects: ObjectStore, uploads: Location, transport: TransportSection, *, run_id: str, clock: Clock
) -> list[Finding]:
    """Return whether payloads may be uploaded to `uploads`, with the tags and the key that they get.

    Raises:
        RunError: S3 does not answer, or knows neither us nor the bucket's region.
    """
    location = Location(uploads.bucket, input_key(uploads.key, run_id, 0))
    uri = f"s3://{uploads.bucket}/{uploads.key}".rstrip("/")
    warnings: list[str] = []
    try:
        await _prove(objects, location, tags=transport.input_tags, clock=clock, warn=warnings.append)
    except CallError as error:
        text = upload_remedy(location, error, kms_key_id=transport.kms_key_id, tags=transport.input_tags)
        return [failure("uploads", text)]
    key = f", encrypted with {transport.kms_key_id}" if transport.kms_key_id else ""
    return found("uploads", f"to {uri}: one was begun and aborted{key}", warnings=warnings)


async def check_claim(
    objects: ObjectStore, place: ObjectPlace, *, run_id: str, clock: Clock, warn: Callable[[str], None]
) -> None:
    """Return if a run could claim its output in S3 as far as can be seen without writing a claim.

    Args:
        objects: S3.
        place: The output.
        run_id: The run.
        clock: The clock.
        warn: Called with what a person should know if what was begun to see it stays.

    Raises:
        OutputInUse: A live run has the output.
        UnfinishedRun: It has one that is here.
        RunError: It has one elsewhere, or S3 does not permit it, or does not answer.
    """
    owner = Owner.here(run_id, run_dir=None, now=clock.now())
    await ObjectClaim(objects, place, owner=owner, clock=clock, uptime=uptime_s).check()
    await _prove_permitted(objects, claim_location(place), clock=clock, warn=warn)


async def check_place(
    objects: ObjectStore,
    place: RunPlace,
    *,
    resumes: bool,
    clock: Clock,
    warn: Callable[[str], None],
) -> list[Finding]:
    """Return whether a run could keep its state at `place`: nothing is written that stays.

    Args:
        objects: S3.
        place: The place.
        resumes: Whether the run goes on with one that is there.
        clock: The clock.
        warn: Called with what a person should know if what was begun to see it stays.

    Raises:
        RunError: S3 does not permit it, or does not answer.
    """
    there = await read_object(objects, place.manifest, clock=clock) is not None
    if there and not resumes:
        return [
            failure(
                "place",
                f"{place.uri} holds a run already: `fanout resume {quoted(place.uri)}`, or name another place, or a "
                "parent of places with a slash at its end",
            )
        ]
    await list_journal(objects, place, clock=clock)
    await _prove_permitted(objects, place.segment(1), clock=clock, warn=warn)
    what = "a run is there, which this one goes on with or finds finished" if there else "no run is there"
    return [ok("place", f"{place.uri}: {what}; an upload was begun and aborted")]


async def _prove_permitted(
    objects: ObjectStore, location: Location, *, clock: Clock, warn: Callable[[str], None]
) -> None:
    try:
        await _prove(objects, location, clock=clock, warn=warn)
    except CallError as error:
        raise RunError(f"{location.uri}: {remedy('s3:PutObject', error)}") from error


async def _prove(
    objects: ObjectStore,
    location: Location,
    *,
    tags: Mapping[str, str] | None = None,
    clock: Clock,
    warn: Callable[[str], None],
) -> None:
    begin = partial(objects.begin_upload, location, tags=tags)
    await prove_upload(
        lambda: retry_call(begin, operation="s3:PutObject", clock=clock, give_up_after_s=LOOK_PATIENCE_S),
        uri=location.uri,
        clock=clock,
        warn=warn,
    )


async def check_results(
    objects: ObjectStore, path: str, *, run_id: str, listed: bool, clock: Clock
) -> list[Finding]:
    """Return whether what the endpoint writes below `path` can be found and read.

    Args:
        objects: S3.
        path: `S3OutputPath` or `S3FailurePath`.
        run_id: Of a run that has no results.
        listed: Whether a run finds its results by listing alone.
        clock: The clock.

    Raises:
        RunError: S3 does not answer.
    """
    place = parse_prefix(path)
    if place is None:
        return [warning("results", f"{path} is no place in S3: look at the endpoint's AsyncInferenceConfig")]
    prefix = "/".join(part for part in (place.key, PREFIX, run_id) if part)
    pages = objects.list(place.bucket, f"{prefix}/")
    listing = await _refusal(lambda: anext(pages, None), "s3:ListBucket", clock)
    reading = await _refusal(
        lambda: objects.get(Location(place.bucket, f"{prefix}/doctor")), "s3:GetObject", clock
    )
    return [judge_results(path, listing=listing, reading=reading, listed=listed)]


def judge_results(
    path: str, *, listing: CallError | None, reading: CallError | None, listed: bool
) -> Finding:
    """Return what two refusals mean for the results below `path`; pure.

    Without `s3:ListBucket`, S3 says of an object that is missing what it says of one that may not be read.

    Args:
        path: Where the endpoint writes.
        listing: What S3 answered to a listing; None for a page.
        reading: What it answered to a GET of an object that is not there.
        listed: Whether a run finds its results by listing alone.
    """
    for operation, error in (("s3:ListBucket", listing), ("s3:GetObject", reading)):
        if error is not None and not (_is_denied(error) or error.missing):
            return failure("results", f"{path}: {remedy(operation, error)}")
    if listing is None and reading is not None and _is_denied(reading):
        return failure("results", f"{path}: {remedy('s3:GetObject', reading)}")
    if listing is None:
        return ok("results", f"{path} can be listed and read")
    text = f"{path}: {remedy('s3:ListBucket', listing)}"
    if listed:
        return failure("results", f"{text} Without a queue, listing is how a run finds its results")
    blind = (
        ""
        if reading is not None and reading.missing
        else ", and whether s3:GetObject is granted cannot be told"
    )
    return warning(
        "results", f"{text} Without it, results that no notification announces are found one by one{blind}"
    )


async def _refusal(call: Callable[[], Awaitable[object]], operation: str, clock: Clock) -> CallError | None:
    try:
        await retry_call(call, operation=operation, clock=clock, give_up_after_s=LOOK_PATIENCE_S)
    except CallError as error:
        return error
    return None


def _is_denied(error: CallError) -> bool:
    return error.code in NOT_PERMITTED or error.status == 403
