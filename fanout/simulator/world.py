"""Holds one account: the endpoint takes requests, writes to S3 and publishes to SNS.

`invoke` takes an `AsyncRequest`, `advance` lets time pass. Pure: `now` is handed in and never falls. `ports` and
`http` wrap the same object, and call `advance(now)` before they touch any part of it.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable

from fanout.domain.account_facts import BacklogPoint
from fanout.domain.location import Location
from fanout.ports import SERVING, Endpoint
from fanout.simulator import limits
from fanout.simulator.announcer import Announcer
from fanout.simulator.authorization import Authorization
from fanout.simulator.endpoint import EndpointModel
from fanout.simulator.errors import ServiceError
from fanout.simulator.faults import Faults
from fanout.simulator.forger import Forger
from fanout.simulator.inference import Accepted, Inference, LogLine, row_of
from fanout.simulator.limits import AsyncRequest
from fanout.simulator.notifications import Header, parameters_of
from fanout.simulator.objects import Objects
from fanout.simulator.paths import Paths
from fanout.simulator.queues import Queues
from fanout.simulator.results import Results, measure
from fanout.simulator.settings import DELETED, EndpointStatus, SimulatorSettings
from fanout.simulator.topics import Topics

__all__ = ["Accepted", "LogLine", "World"]

_MESSAGE_COUNTS = ("announced", "lost", "duplicated", "foreign", "forged", "failed")
_TOPIC_COUNTS = ("published", "delivered", "filtered", "discarded", "dead_lettered")


class World:
    """The local AWS, without transport.

    Args:
        settings: What it is like.
        now: The instant at which it begins.

    Attributes:
        objects: S3.
        queues: SQS.
        topics: SNS.
        endpoint: The endpoint's slots and queue.
        faults: What goes wrong with calls; drawn by the transport.
        authorization: What the caller may do; None for everything. The transport asks it.
        status: EndpointStatus; requests are refused unless it is one that serves. `DELETED` when it is gone.
        log: Every accepted request, in order of arrival; what an audit compares a run with.
    """

    def __init__(self, settings: SimulatorSettings, *, now: float) -> None:
        self.settings = settings
        self.started_at = now
        self.status: EndpointStatus = settings.status
        self.log: list[LogLine] = []
        self.authorization = None if settings.policy is None else Authorization(settings.policy)
        self.objects = Objects(missing_is_forbidden=settings.faults.s3_forbidden_for_missing)
        self.queues = Queues(region=settings.region, account_id=settings.account_id)
        self.topics = Topics(
            self.queues,
            region=settings.region,
            account_id=settings.account_id,
            filter_lag_s=settings.notifications.filter_lag_s,
        )
        # A generator each, so that switching one thing on leaves the draws of the others as they were.
        self.endpoint: EndpointModel[Inference] = EndpointModel(settings, rng=self.rng("endpoint"))
        self.faults = Faults(settings.faults, rng=self.rng("calls"))
        self._paths = Paths(settings, rng=self.rng("names"))
        header = Header(settings.region, settings.endpoint_name)
        self._announcer = Announcer(
            settings,
            topics=self.topics,
            header=header,
            faults=Faults(settings.faults, rng=self.rng("outsiders")),
            rng=self.rng("messages"),
        )
        self._results = Results(
            settings,
            objects=self.objects,
            announcer=self._announcer,
            header=header,
            faults=Faults(settings.faults, rng=self.rng("rows")),
        )
        self._forger = Forger(settings, topics=self.topics, header=header, rng=self.rng("forger"))
        self._watchers: list[Callable[[], None]] = []
        for bucket in settings.buckets:
            self.objects.create_bucket(bucket)
        for arn in (settings.success_topic, settings.error_topic):
            if arn is not None:
                self.topics.create(arn.rpartition(":")[2])

    def rng(self, purpose: str) -> random.Random:
        """Return a generator of its own for `purpose`, the same for the same seed."""
        return random.Random(f"{self.settings.seed}.{purpose}")  # noqa: S311 - a simulation holds no secret

    def describe(self, endpoint: str) -> Endpoint:
        """Return what DescribeEndpoint and DescribeEndpointConfig say.

        Raises:
            ServiceError: ValidationException when there is no endpoint of this name.
        """
        settings = self.settings
        # SageMaker writes names in lower case there.
        arn = f"arn:aws:sagemaker:{settings.region}:{settings.account_id}:endpoint/{endpoint.lower()}"
        if endpoint != settings.endpoint_name or self.status == DELETED:
            raise ServiceError(400, "ValidationException", f'Could not find endpoint "{arn}".')
        return Endpoint(
            name=endpoint,
            status=self.status,
            output_path=settings.output_path,
            failure_path=settings.failure_path,
            success_topic=settings.success_topic,
            error_topic=settings.error_topic,
            includes_response=settings.notifications.includes_response,
            kms_key_id=settings.output_kms_key,
            instances=self.endpoint.instances,
            concurrency_per_instance=settings.concurrency_per_instance,
            simulated=True,
            instance_types={settings.instance_type: self.endpoint.instances},
            arn=arn,
        )

    def backlog(self, endpoint: str, *, since: float, until: float, now: float) -> list[BacklogPoint]:
        """Return ApproximateBacklogSize in the minutes from `since` to `until`, as far as they are told at `now`."""
        self.advance(now)
        settings = self.settings
        if endpoint != settings.endpoint_name or not settings.metrics.enabled:
            return []
        return self.endpoint.backlog.points(since=since, until=min(until, now - settings.metrics.delay_s))

    def invoke(self, request: AsyncRequest, *, now: float) -> Accepted:
        """Take a request; its end comes by `advance`.

        Raises:
            ServiceError: ValidationError about the endpoint or the request; ThrottlingException.
        """
        self._check_endpoint(request.endpoint)
        limits.check(request)
        if request.body is not None and not self.settings.inline:
            raise limits.without_inline()
        self.advance(now)
        inference_id = request.inference_id or self._paths.new_id()
        self._forger.see(inference_id, parameters_of(request), now=now)
        accepted = Accepted(inference_id, *self._paths.locations(request, inference_id))
        if request.input_location is None:
            location = None
            body = request.body or b""
            line = LogLine(
                inference_id, now, "inline", len(body), hashlib.sha256(body).hexdigest(), row_of(inference_id)
            )
        else:
            location = Location.parse(request.input_location)
            line = LogLine(inference_id, now, "s3", *measure(self.objects, location), row_of(inference_id))
        self.endpoint.admit(
            Inference(parameters_of(request), accepted, line, location),
            now=now,
            ttl_s=request.ttl_s or limits.DEFAULT_TTL_S,
            timeout_s=request.invocation_timeout_s or limits.DEFAULT_TIMEOUT_S,
        )
        self.log.append(line)
        if self.settings.notifications.early and self.settings.notifications.enabled:
            self._announcer.expect(inference_id)
        for wake in self._watchers:
            wake()
        for change in self.settings.changes:
            if change.after_requests == len(self.log):
                self.change(change.status, now=now)
        return accepted

    def change(self, status: EndpointStatus, *, now: float) -> None:
        """Give the endpoint another status; what it has when it is deleted is never answered."""
        self.advance(now)
        self.status = status
        if status == DELETED:
            self.endpoint.clear(now=now)

    def may_reply(self, inference_id: str) -> bool:
        """Whether the 202 may be sent: always, unless notifications go first and this one has not gone yet."""
        return self._announcer.is_announced(inference_id)

    def advance(self, now: float) -> None:
        """Let everything happen that is due until `now`."""
        for finished in self.endpoint.advance(now):
            self._results.end(finished)
        self._announcer.advance(now)
        self._forger.advance(now)

    def next_event_at(self) -> float | None:
        """Return the earliest instant at which `advance` would change something, None while nothing is due."""
        events = (self.endpoint.next_at(), self._announcer.next_at(), self._forger.next_at())
        return min((at for at in events if at is not None), default=None)

    def scale(self, instances: int, *, now: float) -> None:
        """Change the number of instances; the topics get a TestNotification, as AWS sends one."""
        self.advance(now)
        self.endpoint.scale(instances, now=now)
        self.publish_test_notification(now=now)
        for wake in self._watchers:
            wake()

    def watch(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever `next_event_at` may have become earlier; it must not raise."""
        self._watchers.append(wake)

    def unwatch(self, wake: Callable[[], None]) -> None:
        """Take back one `watch`."""
        self._watchers.remove(wake)

    def publish_test_notification(self, *, now: float) -> None:
        """Publish a TestNotification to each topic of the endpoint."""
        for arn in dict.fromkeys((self.settings.success_topic, self.settings.error_topic)):
            if arn is not None:
                self._announcer.test(arn, at=now)

    def stats(self) -> dict[str, int]:
        """Return counts: of the endpoint, of how rows ended, of messages and of objects."""
        endpoint = self.endpoint.statistics()
        messages, topics = self._announcer.counts, self.topics.counts
        return {
            "accepted": endpoint.admitted,
            "throttled": endpoint.throttled,
            "waiting": endpoint.waiting,
            "running": endpoint.running,
            "completed": self._results.counts["Completed"],
            "failed": self._results.counts["Failed"],
            "expired": self._results.counts["Expired"],
            **{f"notifications_{name}": messages[name] for name in _MESSAGE_COUNTS},
            "notifications_forged_ends": self._forger.forged,
            **{f"messages_{name}": topics[name] for name in _TOPIC_COUNTS},
            **self.objects.statistics(),
        }

    def _check_endpoint(self, name: str) -> None:
        settings = self.settings
        if name != settings.endpoint_name or self.status == DELETED:
            raise limits.invalid(f"Endpoint {name} of account {settings.account_id} not found.")
        if self.status not in SERVING:
            raise limits.invalid(
                f"Endpoint {name} of account {settings.account_id} is in status {self.status}."
            )
        if not settings.asynchronous:
            raise limits.invalid(f"Endpoint {name} is not configured for asynchronous inference.")
