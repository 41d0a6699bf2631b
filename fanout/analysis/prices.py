"""Computes what the requests of rows cost, by the ways in which these travel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fanout.domain.prices import Prices
from fanout.domain.records import Transport

MILLION = 1_000_000
TENS = 10
"""Messages that one receive, and one delete, take at most: SQS API reference."""
DELETIONS = 1_000
"""Objects that one DeleteObjects takes at most: S3 API reference."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests that rows cause in the account, whether we, SageMaker or SNS make them.

    Attributes:
        invocations: InvokeEndpointAsync, which has no price of its own.
        puts: Our upload of the payload, each part of a large one, and SageMaker's of the output.
        gets: SageMaker's download of the payload, and ours of the output.
        deletes: Ours of the payload, a thousand a request; free.
        publishes: SageMaker's notification.
        sqs: SNS's delivery, and our receives and deletes, in tens at best.
    """

    invocations: int
    puts: int
    gets: int
    deletes: int
    publishes: int
    sqs: int

    def dollars(self, prices: Prices) -> float:
        """Return what they cost together."""
        return (
            self.puts / 1_000 * prices.s3_put_per_1000
            + self.gets / 1_000 * prices.s3_get_per_1000
            + self.publishes / MILLION * prices.sns_publish_per_million
            + self.sqs / MILLION * prices.sqs_request_per_million
        )


def requests(
    by_way: Mapping[str, int],
    *,
    parts: int = 0,
    published: bool = True,
    received: bool = True,
    a_receive: int = TENS,
) -> Requests:
    """Return the requests of so many rows by each transport, if each is served once.

    Args:
        by_way: Rows by `inline`, `s3` (uploaded by us) and `existing` (an object of the user's, which is not).
        parts: Requests that uploads in parts take beyond one each; see `aws.parts.put_requests`.
        published: Whether the endpoint announces each on a topic.
        received: Whether a queue of ours listens to that.
        a_receive: Messages that one receive brings: ten at best, one where they trickle.
    """
    inline, uploaded, existing = (by_way.get(way, 0) for way in ("inline", "s3", "existing"))
    rows = inline + uploaded + existing
    return Requests(
        invocations=rows,
        puts=rows + uploaded + parts,
        gets=rows + uploaded + existing,
        deletes=-(-uploaded // DELETIONS),
        publishes=rows if published else 0,
        sqs=rows - (-rows // a_receive) - (-rows // TENS) if published and received else 0,
    )


def per_million(transport: Transport) -> Requests:
    """Return the requests of a million rows that all travel `transport`."""
    return requests({transport: MILLION})
