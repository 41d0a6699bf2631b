"""Says at the start what this endpoint cannot tell, what follows for the run's rows, and the remedy; pure."""

from __future__ import annotations

from collections.abc import Iterator

from fanout.config.model import CollectSection
from fanout.ports import Endpoint

_DEADLINE = (
    "the end of its TTL and invocation timeout (6 h 15 min unless set lower: --ttl, --invocation-timeout)"
)


def endpoint_warnings(endpoint: Endpoint, collect: CollectSection) -> Iterator[str]:
    """Yield what a person should know before the first row is sent.

    Args:
        endpoint: What AWS says of it.
        collect: Whether its notifications are listened to.
    """
    yield from status_warnings(endpoint)
    yield from topic_warnings(endpoint, collect)
    yield from failure_warnings(endpoint, collect)


def status_warnings(endpoint: Endpoint) -> Iterator[str]:
    """Yield what its status and its instances mean for a run."""
    name = endpoint.name
    if endpoint.status == "UpdateRollbackFailed":
        yield (
            f"endpoint {name} is UpdateRollbackFailed: it serves with a mix of its old and its new configuration, and "
            "either may answer a row (aws sagemaker describe-endpoint tells why)"
        )
    if endpoint.instances == 0:
        yield (
            f"endpoint {name} has no instance now: it accepts and queues rows, and answers when one has started, "
            "which takes minutes; without a scaling policy it never does"
        )


def topic_warnings(endpoint: Endpoint, collect: CollectSection) -> Iterator[str]:
    """Yield how results are found where no topic tells of them."""
    listening = _listens(collect)
    if listening and not endpoint.topics:
        yield "the endpoint notifies no topic: results are found by listing its output path"
    elif listening and endpoint.success_topic is None:
        yield "the endpoint has no success topic: results are found by listing its output path"


def failure_warnings(endpoint: Endpoint, collect: CollectSection) -> Iterator[str]:
    """Yield what becomes of rows that the model fails."""
    name, listening = endpoint.name, _listens(collect)
    told = listening and endpoint.error_topic is not None
    if endpoint.failure_path is None and not told:
        heard = "no error topic" if listening else "an error topic that is not listened to"
        yield (
            f"endpoint {name} has no S3FailurePath and {heard}: a row that the model fails leaves no trace. It is "
            "settled when the endpoint's backlog is empty (cloudwatch:GetMetricStatistics), else it is waited for "
            f"until {_DEADLINE}. Give the endpoint's AsyncInferenceConfig an S3FailurePath and an ErrorTopic"
        )
    elif endpoint.failure_path is None:
        yield (
            f"endpoint {name} has no S3FailurePath: that a row failed is known by its message alone, which is believed "
            "once later rows have ended or the endpoint's backlog is empty, else the row is waited for until "
            f"{_DEADLINE}. Give the endpoint's AsyncInferenceConfig an S3FailurePath"
        )
    elif listening and endpoint.topics and not told:
        yield (
            f"endpoint {name} has no error topic: rows that the model fails are found later, by listing its "
            "S3FailurePath. Give the endpoint's AsyncInferenceConfig an ErrorTopic"
        )


def _listens(collect: CollectSection) -> bool:
    return collect.notifications or collect.queue_url is not None
