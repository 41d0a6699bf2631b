"""Draws what goes wrong with a call; no other module draws faults.

`ports` raises a fault, `http` sends it as bytes or as a lost connection; `world` applies those of rows and messages.
"""

from __future__ import annotations

import random
from enum import Enum, unique

from fanout.simulator.bucket import Flaw
from fanout.simulator.errors import ServiceError
from fanout.simulator.settings import FaultSettings

FOREIGN_LOCATION = "s3://somebody-elses-bucket/outputs/foreign.out"
"""What a 202 names as OutputLocation under `InvokeFault.WRONG_LOCATION`."""


@unique
class InvokeFault(Enum):
    """What goes wrong with one InvokeEndpointAsync, in the order in which it is drawn."""

    REFUSE = "refuse"
    RESET_BEFORE = "reset before"
    THROTTLE = "throttle"
    SERVER_ERROR = "server error"
    HTML_ERROR = "html error"
    SERVER_ERROR_AFTER = "server error after acceptance"
    RESET_AFTER = "reset after acceptance"
    HANG = "hang"
    DRIBBLE = "dribble"
    GARBAGE = "garbage"
    NO_LOCATION = "no location"
    WRONG_LOCATION = "foreign location"

    @property
    def accepted(self) -> bool:
        """Whether the endpoint has taken the request nevertheless."""
        return self not in _BEFORE


_BEFORE = frozenset({
    InvokeFault.REFUSE,
    InvokeFault.RESET_BEFORE,
    InvokeFault.THROTTLE,
    InvokeFault.SERVER_ERROR,
    InvokeFault.HTML_ERROR,
})  # fmt: skip


@unique
class Forgery(Enum):
    """A forged message that goes out before a true notification."""

    FOREIGN_OUTPUT = "foreign output"
    NOT_JSON = "not json"
    DEEP_JSON = "deep json"
    TEST = "test notification"


_FORGERIES = tuple(Forgery)

_RUNTIME = frozenset({"InvokeEndpointAsync", "DescribeEndpoint", "DescribeEndpointConfig"})
_SNS = frozenset({
    "Subscribe", "Unsubscribe", "Publish", "CreateTopic", "DeleteTopic", "ListSubscriptionsByTopic",
    "GetSubscriptionAttributes", "SetSubscriptionAttributes", "ListTopics", "GetTopicAttributes",
})  # fmt: skip


_RIGHTS = {
    "CreateMultipartUpload": "PutObject", "UploadPart": "PutObject", "CompleteMultipartUpload": "PutObject",
    "HeadObject": "GetObject",
}  # fmt: skip
"""Operations of S3 that a right of another name permits (S3 user guide, "Required permissions for API operations")."""


class Faults:
    """Draws from one seeded generator; a share of 0 draws nothing and costs nothing.

    Args:
        settings: The shares.
        rng: The generator; the order of calls decides which call is hit.
    """

    def __init__(self, settings: FaultSettings, *, rng: random.Random) -> None:
        self.settings = settings
        self._rng = rng
        shares = (
            (InvokeFault.REFUSE, settings.refuse_share),
            (InvokeFault.RESET_BEFORE, settings.reset_before_share),
            (InvokeFault.THROTTLE, settings.throttle_share),
            (InvokeFault.SERVER_ERROR, settings.server_error_share),
            (InvokeFault.HTML_ERROR, settings.html_error_share),
            (InvokeFault.SERVER_ERROR_AFTER, settings.server_error_after_accept_share),
            (InvokeFault.RESET_AFTER, settings.reset_after_accept_share),
            (InvokeFault.HANG, settings.hang_share),
            (InvokeFault.DRIBBLE, settings.dribble_share),
            (InvokeFault.GARBAGE, settings.garbage_reply_share),
            (InvokeFault.NO_LOCATION, settings.reply_without_location_share),
            (InvokeFault.WRONG_LOCATION, settings.reply_foreign_location_share),
        )
        self._invoke_shares = tuple((fault, share) for fault, share in shares if share)

    def hits(self, share: float) -> bool:
        """Whether a fault of this share happens now."""
        return share > 0 and self._rng.random() < share

    def invoke(self) -> InvokeFault | None:
        """Return what goes wrong with the next InvokeEndpointAsync, None for nothing."""
        for fault, share in self._invoke_shares:
            if self._rng.random() < share:
                return fault
        return None

    def forgery(self) -> Forgery | None:
        """Return the forged message to publish before the next notification, None for none."""
        return self._rng.choice(_FORGERIES) if self.hits(self.settings.forged_messages) else None

    def slow_down(self) -> None:
        """Return, unless this PUT, GET or DELETE comes while S3 splits a prefix.

        Raises:
            ServiceError: SlowDown.
        """
        if self.hits(self.settings.s3_slowdown_share):
            raise ServiceError(503, "SlowDown", "Please reduce your request rate.")

    def truncates_get(self) -> bool:
        """Whether this GET's body ends early."""
        return self.hits(self.settings.s3_truncated_get_share)

    def flaw(self) -> Flaw | None:
        """Return why what the endpoint writes at the next new key can never be read, None if it can."""
        return self._rng.choice(self.settings.flaws) if self.hits(self.settings.unreadable_share) else None

    def refuses_delete(self) -> bool:
        """Whether this entry of a DeleteMessageBatch fails inside the 200."""
        return self.hits(self.settings.partial_delete_failure_share)

    def permit(self, operation: str) -> None:
        """Return unless `operation` (`PutObject`, `Subscribe`, ...) is denied.

        Raises:
            ServiceError: AccessDenied, by the name that the operation's service gives it.
        """
        taken = self.settings.denied
        if operation not in taken and _RIGHTS.get(operation) not in taken:
            return
        raise denied(operation, f"User: arn:aws:iam::simulated is not authorized to perform: {operation}")


def denied(operation: str, message: str) -> ServiceError:
    """Return the refusal of an operation that the caller has no right to, by the name that its service gives it."""
    if operation in _RUNTIME:
        return ServiceError(
            403 if operation == "InvokeEndpointAsync" else 400, "AccessDeniedException", message
        )
    return ServiceError(403, "AuthorizationError" if operation in _SNS else "AccessDenied", message)
