"""Answers one request: finds the service, checks the signature, applies denials and latency; knows no sockets.

All services share one URL. It tells them apart by how SDKs call them, not by host names.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable

import orjson

from fanout.simulator.errors import ServiceError
from fanout.simulator.faults import denied
from fanout.simulator.http.clockwork import Clockwork
from fanout.simulator.http.cloudwatch import TARGET, CloudWatch
from fanout.simulator.http.messages import Reply, Request
from fanout.simulator.http.replies import json_reply
from fanout.simulator.http.runtime import PREFIX, SUFFIX, Runtime
from fanout.simulator.http.s3 import S3
from fanout.simulator.http.sagemaker import SageMaker
from fanout.simulator.http.service import Service
from fanout.simulator.http.sigv4 import Identity, SignatureRefused, verify
from fanout.simulator.http.sns import Sns
from fanout.simulator.http.sqs import Sqs
from fanout.simulator.http.sqs_messages import Messages
from fanout.simulator.http.sts import Sts
from fanout.simulator.settings import Spread
from fanout.simulator.timestamps import iso_ms
from fanout.simulator.world import World

CONTROL = "/_simulator/"  # no bucket's name may begin with an underscore, so S3 has no such path
_FORM = "application/x-www-form-urlencoded"

logger = logging.getLogger(__name__)


class Application:
    """Answers requests to one world.

    Args:
        world: The account.
        identity: The caller that it knows; None takes every request as it comes.
        now: The server's clock, in seconds since the epoch.
    """

    def __init__(self, world: World, *, identity: Identity | None, now: Callable[[], float]) -> None:
        settings = world.settings
        account_id, latency = settings.account_id, settings.latency
        self.clockwork = Clockwork(world, now=now)
        self._world = world
        self._identity = identity
        self._now = now
        self._rng = world.rng("latency")
        self._requests: Counter[str] = Counter()
        messages = Messages(
            world.queues,
            self.clockwork.polls,
            account_id=account_id,
            refuse_entry=world.faults.refuses_delete,
        )
        self._runtime: tuple[Service, Spread] = Runtime(world, clockwork=self.clockwork), latency.runtime
        self._sagemaker: tuple[Service, Spread] = SageMaker(world), Spread()
        sqs = Sqs(world.queues, messages, account_id=account_id, permit=world.faults.permit)
        self._sqs: tuple[Service, Spread] = sqs, latency.sqs
        self._sns: tuple[Service, Spread] = Sns(world.topics, account_id=account_id), latency.sns
        self._sts: tuple[Service, Spread] = Sts(account_id=account_id), Spread()
        self._cloudwatch: tuple[Service, Spread] = CloudWatch(world), Spread()
        self._s3: tuple[Service, Spread] = S3(world), latency.s3

    def __call__(self, request: Request) -> Reply | Awaitable[Reply]:
        """Return the reply, or an awaitable of it."""
        if request.path.startswith(CONTROL):
            return self._control(request)
        now = self._now()
        service, latency = self._route(request)
        self.clockwork.before(now)
        outcome = self._outcome(service, request, now)
        self.clockwork.after(now)
        if not isinstance(outcome, Reply):
            return self._finish(service, request, outcome, latency)
        outcome.after_s = latency.draw(self._rng)
        return outcome

    def _route(self, request: Request) -> tuple[Service, Spread]:
        """Return the service that the request is for, and how long a call to it takes."""
        if request.method != "POST":
            return self._s3
        if request.path.endswith(SUFFIX) and request.path.startswith(PREFIX):
            return self._runtime
        target = request.headers.get("x-amz-target")
        if target is not None:
            if target.startswith(TARGET):
                return self._cloudwatch
            return self._sqs if target.startswith("AmazonSQS.") else self._sagemaker
        if (
            request.path == "/"
            and not request.query
            and request.headers.get("content-type", "").startswith(_FORM)
        ):
            if b"Action=GetMetricStatistics" in request.body:
                return self._cloudwatch
            return self._sts if b"Action=GetCallerIdentity" in request.body else self._sns
        return self._s3

    def _outcome(self, service: Service, request: Request, now: float) -> Reply | Awaitable[Reply]:
        try:
            if self._identity is not None:
                verify(request, self._identity, service=service.signing_name, now=now)
            operation = service.operation(request)
            self._requests[operation] += 1
            self._world.faults.permit(operation)
            self._authorize(service, operation, request)
            return service.perform(operation, request, now=now)
        except SignatureRefused as refused:
            return service.error(service.refusal(refused), request)
        except ServiceError as error:
            return service.error(error, request)
        except Exception:  # noqa: BLE001 - one request's bug must not end the server
            return _bug(service, request)

    def _authorize(self, service: Service, operation: str, request: Request) -> None:
        """Return if the policy allows the call.

        Raises:
            ServiceError: It does not, by the name that the service gives it.
        """
        authorization = self._world.authorization
        if authorization is None:
            return
        missing = authorization.missing(service.rights(operation, request))
        if missing is None:
            return
        if missing.action.startswith("s3:"):  # S3 may say no more than this
            raise denied(operation, "Access Denied")
        caller = f"arn:aws:sts::{self._world.settings.account_id}:assumed-role/simulated/simulated"
        raise denied(
            operation,
            f"User: {caller} is not authorized to perform: {missing.action} on resource: {missing.resource} because "
            f"no identity-based policy allows the {missing.action} action",
        )

    async def _finish(
        self, service: Service, request: Request, pending: Awaitable[Reply], latency: Spread
    ) -> Reply:
        try:
            reply = await pending
        except ServiceError as error:
            reply = service.error(error, request)
        except Exception:  # noqa: BLE001 - as above
            reply = _bug(service, request)
        # What was received is in flight now: the timer must know when it is visible again.
        self.clockwork.after(self._now())
        reply.after_s = latency.draw(self._rng)
        return reply

    def _control(self, request: Request) -> Reply:
        """Answer a request of a test's audit, which needs no signature."""
        asked = request.path.removeprefix(CONTROL)
        if request.method == "GET" and asked == "log":
            prefix = request.parameters().get("inference-id-prefix", "")  # a run's own, of a log of millions
            lines = b"".join(
                orjson.dumps(line._asdict(), option=orjson.OPT_APPEND_NEWLINE)
                for line in self._world.log
                if line.inference_id.startswith(prefix)
            )
            return Reply(200, [("Content-Type", "application/x-ndjson")], lines)
        if request.method == "GET" and asked == "stats":
            self.clockwork.before(self._now())
            polls = self.clockwork.polls.statistics()
            return json_reply(200, {**self._world.stats(), "requests": self._requests, "polls": polls})
        if request.method == "POST" and asked == "scale":
            return self._scale(request.parameters().get("instances", ""))
        if request.method == "GET" and asked == "credentials" and self._identity is not None:
            return json_reply(200, _credentials(self._identity, self._now()))
        return _text(
            404, "log, stats, scale and credentials (where signatures are verified) are all there is here"
        )

    def _scale(self, instances: str) -> Reply:
        """Change the number of instances: at 0 requests wait, so that a test can say when results come."""
        if not (instances.isascii() and instances.isdigit()):
            return _text(400, f"instances={instances} is no number of instances")
        now = self._now()
        self.clockwork.before(now)
        self._world.scale(int(instances), now=now)
        self.clockwork.after(now)
        return _text(200, f"the endpoint has {instances} instances")


def _credentials(identity: Identity, now: float) -> dict[str, object]:
    """Return keys as a `credential_process` prints them (AWS SDKs and tools reference guide)."""
    expires = {} if identity.session_s is None else {"Expiration": iso_ms(now + identity.session_s)}
    return {
        "Version": 1,
        "AccessKeyId": identity.access_key_id,
        "SecretAccessKey": identity.secret_access_key,
        "SessionToken": identity.issue(now),
        **expires,
    }


def _text(status: int, said: str) -> Reply:
    return Reply(status, [("Content-Type", "text/plain")], f"{said}\n".encode())


def _bug(service: Service, request: Request) -> Reply:
    """Return a 500 for the exception that is being handled, and log it."""
    logger.exception(  # noqa: LOG004 - called by handlers only
        "%s %s failed", request.method, request.path
    )
    return service.error(
        ServiceError(500, "InternalError", "The simulator has a bug; its log tells more."), request
    )
