"""Holds what AWS charges for requests: the configuration's `[prices]`. `analysis` computes with them.

Those of requests leave out what both transports cost alike: storage of outputs, transfer, what SNS takes for filtering
by the body, long polls that find nothing, and notifications of more than 64 KB, which carry their response.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _no_table(value: object) -> object:
    if isinstance(value, dict):  # TOML takes the dots of a bare ml.g5.xlarge for tables in tables
        raise ValueError('should be a number; write the type in quotes: "ml.g5.xlarge" = 1.41')  # noqa: TRY004
    return value


def _no_switch(value: object) -> object:
    if isinstance(value, bool):  # pydantic takes true for 1
        raise ValueError("should be a number, not true or false")  # noqa: TRY004 - pydantic reports ValueErrors
    return value


Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False), BeforeValidator(_no_switch)]


class Prices(BaseModel):
    """`[prices]`: US dollars, list prices of us-east-1 without free tiers and discounts; check yours.

    The pages named are AWS's own. Compared on 2026-11-21 with what others say they hold: SQS in March and June 2026,
    SNS in June 2026, S3 without a date.

    Attributes:
        s3_put_per_1000: PUT, COPY, POST and LIST, S3 Standard; DELETE is free (aws.amazon.com/s3/pricing).
        s3_get_per_1000: GET and HEAD, S3 Standard (aws.amazon.com/s3/pricing).
        sns_publish_per_million: Publish to a standard topic, for each 64 KB begun; deliveries to SQS are free
            (aws.amazon.com/sns/pricing).
        sqs_request_per_million: Requests to a standard queue, for each 64 KB begun, up to 100 billion a month
            (aws.amazon.com/sqs/pricing).
        instances: An hour of an instance, by its type, for `fanout plan` (aws.amazon.com/sagemaker/pricing). None are
            known by default: there are hundreds, and they differ from region to region.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    s3_put_per_1000: Dollars = 0.005
    s3_get_per_1000: Dollars = 0.0004
    sns_publish_per_million: Dollars = 0.50
    sqs_request_per_million: Dollars = 0.40
    instances: dict[str, Annotated[Dollars, BeforeValidator(_no_table)]] = Field(default_factory=dict)
