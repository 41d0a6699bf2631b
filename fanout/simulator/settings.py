"""Defines the settings of the local AWS: its endpoint, its speed, its faults; validated, frozen, unknown keys refused.

Durations are seconds, shares are probabilities in 0..1. The defaults are a well-behaved endpoint without delays.
"""

from __future__ import annotations

import math
import random
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from fanout.simulator.authorization import Authorization
from fanout.simulator.bucket import Flaw

Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
DELETED: Literal["Deleted"] = "Deleted"
EndpointStatus = Literal[
    "OutOfService", "Creating", "Updating", "SystemUpdating", "RollingBack", "InService", "Deleting", "Failed",
    "UpdateRollbackFailed", "Deleted",
]  # fmt: skip
"""EndpointStatus of DescribeEndpoint (API reference), and `DELETED` for an endpoint that is not there any more."""
Join = Literal["joined", "ignored", "suffixed"]
ForgedStatus = Literal["Completed", "Failed", "Expired"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Spread(_Model):
    """A lognormal duration: `median_s` seconds, `sigma` of its logarithm; sigma 0 is a constant."""

    median_s: Seconds = 0.0
    sigma: Seconds = 0.0

    def draw(self, rng: random.Random) -> float:
        """Return one duration in seconds; draws nothing when it is constant."""
        if not self.sigma or not self.median_s:
            return self.median_s
        return self.median_s * math.exp(self.sigma * rng.gauss(0.0, 1.0))


class LatencySettings(_Model):
    """How long a call to each service takes, there and back."""

    runtime: Spread = Spread()
    s3: Spread = Spread()
    sns: Spread = Spread()
    sqs: Spread = Spread()


class ThrottleSettings(_Model):
    """A token bucket on InvokeEndpointAsync; None for `rate_per_s` lets everything through.

    Attributes:
        rate_per_s: Requests a second that are let through for long.
        burst: Requests that are let through at once after a quiet time.
        retry_after_s: What a refusal's `x-amz-retry-after` says; None for a refusal without it.
    """

    rate_per_s: Annotated[float, Field(gt=0)] | None = None
    burst: Annotated[int, Field(ge=1)] = 1
    retry_after_s: Seconds | None = None


class StatusChange(_Model):
    """Another status of the endpoint, from the moment at which it has accepted `after_requests` requests."""

    after_requests: Annotated[int, Field(ge=1)]
    status: EndpointStatus


class MetricSettings(_Model):
    """What CloudWatch tells of the endpoint.

    Attributes:
        enabled: Whether it tells anything.
        delay_s: How long after its end a minute is told.
    """

    enabled: bool = True
    delay_s: Seconds = 60.0


class NotificationSettings(_Model):
    """Loss, delay and content of the messages that say a row has finished.

    Attributes:
        enabled: Whether the endpoint's config names topics at all.
        separate_topics: Whether errors have a topic of their own; otherwise both statuses share one ARN.
        errors: Whether there is a topic for errors.
        includes_response: IncludeInferenceResponseIn: responses up to 128 KB ride along.
        loss_share: Share of notifications that are never published.
        duplicate_share: Share of notifications that are published `copies` times, each with its own delay.
        delay_s: How late each message is published, at least.
        spread_s: A further delay, uniform up to this, which shuffles messages.
        early: Let the reply to an invocation follow its notification (`http` and `ports` hold it back).
        filter_lag_s: How long after Subscribe or a change a filter policy does not hold yet (AWS: up to 900).
        outside_filter: Whether foreign and forged messages pass filters, as they do in that time.
    """

    enabled: bool = True
    separate_topics: bool = True
    errors: bool = True
    includes_response: bool = False
    loss_share: Share = 0.0
    duplicate_share: Share = 0.0
    copies: Annotated[int, Field(ge=2, le=20)] = 2
    delay_s: Seconds = 0.0
    spread_s: Seconds = 0.0
    early: bool = False
    filter_lag_s: Seconds = 0.0
    outside_filter: bool = True


class ForgerySettings(_Model):
    """Forged ends of requests, for the share of them that `faults.forged_ends` says.

    Attributes:
        statuses: What they say; drawn for each message.
        delay: From the arrival of a request; 0 is before its 202.
        copies: Messages about one request.
        apart_s: Between two of them.
    """

    statuses: Annotated[tuple[ForgedStatus, ...], Field(min_length=1)] = ("Completed", "Failed", "Expired")
    delay: Spread = Spread()
    copies: Annotated[int, Field(ge=1)] = 1
    apart_s: Seconds = 1.0


class FaultSettings(_Model):
    """Shares of calls and rows that go wrong, each drawn on its own, in the order written here.

    InvokeEndpointAsync: `refuse_share`, `reset_before_share`, `throttle_share`, `server_error_share` and
    `html_error_share` (an HTML 502) fail before acceptance; `server_error_after_accept_share`,
    `reset_after_accept_share`, `hang_share` (no reply), `dribble_share` (a byte every half second),
    `garbage_reply_share`, `reply_without_location_share` and `reply_foreign_location_share` fail after it.

    S3: `s3_slowdown_share` (503 to PUT, GET, DELETE), `s3_truncated_get_share`, `s3_forbidden_for_missing` (403
    instead of 404, as without s3:ListBucket). SQS: `partial_delete_failure_share` (entries of a delete batch).

    Rows: `expired_share` (never served), `failed_then_completed_share` (a failure is announced, then the
    success), `complete_without_object_share` (announced, never written), `empty_output_share` (0 bytes),
    `unreadable_share` (its object stands there and can never be read, for one of the `flaws`; drawn once a key).

    Messages: `foreign_messages` (for a share of notifications, one of another run as well), `forged_messages`
    (for a share, a forged or malformed one first: a foreign outputLocation, not JSON, deep JSON, TestNotification),
    `forged_ends` (for a share of requests, a forged Completed, Failed or Expired; `forgery` says which and when).

    `denied`: operations (`PutObject`, `Subscribe`, ...) that answer AccessDenied. `disabled_kms_keys`: keys, as uploads
    name them, that encrypt nothing any more (`http` alone).
    """

    refuse_share: Share = 0.0
    reset_before_share: Share = 0.0
    throttle_share: Share = 0.0
    server_error_share: Share = 0.0
    html_error_share: Share = 0.0
    server_error_after_accept_share: Share = 0.0
    reset_after_accept_share: Share = 0.0
    hang_share: Share = 0.0
    dribble_share: Share = 0.0
    garbage_reply_share: Share = 0.0
    reply_without_location_share: Share = 0.0
    reply_foreign_location_share: Share = 0.0
    s3_slowdown_share: Share = 0.0
    s3_truncated_get_share: Share = 0.0
    s3_forbidden_for_missing: bool = False
    partial_delete_failure_share: Share = 0.0
    expired_share: Share = 0.0
    failed_then_completed_share: Share = 0.0
    complete_without_object_share: Share = 0.0
    empty_output_share: Share = 0.0
    unreadable_share: Share = 0.0
    flaws: Annotated[tuple[Flaw, ...], Field(min_length=1)] = tuple(Flaw)
    foreign_messages: Share = 0.0
    forged_messages: Share = 0.0
    forged_ends: Share = 0.0
    denied: frozenset[str] = frozenset()
    disabled_kms_keys: frozenset[str] = frozenset()


class SimulatorSettings(_Model):
    """One account with one asynchronous endpoint.

    Attributes:
        seed: Everything that is drawn follows from it and from the order of calls.
        buckets: Buckets that exist at start; outputs and failures go to the first.
        requester_pays: Buckets whose owner lets the requester pay, who must say so (`http` alone).
        status: EndpointStatus at start.
        changes: How it changes while requests come.
        asynchronous: Whether the endpoint has an AsyncInferenceConfig.
        instances: Instances at start; 0 means that the first request starts `cold_instances` of them.
        instance_type: What kind of instances the endpoint's configuration names; nothing depends on it.
        concurrency_per_instance: MaxConcurrentInvocationsPerInstance.
        cold_start_s: From the first request at 0 instances until the model answers.
        service_time: The model's time for one request.
        inline: Whether payloads may travel in the request; false for a region where they may not.
        failure_share: Share of requests for which the model answers with an error.
        response_padding_bytes: Added to every response, to make it as large as real ones.
        output_prefix: Key prefix of S3OutputPath.
        failure_prefix: Key prefix of S3FailurePath; None for an endpoint without one.
        join: How S3OutputPath, extension and filename make a key, which AWS does not document: `joined` is
            path/extension/filename, `suffixed` the same with `.out`, `ignored` is path/inference-id.out.
        mailbox_visibility_s: VisibilityTimeout of the queues that `ports` opens for a run.
        output_kms_key: KmsKeyId of the endpoint's OutputConfig: what encrypts outputs and failures.
        verify_signatures: Whether `http` checks SigV4.
        session_s: How long session tokens live that `http` gives out at `/_simulator/credentials`, and the one that it
            reports at its start; None for ever. They are looked at where signatures are.
        policy: What the caller may do, as an IAM policy document; None for everything (`http` alone).
    """

    seed: int = 0
    region: str = "us-east-1"
    account_id: Annotated[str, Field(pattern=r"^\d{12}$")] = "123456789012"
    endpoint_name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9])*$", max_length=63)] = (
        "simulated"
    )
    status: EndpointStatus = "InService"
    changes: tuple[StatusChange, ...] = ()
    asynchronous: bool = True
    buckets: Annotated[tuple[str, ...], Field(min_length=1)] = ("simulated",)
    requester_pays: frozenset[str] = frozenset()
    instances: Annotated[int, Field(ge=0)] = 2
    cold_instances: Annotated[int, Field(ge=1)] = 1
    instance_type: str = "ml.m5.large"
    concurrency_per_instance: Annotated[int, Field(ge=1)] = 4
    cold_start_s: Seconds = 0.0
    service_time: Spread = Spread()
    inline: bool = True
    failure_share: Share = 0.0
    response_padding_bytes: Annotated[int, Field(ge=0)] = 0
    output_prefix: str = "async-outputs"
    failure_prefix: str | None = "async-failures"
    join: Join = "joined"
    mailbox_visibility_s: Annotated[int, Field(ge=0, le=43_200)] = 600
    output_kms_key: str | None = None
    verify_signatures: bool = False
    session_s: Annotated[float, Field(gt=0.0)] | None = None
    policy: dict[str, Any] | None = None
    throttle: ThrottleSettings = ThrottleSettings()
    notifications: NotificationSettings = NotificationSettings()
    metrics: MetricSettings = MetricSettings()
    forgery: ForgerySettings = ForgerySettings()
    latency: LatencySettings = LatencySettings()
    faults: FaultSettings = FaultSettings()

    @model_validator(mode="after")
    def _outputs_and_failures_apart(self) -> SimulatorSettings:
        if self.failure_prefix is not None and self.failure_prefix.strip("/") == self.output_prefix.strip(
            "/"
        ):
            # Joined keys of outputs and failures are equal below their prefixes: one would overwrite the other.
            raise ValueError("failure_prefix must differ from output_prefix")
        return self

    @field_validator("policy")
    @classmethod
    def _is_understood(cls, policy: dict[str, Any] | None) -> dict[str, Any] | None:
        if policy is not None:
            Authorization(policy)
        return policy

    @property
    def output_path(self) -> str:
        """S3OutputPath, without a trailing slash."""
        return f"s3://{self.buckets[0]}/{self.output_prefix.strip('/')}".rstrip("/")

    @property
    def failure_path(self) -> str | None:
        """S3FailurePath, without a trailing slash."""
        if self.failure_prefix is None:
            return None
        return f"s3://{self.buckets[0]}/{self.failure_prefix.strip('/')}".rstrip("/")

    @property
    def success_topic(self) -> str | None:
        """ARN of the topic for `Completed`."""
        return self._topic("async-success") if self.notifications.enabled else None

    @property
    def error_topic(self) -> str | None:
        """ARN of the topic for `Failed` and `Expired`, if there is one; the same as `success_topic` unless separate."""
        if not (self.notifications.enabled and self.notifications.errors):
            return None
        return self._topic("async-error") if self.notifications.separate_topics else self.success_topic

    def _topic(self, name: str) -> str:
        return f"arn:aws:sns:{self.region}:{self.account_id}:{self.endpoint_name}-{name}"
