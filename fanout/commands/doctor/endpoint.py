"""Judges the endpoint by what AWS says of it: status, instances, topics, failure path, responses; pure."""

from __future__ import annotations

from collections.abc import Iterator

from fanout.commands.doctor.finding import Finding, found, ok, warning
from fanout.config.model import CollectSection
from fanout.ports import Endpoint
from fanout.runtime.endpoint_warnings import failure_warnings, status_warnings, topic_warnings
from fanout.text import count

UNKNOWN = (
    "not known, as this role may not describe it: grant sagemaker:DescribeEndpoint and "
    "sagemaker:DescribeEndpointConfig. A run finds results by listing then, unless a queue is named (--queue-url)"
)


def judge_endpoint(endpoint: Endpoint | None, collect: CollectSection) -> list[Finding]:
    """Return what is found of an endpoint that takes requests; None for one that this role may not describe."""
    if endpoint is None:
        return [warning("endpoint", UNKNOWN)]
    return [
        *found("endpoint", _described(endpoint), warnings=_status(endpoint)),
        *found("notifications", _topics(endpoint, collect), warnings=topic_warnings(endpoint, collect)),
        *found("failures", _failures(endpoint), warnings=failure_warnings(endpoint, collect)),
        *_responses(endpoint, collect),
    ]


def _status(endpoint: Endpoint) -> Iterator[str]:
    yield from status_warnings(endpoint)
    if endpoint.simulated:
        yield (
            f"{_described(endpoint)}: it is simulated, so nothing here is about AWS (to reach AWS, unset "
            "AWS_ENDPOINT_URL, or leave out --local)"
        )


def _described(endpoint: Endpoint) -> str:
    """Return what the endpoint can do at once, as far as AWS tells."""
    parts = [f"{endpoint.name} is {endpoint.status}"]
    if endpoint.instances is not None:
        parts.append(count(endpoint.instances, "instance"))
    each = endpoint.concurrency_per_instance
    parts.append(
        "each takes as many requests at once as SageMaker chooses" if each is None else f"{each} at once each"
    )
    return ", ".join(parts)


def _topics(endpoint: Endpoint, collect: CollectSection) -> str:
    if not (collect.notifications or collect.queue_url):
        return "results are found by listing, as configured"
    return f"success topic {endpoint.success_topic}, error topic {endpoint.error_topic}"


def _failures(endpoint: Endpoint) -> str:
    return f"failures leave an object under {endpoint.failure_path}"


def _responses(endpoint: Endpoint, collect: CollectSection) -> list[Finding]:
    """Return whether responses ride along with notifications, and are taken from there."""
    rides, trusts = endpoint.includes_response, collect.trust_responses
    if trusts and not rides:
        text = (
            "no notification carries the response, so --trust-responses saves no download: add "
            "SUCCESS_NOTIFICATION_TOPIC to IncludeInferenceResponseIn, or leave it out"
        )
        return [warning("responses", text)]
    if rides and not trusts:
        text = (
            "notifications carry them, and they are downloaded nevertheless: add --trust-responses to take them from "
            "notifications, if no one else can publish to the topic"
        )
    elif rides:
        text = "taken from notifications where they are small enough to ride along, as configured"
    else:
        text = f"downloaded from {endpoint.output_path}"
    return [ok("responses", text)]
