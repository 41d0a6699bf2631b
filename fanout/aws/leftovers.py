"""Finds what runs left behind in an account, and removes subscriptions and unfinished uploads; one page a call.

It is called by a person now and then. What `http.control_client` makes no calls of is botocore's, as all that is rare.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from fanout.aws.control_retry import patiently
from fanout.aws.errors import UNREADABLE, skew_s
from fanout.aws.s3_arguments import address, in_bucket
from fanout.aws.settings import AwsSettings
from fanout.domain.failures import MISSING
from fanout.domain.leftovers import Subscription, UnfinishedUpload
from fanout.domain.location import Location
from fanout.errors import CallError, Phase

PAGE = 1_000  # SQS API reference: ListQueues names no next page unless it is asked for so many


class AwsLeftovers:
    """`domain.leftovers.Leftovers`.

    Args:
        sqs: An SQS client: aiobotocore's, or `http.control_client.ControlClient`.
        sns: An SNS client, likewise.
        s3: An S3 client of aiobotocore's.
        settings: Timeouts, the owner that buckets must have.
    """

    def __init__(self, sqs: Any, sns: Any, s3: Any, *, settings: AwsSettings) -> None:
        self._sqs = sqs
        self._sns = sns
        self._s3 = s3
        self._settings = settings

    async def queues(self, prefix: str) -> tuple[Sequence[str], float]:
        """Return the urls of the queues whose names begin with `prefix`, and the instant by the clock of SQS."""
        urls: list[str] = []
        following: dict[str, str] = {}
        while True:
            page = await self._call(
                self._sqs.list_queues, QueueNamePrefix=prefix, MaxResults=PAGE, **following
            )
            urls += page.get("QueueUrls") or ()
            if not page.get("NextToken"):
                break
            following = _next({"NextToken": page["NextToken"]}, following)
        now = time.time()
        headers = page.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        return urls, now + (skew_s(headers, now=now) or 0.0)

    async def tags(self, url: str) -> Mapping[str, str] | None:
        """Return the tags of a queue, None if it is gone."""
        answer = await self._if_there(self._sqs.list_queue_tags, QueueUrl=url)
        return None if answer is None else answer.get("Tags") or {}

    async def subscriptions(self, topic: str | None) -> Sequence[Subscription]:
        """Return the subscriptions of queues to a topic, None for all of the account; none if the topic is gone."""
        listing = self._sns.list_subscriptions
        if topic is not None:
            listing = partial(self._sns.list_subscriptions_by_topic, TopicArn=topic)
        found: list[Subscription] = []
        following: dict[str, str] = {}
        while (page := await self._if_there(listing, **following)) is not None:
            found += [
                Subscription(each["SubscriptionArn"], each["TopicArn"], each["Endpoint"])
                for each in page.get("Subscriptions") or ()
                if each.get("Protocol") == "sqs"
            ]
            if not page.get("NextToken"):
                break
            following = _next({"NextToken": page["NextToken"]}, following)
        return found

    async def filter_of(self, subscription: str) -> str | None:
        """Return the filter policy of a subscription by its ARN, None if it has none or is gone."""
        answer = await self._if_there(self._sns.get_subscription_attributes, SubscriptionArn=subscription)
        policy: str | None = None if answer is None else answer["Attributes"].get("FilterPolicy")
        return policy

    async def unsubscribe(self, subscription: str) -> None:
        """Remove a subscription by its ARN; harmless when it is gone."""
        await self._if_there(self._sns.unsubscribe, SubscriptionArn=subscription)

    async def uploads(self, bucket: str, prefix: str) -> Sequence[UnfinishedUpload]:
        """Return the unfinished uploads to keys below `prefix`, in the order of keys."""
        found: list[UnfinishedUpload] = []
        following: dict[str, str] = {}
        while True:
            page = await self._call(
                self._s3.list_multipart_uploads,
                **in_bucket(bucket, self._settings),
                Prefix=prefix,
                **following,
            )
            found += [
                UnfinishedUpload(
                    Location(bucket, each["Key"]), each["UploadId"], each["Initiated"].timestamp()
                )
                for each in page.get("Uploads") or ()
            ]
            if not page.get("IsTruncated"):
                return found
            told = {"KeyMarker": page.get("NextKeyMarker"), "UploadIdMarker": page.get("NextUploadIdMarker")}
            following = _next(told, following)

    async def abort(self, upload: UnfinishedUpload) -> None:
        """Remove an unfinished upload with its parts; harmless when it is gone."""
        named = address(upload.location, self._settings)
        await self._if_there(self._s3.abort_multipart_upload, **named, UploadId=upload.id)

    async def _if_there(self, operation: Callable[..., Awaitable[Any]], **parameters: Any) -> Any:
        """Return the answer, None if what the call names is gone."""
        try:
            return await self._call(operation, **parameters)
        except CallError as error:
            if error.code in MISSING or error.code == "NoSuchUpload":
                return None
            raise

    async def _call(self, operation: Callable[..., Awaitable[Any]], **parameters: Any) -> Any:
        return await patiently(partial(operation, **parameters), timeout_s=self._settings.call_timeout_s)


def _next(told: Mapping[str, str | None], before: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that ask for the next page, as one that is not the last tells them.

    Raises:
        CallError: It tells none, or itself again: the listing would end early, or never.
    """
    following = {name: value for name, value in told.items() if value}
    if not following or following == before:
        raise CallError(Phase.EXCHANGE, UNREADABLE, message="a truncated listing names no next page")
    return following
