"""Answers GetMetricStatistics for the endpoint's backlog, in the two protocols that are spoken to it.

botocore sends JSON, this program's own client a form (query protocol). Any other metric has no points.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from fanout.simulator.authorization import Right
from fanout.simulator.errors import ServiceError
from fanout.simulator.http.fields import Fields
from fanout.simulator.http.forms import Form
from fanout.simulator.http.messages import Reply, Request
from fanout.simulator.http.refusals import query_refusal
from fanout.simulator.http.replies import JSON_1_0, json_error, json_reply, query_error, query_reply
from fanout.simulator.http.sigv4 import SignatureRefused
from fanout.simulator.world import World

TARGET = "GraniteServiceVersion20100801."
ACTION = "GetMetricStatistics"
NAMESPACE = "http://monitoring.amazonaws.com/doc/2010-08-01/"
PERIOD_S = 60
MOST_POINTS = 1_440  # of one call, API reference
_METRIC = ("AWS/SageMaker", "ApproximateBacklogSize")


@dataclass(frozen=True, slots=True)
class Question:
    """The parameters of one GetMetricStatistics; `start_at` and `end_at` in seconds since the epoch."""

    metric: tuple[str, str]
    dimensions: dict[str, str]
    start_at: float
    end_at: float
    period: int | None
    statistics: list[str]

    @classmethod
    def of_json(cls, body: bytes) -> Self:
        """Return what a JSON body asks."""
        fields = Fields.parse(body)
        return cls(
            (fields.text("Namespace"), fields.text("MetricName")),
            {each.text("Name"): each.text("Value") for each in fields.entries("Dimensions")},
            fields.number("StartTime"),
            fields.number("EndTime"),
            fields.integer("Period"),
            fields.texts("Statistics"),
        )

    @classmethod
    def of_form(cls, body: bytes) -> Self:
        """Return what a form asks."""
        form = Form.parse(body)
        period = form.text("Period")
        return cls(
            (form.text("Namespace"), form.text("MetricName")),
            {each.get("Name", ""): each.get("Value", "") for each in form.structures("Dimensions")},
            _instant(form.text("StartTime")),
            _instant(form.text("EndTime")),
            int(period) if period.isdigit() else None,
            form.members("Statistics"),
        )

    def check(self) -> tuple[float, float]:
        """Return the first instant that is asked about, and the one at which it ends.

        Raises:
            ServiceError: As CloudWatch refuses it, or it is not simulated.
        """
        first = self.start_at // PERIOD_S * PERIOD_S  # "rounded down to the nearest whole minute"
        if self.period != PERIOD_S:
            raise _invalid("The simulated periods have 60 seconds.")
        if self.statistics != ["Maximum"]:
            raise _invalid("The simulated statistic is Maximum.")
        if first >= self.end_at:
            raise _invalid("The parameter StartTime must be less than the parameter EndTime.")
        if (self.end_at - first) / PERIOD_S > MOST_POINTS:
            message = f"You have requested more than {MOST_POINTS} datapoints."
            raise ServiceError(400, "InvalidParameterCombination", message)
        return first, self.end_at

    @property
    def endpoint(self) -> str:
        """The endpoint whose backlog is asked for, empty if something else is."""
        if self.metric == _METRIC and self.dimensions.keys() == {"EndpointName"}:
            return self.dimensions["EndpointName"]
        return ""


class CloudWatch:
    """The metrics of the world's one endpoint."""

    signing_name = "monitoring"

    def __init__(self, world: World) -> None:
        self._world = world

    def operation(self, request: Request) -> str:
        """Return the API's name of the operation."""
        target = request.headers.get("x-amz-target")
        name = target.removeprefix(TARGET) if target else Form.parse(request.body).get("Action")
        if name != ACTION:
            raise ServiceError(400, "InvalidAction", f"The action {name!r} is not simulated.")
        return name

    def rights(self, operation: str, _request: Request) -> tuple[Right, ...]:
        """Return what the caller must be allowed for it; metrics are no resources."""
        return (Right(f"cloudwatch:{operation}", "*"),)

    def perform(self, operation: str, request: Request, *, now: float) -> Reply:
        """Return the data points, the newest first: CloudWatch tells them in no order."""
        speaks_json = _speaks_json(request)
        question = Question.of_json(request.body) if speaks_json else Question.of_form(request.body)
        first, end_at = question.check()
        points = [
            (point.began_at, point.most)
            for point in self._world.backlog(question.endpoint, since=first, until=end_at + PERIOD_S, now=now)
            if point.began_at < end_at  # EndTime is exclusive
        ][::-1]
        if speaks_json:
            told = [{"Timestamp": at, "Maximum": most, "Unit": "None"} for at, most in points]
            return json_reply(200, {"Label": _METRIC[1], "Datapoints": told}, content_type=JSON_1_0)
        members = "".join(
            f"<member><Timestamp>{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}</Timestamp>"
            f"<Maximum>{most}</Maximum><Unit>None</Unit></member>"
            for at, most in points
        )
        result = f"<Datapoints>{members}</Datapoints><Label>{_METRIC[1]}</Label>"
        return query_reply(operation, result, namespace=NAMESPACE)

    def error(self, error: ServiceError, request: Request) -> Reply:
        """Return the error as CloudWatch writes it in the protocol of the request."""
        if _speaks_json(request):
            return json_error(error, content_type=JSON_1_0)
        return query_error(error, namespace=NAMESPACE)

    def refusal(self, refused: SignatureRefused) -> ServiceError:
        """Return the error for a signature that does not hold."""
        return query_refusal(refused)


def _speaks_json(request: Request) -> bool:
    return "x-amz-target" in request.headers


def _instant(text: str) -> float:
    """Return a time in UTC, as the API wants it."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise ServiceError(400, "MalformedInput", f"timestamp must follow ISO8601: {text!r}") from error
    return instant.replace(tzinfo=instant.tzinfo or UTC).timestamp()


def _invalid(message: str) -> ServiceError:
    return ServiceError(400, "InvalidParameterValue", message)
