"""Says which rights each call to AWS needs, on what, and when it is made: the one table of them; pure.

A statement's Sid is its reason. `docs/infra.md` has the same table in words, and what fails without each statement.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from fanout.commands.infra.uses import Key, Place, Uses
from fanout.domain.ids import PREFIX
from fanout.output.object_place import CLAIM, CLAIM_SUFFIX
from fanout.runtime.place.run_place import OWN

VERSION = "2012-10-17"  # of the policy language, IAM reference
Condition = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement that allows something.

    Attributes:
        sid: Why: letters and digits.
        actions: The rights.
        resources: ARNs, or patterns of them.
        condition: When it holds; empty for always.
    """

    sid: str
    actions: Sequence[str]
    resources: Sequence[str]
    condition: Condition = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """Return it as IAM's JSON spells it."""
        told: dict[str, object] = {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": list(self.actions),
            "Resource": list(self.resources),
        }
        return told | ({"Condition": self.condition} if self.condition else {})


def policy(uses: Uses) -> dict[str, object]:
    """Return the policy document that allows what is used, and nothing else."""
    return {"Version": VERSION, "Statement": [each.as_dict() for each in statements(uses)]}


def statements(uses: Uses) -> Iterator[Statement]:
    """Yield a statement for each thing that is done, in the order in which a run does them."""
    if uses.cleans:
        yield from _clean_up(uses)
        return
    yield from _endpoint(uses)
    yield from _input(uses)
    yield from _uploads(uses)
    yield from _messages(uses)
    yield from _results(uses)
    yield from _run_place(uses)
    yield from _output(uses)


def _run_place(uses: Uses) -> Iterator[Statement]:
    place = uses.run_place
    if place is None:
        return
    yield Statement(
        sid="KeepTheStateOfTheRun",
        # Segments, snapshots and parts. Segments go after a snapshot, parts once the run has finished.
        actions=["s3:PutObject", "s3:GetObject", "s3:DeleteObject"],
        resources=[place.objects],
    )
    if place.bucket not in {each.bucket for each in uses.results}:
        # Without a condition on prefixes, as of the results: whether a run is there is told by what is missing.
        yield Statement(sid="TellWhatIsAtThePlace", actions=["s3:ListBucket"], resources=[place.bucket])


def _endpoint(uses: Uses) -> Iterator[Statement]:
    # An update gives the endpoint a configuration of another name.
    configs = uses.account.arn("sagemaker", "endpoint-config/*")
    yield Statement(
        sid="DescribeTheEndpoint",
        actions=["sagemaker:DescribeEndpoint", "sagemaker:DescribeEndpointConfig"],
        resources=[uses.endpoint, configs],
    )
    yield Statement(sid="SendRows", actions=["sagemaker:InvokeEndpointAsync"], resources=[uses.endpoint])
    yield Statement(  # has neither resources nor a condition (service authorization reference of CloudWatch)
        sid="AskForTheBacklog", actions=["cloudwatch:GetMetricStatistics"], resources=["*"]
    )


def _input(uses: Uses) -> Iterator[Statement]:
    if uses.inputs:
        yield Statement(
            sid="ReadTheInput",
            actions=["s3:GetObject"],  # HeadObject needs it, too
            resources=[place.objects for place in uses.inputs],
        )
    yield from _listing("ListTheInput", uses.listed_inputs, uses=uses)


def _uploads(uses: Uses) -> Iterator[Statement]:
    uploads = uses.uploads
    if uploads is None:
        return
    tagging = ["s3:PutObjectTagging"] if uses.tags else []
    yield Statement(
        sid="UploadPayloads",
        # CreateMultipartUpload, UploadPart and CompleteMultipartUpload need PutObject.
        actions=["s3:PutObject", *tagging, "s3:AbortMultipartUpload"],
        resources=[uploads.objects],
    )
    if uses.deletes_uploads:
        yield Statement(
            sid="DeleteUploadedPayloads", actions=["s3:DeleteObject"], resources=[uploads.objects]
        )
    yield from _listing("FindUploadsForARebuild", [uploads], uses=uses)


def _messages(uses: Uses) -> Iterator[Statement]:
    if uses.shared_queue is not None:
        yield Statement(
            sid="ListenToTheSharedQueue",
            actions=["sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:DeleteMessage"],
            resources=[uses.shared_queue],
        )
    if not uses.topics:
        return
    yield Statement(
        sid="MakeAQueueForTheRun",
        actions=[
            "sqs:GetQueueUrl",
            "sqs:CreateQueue",
            "sqs:TagQueue",
            "sqs:GetQueueAttributes",
            "sqs:SetQueueAttributes",
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:DeleteQueue",
        ],
        resources=[uses.account.arn("sqs", f"{PREFIX}-*")],
    )
    yield Statement(
        sid="SubscribeTheQueue", actions=["sns:Subscribe", "sns:Unsubscribe"], resources=list(uses.topics)
    )


def _results(uses: Uses) -> Iterator[Statement]:
    yield Statement(
        sid="ReadResults",
        actions=["s3:GetObject"],
        resources=[place.objects for place in uses.results],
    )
    yield Statement(
        # Of the bucket as a whole: S3 tells of an object that it is missing, and not 403, only where listing is
        # allowed without a condition on prefixes, which a GET has not.
        sid="TellMissingFromDenied",
        actions=["s3:ListBucket"],
        resources=list(dict.fromkeys(place.bucket for place in uses.results)),
    )
    if uses.results_key is not None and uses.results_key != _written_with(uses):
        yield _with_key("DecryptResults", ["kms:Decrypt"], uses.results_key)


