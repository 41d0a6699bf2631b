"""Learns how far our wall clock is off from a server that refuses our signatures for it; pure.

A machine that was suspended, or has no NTP, would otherwise end its run over a wrong date. Refusing the date
is refusing the signature: the request was not taken, so it may be signed and sent again within one call.
"""

from __future__ import annotations

from fanout.aws.errors import http_date
from fanout.aws.http.reply_parser import Answer
from fanout.domain.failures import BAD_SIGNATURE, TOLERATED_SKEW_S, WRONG_CLOCK

REFUSALS = WRONG_CLOCK | BAD_SIGNATURE | {"AuthFailure", "403"}
"""Codes under which services refuse a date; some mean other things, too, so the clocks are compared. A HEAD has no body
to name one in: taken for "there is no such object", its 403 would have a row sent again."""


class ClockSkew:
    """What is added to our clock when signing.

    Attributes:
        offset_s: Server's clock minus ours.
    """

    def __init__(self) -> None:
        self.offset_s = 0.0

    def learn(self, code: str, answer: Answer, *, signed_at: float, now: float) -> bool:
        """Return whether a request that was refused should be signed again, having set the clock right.

        Args:
            code: The error's code.
            answer: The refusal; its Date header is the server's clock.
            signed_at: The instant that was signed.
            now: Our clock.
        """
        if code not in REFUSALS:
            return False
        theirs = http_date(answer.headers.get(b"date", b"").decode("latin-1"))
        if theirs is None or abs(theirs - signed_at) < TOLERATED_SKEW_S:
            return False
        self.offset_s = theirs - now
        return True
