"""Says who calls, describes the endpoint, asks for its backlog, and opens and closes the run's queue."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fanout.aws.backlog import backlog_points, backlog_question
from fanout.aws.errors import skew_s
from fanout.aws.run_queue import RunQueues
from fanout.aws.timeouts import bounded
from fanout.domain.account_facts import BacklogPoint, Identity
from fanout.domain.failures import NOT_PERMITTED
from fanout.errors import CallError, RunError
from fanout.ports import SIMULATED_HEADER, Endpoint, RunQueue

_RESPONSE_RIDES_ALONG = "SUCCESS_NOTIFICATION_TOPIC"  # of AsyncNotificationTopicTypes in the service model

_NOT_OFFERED = frozenset({"InvalidAction", "UnknownOperationException", "UnknownOperation"})
"""What a server of AWS's protocols answers that has no CloudWatch."""


class AwsControl:
    """`ports.Control` on the SageMaker control plane.

    Args:
        sagemaker: A client of SageMaker's control plane: aiobotocore's, or `http.control_client.ControlClient`.
        cloudwatch: A client of CloudWatch, likewise.
        sts: A client of STS, likewise.
        run_queues: Opens and closes the run's queue.
        timeout_s: Bound of one call as a whole.
        inline: What `supports_inline` returns.
    """

    def __init__(
        self,
        sagemaker: Any,
        *,
        cloudwatch: Any,
        sts: Any,
        run_queues: RunQueues,
        timeout_s: float,
        inline: bool,
    ) -> None:
        self._sagemaker = sagemaker
        self._cloudwatch = cloudwatch
        self._sts = sts
        self._run_queues = run_queues
        self._timeout_s = timeout_s
        self._inline = inline
        self._skew_s: float | None = None

    async def describe(self, endpoint: str) -> Endpoint:
        """Return the endpoint's configuration; see `ports.Control`."""
        async with self._asking():
            described = await self._sagemaker.describe_endpoint(EndpointName=endpoint)
        self._note_clock(described)
        config_name = described.get("EndpointConfigName")
        if not config_name:  # while an endpoint fails to be created
            status = described.get("EndpointStatus")
            raise RunError(
                f"Endpoint {endpoint} is {status} and has no configuration: wait until it is InService."
            )
        async with bounded(self._timeout_s):
            config = await self._sagemaker.describe_endpoint_config(EndpointConfigName=config_name)
        return to_endpoint(described, config)

    async def identity(self) -> Identity:
        """Return whose credentials sign; see `ports.Control`."""
        async with self._asking():
            told = await self._sts.get_caller_identity()
            found = Identity(told["Account"], told["Arn"])
        self._note_clock(told)
        return found

    def clock_skew_s(self) -> float | None:
        """Return how far AWS's clock was ahead of ours; see `ports.Control`."""
        return self._skew_s

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        """Bound a call, and take note of the clock of a refusal: it may be refused for that."""
        try:
            async with bounded(self._timeout_s):
                yield
        except CallError as error:
            self._skew_s = self._skew_s if error.skew_s is None else error.skew_s
            raise

    def _note_clock(self, reply: Mapping[str, Any]) -> None:
        headers = reply.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        found = skew_s(headers, now=time.time())
        self._skew_s = self._skew_s if found is None else found

    async def status(self, endpoint: str) -> str:
        """Return the endpoint's status; see `ports.Control`."""
        async with bounded(self._timeout_s):
            described = await self._sagemaker.describe_endpoint(EndpointName=endpoint)
        return str(described["EndpointStatus"])

    async def backlog(self, endpoint: str, *, since: float, until: float) -> Sequence[BacklogPoint] | None:
        """Return what CloudWatch tells of the endpoint's backlog; see `ports.Control`."""
        question = backlog_question(endpoint, since=since, until=until)
        try:
            async with bounded(self._timeout_s):
                told = await self._cloudwatch.get_metric_statistics(**question)
        except CallError as error:
            if error.code in NOT_PERMITTED or error.code in _NOT_OFFERED:
                return None
            raise
        return backlog_points(told, since=since, until=until)

    async def open_run_queue(
        self, run_id: str, topics: Sequence[str], *, tags: Mapping[str, str] = {}
    ) -> RunQueue:
        """Create and subscribe the run's queue; see `ports.Control`."""
        return await self._run_queues.open(run_id, topics, tags=tags)

    async def close_run_queue(self, run_queue: RunQueue) -> None:
        """Remove the subscriptions, then the queue. Harmless when they are gone."""
        await self._run_queues.close(run_queue)

    async def renew_run_queue(self, url: str) -> None:
        """Note in a tag of the run's queue that its run lives now; see `ports.Control`."""
        await self._run_queues.renew(url)

    async def queue_attributes(self, queue_url: str) -> Mapping[str, str]:
        """Return all attributes of a queue by their names."""
        return await self._run_queues.attributes(queue_url)

    async def supports_inline(self) -> bool:
        """Whether a payload may travel in the request."""
        return self._inline


