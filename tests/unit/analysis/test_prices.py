"""What a million rows of each transport ask of the account."""

from __future__ import annotations

import pytest

from fanout.analysis.prices import MILLION, per_million, requests
from fanout.domain.prices import Prices


def test_a_row_via_s3_adds_an_upload_a_download_and_a_deletion():
    inline, s3 = per_million("inline"), per_million("s3")
    assert (inline.puts, inline.gets, inline.deletes) == (MILLION, MILLION, 0)
    assert (s3.puts, s3.gets, s3.deletes) == (2 * MILLION, 2 * MILLION, 1_000), (
        "a thousand deletions a request"
    )
    for same in ("invocations", "publishes", "sqs"):
        assert getattr(inline, same) == getattr(s3, same)
    assert (inline.publishes, inline.sqs) == (MILLION, 1_200_000), "receives and deletes come in tens"


@pytest.mark.parametrize(
    ("prices", "dollars"),
    [
        (
            Prices(
                s3_put_per_1000=1, s3_get_per_1000=0, sns_publish_per_million=0, sqs_request_per_million=0
            ),
            2_000.0,
        ),
        (
            Prices(
                s3_put_per_1000=0, s3_get_per_1000=1, sns_publish_per_million=0, sqs_request_per_million=0
            ),
            2_000.0,
        ),
        (
            Prices(
                s3_put_per_1000=0, s3_get_per_1000=0, sns_publish_per_million=1, sqs_request_per_million=0
            ),
            1.0,
        ),
        (
            Prices(
                s3_put_per_1000=0, s3_get_per_1000=0, sns_publish_per_million=0, sqs_request_per_million=1
            ),
            1.2,
        ),
    ],
)
def test_each_price_is_of_its_own_unit(prices, dollars):
    assert per_million("s3").dollars(prices) == pytest.approx(dollars)


def test_rows_of_several_ways_ask_for_what_each_asks_for():
    found = requests({"inline": 95, "s3": 3, "existing": 5})
    assert (found.invocations, found.publishes) == (103, 103)
    assert (found.puts, found.deletes) == (103 + 3, 1), (
        "an object of the user's is neither uploaded nor deleted"
    )
    assert found.gets == 103 + 3 + 5, "SageMaker reads it all the same"
    assert found.sqs == 103 + 2 * 11, "the last receive brings three, and costs a whole request"
    assert requests({}) == requests({"inline": 0}), "no row, no request"
    assert requests({}).dollars(Prices()) == 0


def test_what_is_not_announced_is_not_received():
    silent = requests({"inline": 100}, published=False)
    assert (silent.publishes, silent.sqs) == (0, 0)
    unheard = requests({"inline": 100}, received=False)
    assert (unheard.publishes, unheard.sqs) == (100, 0)


def test_messages_that_trickle_take_a_receive_each():
    assert requests({"inline": 95}, a_receive=1).sqs == 95 + 95 + 10
    assert requests({"inline": 95}, a_receive=1, received=False).sqs == 0


def test_each_part_of_an_upload_is_a_put():
    assert requests({"s3": 2}, parts=7).puts == 2 + 2 + 7