def _output(uses: Uses) -> Iterator[Statement]:
    output = uses.output
    if output is not None:
        replacing = ["s3:DeleteObject"] if uses.dataset else []
        yield Statement(
            sid="WriteTheOutput",
            actions=["s3:PutObject", "s3:AbortMultipartUpload", "s3:GetObject", *replacing],
            resources=[output.objects],
        )
        if not uses.dataset:  # that of a dataset stands within it
            yield Statement(
                sid="ClaimTheOutput",
                actions=["s3:PutObject", "s3:GetObject", "s3:DeleteObject"],
                resources=[f"{output.objects}{CLAIM_SUFFIX}"],
            )
        if uses.dataset:
            yield from _listing("ListTheOutput", [output], uses=uses)
    key = _written_with(uses)
    if key is not None:
        # Decrypt, too: S3 opens the data key again for each part.
        yield _with_key("EncryptWhatIsWritten", ["kms:GenerateDataKey", "kms:Decrypt"], key)


def _clean_up(uses: Uses) -> Iterator[Statement]:
    """Yield what `gc` needs: first to find, which suffices for a list, then to remove."""
    queues = [uses.account.arn("sqs", f"{PREFIX}-*")]
    topics = list(uses.topics) or [uses.account.arn("sns", "*")]
    if uses.endpoint:
        configs = uses.account.arn("sagemaker", "endpoint-config/*")
        yield Statement(
            sid="DescribeTheEndpoint",
            actions=["sagemaker:DescribeEndpoint", "sagemaker:DescribeEndpointConfig"],
            resources=[uses.endpoint, configs],
        )
    # Neither list is about a resource (service authorization references of SQS and SNS).
    yield Statement(sid="FindQueues", actions=["sqs:ListQueues"], resources=["*"])
    yield Statement(sid="ReadTagsOfQueues", actions=["sqs:ListQueueTags"], resources=queues)
    if uses.topics:
        yield Statement(
            sid="FindSubscriptionsOfTheEndpoint",
            actions=["sns:ListSubscriptionsByTopic"],
            resources=topics,
        )
    else:
        yield Statement(sid="FindSubscriptions", actions=["sns:ListSubscriptions"], resources=["*"])
    yield Statement(
        sid="ReadFiltersOfSubscriptions", actions=["sns:GetSubscriptionAttributes"], resources=topics
    )
    uploads, left = uses.uploads, uses.left_below
    written = [place for place in (uploads, left) if place is not None]
    if uploads is not None:
        yield from _listing("FindUploadedPayloads", [uploads], uses=uses)
    if written:
        buckets = list(dict.fromkeys(place.bucket for place in written))
        yield Statement(
            sid="FindUnfinishedUploads", actions=["s3:ListBucketMultipartUploads"], resources=buckets
        )
    claims = [] if left is None else [f"{left.objects}{CLAIM_SUFFIX}", f"{left.objects}{CLAIM}"]
    if left is not None:
        yield from _listing("FindClaims", [left], uses=uses)
        yield Statement(sid="ReadClaims", actions=["s3:GetObject"], resources=claims)
    places = uses.run_place
    if places is not None:
        # Without a condition on prefixes, as of a run's own place: an object may go while it is looked at.
        yield Statement(sid="FindPlaces", actions=["s3:ListBucket"], resources=[places.bucket])
        yield Statement(sid="ReadPlaces", actions=["s3:GetObject"], resources=[places.objects])
    yield Statement(sid="RemoveQueues", actions=["sqs:DeleteQueue"], resources=queues)
    yield Statement(sid="RemoveSubscriptions", actions=["sns:Unsubscribe"], resources=topics)
    if uploads is not None:
        yield Statement(
            sid="RemoveUploadedPayloads", actions=["s3:DeleteObject"], resources=[uploads.objects]
        )
    if written:
        yield Statement(
            sid="AbortUnfinishedUploads",
            actions=["s3:AbortMultipartUpload"],
            resources=[place.objects for place in written],
        )
    if left is not None:
        yield Statement(sid="RemoveClaims", actions=["s3:PutObject", "s3:DeleteObject"], resources=claims)
    if places is not None:
        names = [f"{places.objects}{name}" for name in OWN]
        # By a segment that keeps an owner away that comes back.
        yield Statement(sid="FencePlaces", actions=["s3:PutObject"], resources=names[:1])
        yield Statement(sid="RemovePlaces", actions=["s3:DeleteObject"], resources=names)


def _written_with(uses: Uses) -> Key | None:
    """Return the key that objects are written with; None if none is named, or nothing is written."""
    return None if uses.output is None and uses.uploads is None else uses.key


def _listing(sid: str, places: Sequence[Place], *, uses: Uses) -> Iterator[Statement]:
    """Yield a statement a bucket, as prefixes of one must not be allowed in another; none where all may be listed."""
    whole = {place.bucket for place in uses.results}
    ordered = sorted((place for place in places if place.bucket not in whole), key=lambda place: place.bucket)
    for number, (bucket, group) in enumerate(groupby(ordered, key=lambda place: place.bucket), 1):
        prefixes = list(dict.fromkeys(place.prefix for place in group))
        yield Statement(
            sid=sid if number == 1 else f"{sid}{number}",
            actions=["s3:ListBucket"],
            resources=[bucket],
            condition={} if "*" in prefixes else {"StringLike": {"s3:prefix": prefixes}},
        )


def _with_key(sid: str, actions: Sequence[str], key: Key) -> Statement:
    aliased = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": [key.alias]}}
    return Statement(
        sid=sid, actions=actions, resources=[key.arn], condition=aliased if key.alias is not None else {}
    )