def to_endpoint(described: Mapping[str, Any], config: Mapping[str, Any]) -> Endpoint:
    """Return what the two descriptions say.

    Raises:
        RunError: The configuration has no AsyncInferenceConfig.
    """
    name = described["EndpointName"]
    asynchronous = config.get("AsyncInferenceConfig")
    if asynchronous is None:
        raise RunError(
            f"Endpoint {name} is not asynchronous: its configuration {config['EndpointConfigName']} has no "
            "AsyncInferenceConfig. Name an asynchronous endpoint, or give this one such a configuration."
        )
    output = asynchronous.get("OutputConfig", {})
    notification = output.get("NotificationConfig", {})
    return Endpoint(
        name=name,
        status=described["EndpointStatus"],
        output_path=output.get("S3OutputPath"),
        failure_path=output.get("S3FailurePath"),
        success_topic=notification.get("SuccessTopic"),
        error_topic=notification.get("ErrorTopic"),
        includes_response=_RESPONSE_RIDES_ALONG in notification.get("IncludeInferenceResponseIn", ()),
        kms_key_id=output.get("KmsKeyId"),
        instances=_instances(described.get("ProductionVariants", ())),
        concurrency_per_instance=asynchronous.get("ClientConfig", {}).get(
            "MaxConcurrentInvocationsPerInstance"
        ),
        simulated=SIMULATED_HEADER in described.get("ResponseMetadata", {}).get("HTTPHeaders", {}),
        instance_types=_instance_types(
            described.get("ProductionVariants", ()), config.get("ProductionVariants", ())
        ),
        arn=described.get("EndpointArn"),
    )


def _instances(variants: Iterable[Mapping[str, Any]]) -> int | None:
    """Return the instances now, None if no variant tells."""
    return _total(_variant_instances(variant) for variant in variants)


def _variant_instances(variant: Mapping[str, Any]) -> int | None:
    """Return a variant's instances now; one with instance pools counts them there."""
    whole: int | None = variant.get("CurrentInstanceCount")
    if whole is not None:
        return whole
    return _total(pool.get("CurrentInstanceCount") for pool in variant.get("InstancePools", ()))


def _total(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _instance_types(
    described: Iterable[Mapping[str, Any]], configured: Iterable[Mapping[str, Any]]
) -> dict[str, int]:
    """Return the instances now by type; of a variant, the configuration names the type, of a pool, the description."""
    types = {variant.get("VariantName"): variant.get("InstanceType") for variant in configured}
    found: dict[str, int] = {}
    for variant in described:
        whole = {
            "InstanceType": types.get(variant.get("VariantName")),
            "CurrentInstanceCount": variant.get("CurrentInstanceCount"),
        }
        for one in variant.get("InstancePools") or (whole,):
            name, count = one.get("InstanceType"), one.get("CurrentInstanceCount")
            if name and count is not None:
                found[name] = found.get(name, 0) + count
    return found
