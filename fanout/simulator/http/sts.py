"""Answers GetCallerIdentity, the one call of STS that a run makes (query protocol)."""

from __future__ import annotations

from fanout.simulator.authorization import Right
from fanout.simulator.errors import ServiceError
from fanout.simulator.http.forms import Form
from fanout.simulator.http.messages import Reply, Request
from fanout.simulator.http.refusals import query_refusal
from fanout.simulator.http.replies import query_error, query_reply
from fanout.simulator.http.sigv4 import SignatureRefused

NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


class Sts:
    """The identity service."""

    signing_name = "sts"

    def __init__(self, *, account_id: str) -> None:
        self._account_id = account_id

    def operation(self, request: Request) -> str:
        """Return the API's name of the operation."""
        name = Form.parse(request.body).get("Action")
        if name != "GetCallerIdentity":
            raise ServiceError(400, "InvalidAction", f"The action {name!r} is not simulated.")
        return name

    def rights(self, _operation: str, _request: Request) -> tuple[Right, ...]:
        """Return nothing: no policy is needed to ask who one is."""
        return ()

    def perform(self, operation: str, _request: Request, *, now: float) -> Reply:  # noqa: ARG002 - it never changes
        """Return the one identity there is."""
        account = f"<Account>{self._account_id}</Account>"
        result = f"<Arn>arn:aws:iam::{self._account_id}:user/simulated</Arn><UserId>AIDASIMULATED</UserId>{account}"
        return query_reply(operation, result, namespace=NAMESPACE)

    def error(self, error: ServiceError, _request: Request) -> Reply:
        """Return the error as STS writes it."""
        return query_error(error, namespace=NAMESPACE)

    def refusal(self, refused: SignatureRefused) -> ServiceError:
        """Return the error for a signature that does not hold."""
        return query_refusal(refused)
