"""Works out what of AWS a verb uses, from its configuration and from what AWS says of the endpoint; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, unique

from fanout.commands.infra.described import refuse_local
from fanout.config.model import Config
from fanout.domain.arns import Account, literal, partition_of
from fanout.domain.location import Location, parse_prefix
from fanout.errors import UsageError
from fanout.output.object_place import is_remote, object_place
from fanout.ports import Endpoint
from fanout.runtime import settings as compose
from fanout.runtime.place.run_place import is_place
from fanout.source.detect import format_of_name
from fanout.source.path_rules import GLOB

ACCOUNT_ID, REGION, BUCKET = "ACCOUNT-ID", "REGION", "OUTPUT-BUCKET"
TOPICS = ("SUCCESS-TOPIC", "ERROR-TOPIC")
"""What stands for a name that is not known."""
_CLASS = re.compile(r"\[[^\]]*\]")


@unique
class Verb(Enum):
    """The verbs that there is a policy for."""

    RUN = "run"
    """And `resume`, `retry`, `resume --rebuild`, `fanout.open`."""
    BENCH = "bench"
    DOCTOR = "doctor"
    """It looks at what `run` needs, by the same calls."""
    GC = "gc"
    """It finds, and removes, what runs left."""


NOT_YET = ("submit", "collect")
"""Verbs that are to come, and will have rights of their own."""


def verb_of(text: str) -> Verb:
    """Return the verb of that name.

    Raises:
        UsageError: There is no policy for it.
    """
    try:
        return Verb(text)
    except ValueError as error:
        known = ", ".join(verb.value for verb in Verb)
        why = f"there is no `fanout {text}` yet; " if text in NOT_YET else ""
        raise UsageError(f"--for {text}: {why}there is a policy for {known}") from error


@dataclass(frozen=True, slots=True)
class Place:
    """Objects in S3.

    Attributes:
        bucket: ARN of their bucket, or of its access point.
        objects: ARN pattern of the objects.
        prefix: Pattern of the prefixes by which they are listed.
    """

    bucket: str
    objects: str
    prefix: str


@dataclass(frozen=True, slots=True)
class Key:
    """A KMS key; `alias` where a policy can know it by that alone."""

    arn: str
    alias: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """What of AWS is used.

    Attributes:
        account: Where the endpoint is.
        endpoint: Its ARN.
        inputs: Objects that are read as input, each once.
        listed_inputs: Those that are found by listing.
        uploads: Where payloads are uploaded; None where none may be.
        deletes_uploads: Whether they are deleted again.
        tags: Whether they are tagged.
        key: The key that what is written is encrypted with; None for the bucket's own.
        results: Where the endpoint writes outputs and failures.
        results_key: The key that it encrypts them with.
        topics: The topics that the run's own queue is subscribed to; none if it has no such queue.
        shared_queue: ARN of the queue that is listened to instead.
        output: Where in S3 the output is put; None if it is not.
        dataset: Whether the output is a prefix of files.
        run_place: Where the run's state is kept in S3, or where a clean-up looks for places of runs; None where it is
            kept on a disk.
        left_below: Where a clean-up looks for claims on outputs, and for uploads to them; None where it does not.
        cleans: Whether it is for a clean-up, of which the endpoint is named or not.
    """

    account: Account
    endpoint: str
    inputs: tuple[Place, ...] = ()
    listed_inputs: tuple[Place, ...] = ()
    uploads: Place | None = None
    deletes_uploads: bool = True
    tags: bool = False
    key: Key | None = None
    results: tuple[Place, ...] = ()
    results_key: Key | None = None
    topics: tuple[str, ...] = ()
    shared_queue: str | None = None
    output: Place | None = None
    dataset: bool = False
    run_place: Place | None = None
    left_below: Place | None = None
    cleans: bool = False


def uses_of(
    config: Config, verb: Verb, *, endpoint: Endpoint | None, region: str | None, account_id: str | None
) -> Uses:
    """Return what `verb` uses.

    Args:
        config: The configuration.
        verb: The verb.
        endpoint: What AWS says of the endpoint; None if it could not be asked.
        region: The region, None if it is not known.
        account_id: The account, if a person says so.

    Raises:
        UsageError: The configuration names no endpoint, or is for the local AWS, which asks for no rights.
    """
    refuse_local(config)
    if verb is Verb.GC:
        return _uses_of_clean_up(config, endpoint=endpoint, region=region, account_id=account_id)
    name = compose.required(config.endpoint.name, "no endpoint: name it with --endpoint")
    account = account_of(endpoint, region, account_id)
    transport, collect = config.transport, config.collect
    uploads = parse_prefix(transport.input_prefix) if transport.input_prefix else None
    read, listed = _inputs(config, account)
    output = config.output.path or ""
    writes = verb is not Verb.BENCH and is_remote(output)
    place = object_place(output) if writes else None
    own_queue = collect.notifications and collect.queue_url is None
    return Uses(
        account=account,
        endpoint=(endpoint.arn if endpoint is not None else None) or account.endpoint(name),
        inputs=read,
        listed_inputs=listed,
        uploads=below(account, uploads.bucket, uploads.key)
        if uploads is not None and transport.mode != "inline"
        else None,
        deletes_uploads=not transport.keep_inputs,
        tags=bool(transport.input_tags),
        key=_key(account, transport.kms_key_id),
        results=_results(endpoint, account),
        results_key=_key(account, endpoint.kms_key_id if endpoint is not None else None),
        topics=topics_of(endpoint, account) if own_queue else (),
        shared_queue=None if collect.queue_url is None else account.queue(collect.queue_url),
        output=None if place is None else _at(account, place.bucket, place.key, "*" if place.dataset else ""),
        dataset=place is not None and place.dataset,
        run_place=None if verb is Verb.BENCH else _run_place(config, account),
    )


def _run_place(config: Config, account: Account) -> Place | None:
    """Return what a run keeps of its state in S3: below the place that is named, or below the parent of places."""
    named = (config.run.dir or "").partition("{")[0]
    if not is_place(config.run.dir or ""):
        return None
    bucket, _, key = named[len("s3://") :].partition("/")
    whole = named == config.run.dir and not key.endswith("/")
    return _at(account, bucket, f"{key}/" if whole else key, "*")


def _uses_of_clean_up(
    config: Config, *, endpoint: Endpoint | None, region: str | None, account_id: str | None
) -> Uses:
    """Return what `gc` uses: it needs no endpoint, and looks for uploads, claims and places where it is told."""
    name, prefix, output = config.endpoint.name, config.transport.input_prefix, config.output.path or ""
    account = account_of(endpoint, region, account_id)
    uploads = parse_prefix(prefix) if prefix else None
    bucket, _, key = output.partition("{")[0][len("s3://") :].partition("/")
    return Uses(
        account=account,
        endpoint="" if name is None else (endpoint and endpoint.arn) or account.endpoint(name),
        uploads=None if uploads is None else below(account, uploads.bucket, uploads.key),
        topics=() if name is None else topics_of(endpoint, account),
        left_below=_at(account, bucket, key, "*") if is_remote(output) else None,
        run_place=_run_place(config, account),
        cleans=True,
    )


def placeholders(account: Account, topics: Sequence[str], results: Sequence[Place] = ()) -> tuple[str, ...]:
    """Return what stands for names that are not known in an account, in topics of it, and in places of results."""
    standing = {
        REGION: account.region == REGION,
        ACCOUNT_ID: account.account_id == ACCOUNT_ID,
        BUCKET: account.bucket(BUCKET) in {place.bucket for place in results},
        **{name: account.arn("sns", name) in topics for name in TOPICS},
    }
    return tuple(name for name, stands in standing.items() if stands)


def below(account: Account, bucket: str, prefix: str) -> Place:
    """Return the objects below a prefix."""
    return _at(account, bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else "", "*")


def _at(account: Account, bucket: str, key: str, rest: str) -> Place:
    pattern = literal(key) + rest
    return Place(account.bucket(bucket), account.objects(bucket, pattern), pattern)


def account_of(endpoint: Endpoint | None, region: str | None, account_id: str | None) -> Account:
    """Return the account that the endpoint is in, with placeholders for what is not known of it."""
    found = Account.of_arn(endpoint.arn or "") if endpoint is not None else None
    if found is not None:
        return found
    return Account(partition_of(region or ""), region or REGION, account_id or ACCOUNT_ID)


def _key(account: Account, key: str | None) -> Key | None:
    return None if key is None else Key(*account.key(key))


def _results(endpoint: Endpoint | None, account: Account) -> tuple[Place, ...]:
    """Return where outputs and failures stand; a placeholder for the former if they cannot be known."""
    output = _prefix(endpoint.output_path) if endpoint is not None else None
    failure = _prefix(endpoint.failure_path) if endpoint is not None else None
    places = (output or Location(BUCKET, ""), *((failure,) if failure is not None else ()))
    return tuple(dict.fromkeys(below(account, place.bucket, place.key) for place in places))


def _prefix(path: str | None) -> Location | None:
    """Return what an endpoint's path names: it may be an https url (pattern of S3OutputPath, API reference)."""
    if not path or path.startswith("s3://"):
        return parse_prefix(path or "")
    found = Location.parse(f"{path.rstrip('/')}/x")
    return None if found is None else Location(found.bucket, found.key.removesuffix("x"))


