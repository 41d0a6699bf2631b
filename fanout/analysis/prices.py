"""Computes what the requests of a run cost."""

from __future__ import annotations

from dataclasses import dataclass

from fanout.domain.prices import Prices
from fanout.domain.records import Transport

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests that a million rows cause in the account, whether we, SageMaker or SNS make them.

    Attributes:
        invocations: InvokeEndpointAsync, which has no price of its own.
        puts: Our upload of the payload, and SageMaker's of the output.
        gets: SageMaker's download of the payload, and ours of the output.
        deletes: Ours of the payload, a thousand a request; free.
        publishes: SageMaker's notification.
        sqs: SNS's delivery, and our receives and deletes in tens, at best.
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


def per_million(transport: Transport) -> Requests:
    """Return the requests of a million rows that all travel `transport`."""
    staged = 1 if transport == "s3" else 0
    return Requests(
        invocations=MILLION,
        puts=(1 + staged) * MILLION,
        gets=(1 + staged) * MILLION,
        deletes=staged * MILLION // 1_000,
        publishes=MILLION,
        sqs=MILLION + 2 * MILLION // 10,
    )