def topics_of(endpoint: Endpoint | None, account: Account) -> tuple[str, ...]:
    """Return the topics of an endpoint, placeholders for them if it could not be asked."""
    if endpoint is not None:
        return endpoint.topics
    return tuple(account.arn("sns", name) for name in TOPICS)


def _inputs(config: Config, account: Account) -> tuple[tuple[Place, ...], tuple[Place, ...]]:
    """Return the objects that are read, and those of them that are listed before; see `source.s3_discovery`."""
    read: list[Place] = []
    listed: list[Place] = []
    for path in filter(is_remote, config.input.paths):
        bucket, _, key = path[len("s3://") :].partition("/")
        found = list(_input(account, bucket, key))
        read += found
        listed += [place for place in found if place.prefix.endswith("*")]
    return tuple(dict.fromkeys(read)), tuple(dict.fromkeys(listed))


def _input(account: Account, bucket: str, key: str) -> Iterator[Place]:
    if GLOB & set(key):
        first = next(index for index, char in enumerate(key) if char in GLOB)
        # A star of IAM's spans slashes, and there are no classes.
        pattern = literal(key[:first]) + _CLASS.sub("?", key[first:]).replace("**", "*")
        yield Place(account.bucket(bucket), account.objects(bucket, pattern), f"{literal(key[:first])}*")
        return
    if key and not key.endswith("/"):
        yield _at(account, bucket, key, "")
        if format_of_name(key.rpartition("/")[2]) is not None:
            return
        key += "/"  # it may be a prefix without its slash: both are looked for
    yield _at(account, bucket, key, "*")
