"""When S3 is looked into, and which way is cheapest."""

from __future__ import annotations

import pytest
from support.settings import lookup_policy

from fanout.domain.ids import shard
from fanout.engine.reconcile.schedule import MAX_SPACING_S, next_look, plan_look

QUIET_S = 10.0


def look(now=1_000.0, *, notified=True, **facts):
    told = {
        "oldest_wait": None,
        "newest_claimed": None,
        "last_notice_at": None,
        "looked_at": None,
        "look_took_s": 0.0,
        "fruitless": 0,
    }
    return next_look(now, policy=lookup_policy(notified=notified, quiet_s=QUIET_S), **(told | facts))


@pytest.mark.parametrize("notified", [True, False])
def test_nobody_who_waits_is_a_reason_to_ask_again_later_and_not_to_look(notified):
    assert look(1_000.0, notified=notified, last_notice_at=1.0, looked_at=1.0) == 1_000.0 + QUIET_S


# Silence


def test_a_first_row_is_given_its_time():
    assert look(1_000.0, oldest_wait=999.0) == 999.0 + QUIET_S


def test_silence_is_counted_from_the_last_notice():
    assert look(1_000.0, oldest_wait=900.0, last_notice_at=995.0) == 995.0 + QUIET_S


def test_a_notice_from_before_the_row_was_accepted_tells_nothing():
    assert look(1_000.0, oldest_wait=998.0, last_notice_at=500.0) == 998.0 + QUIET_S


def test_silence_is_over_at_once_when_it_has_lasted():
    assert look(1_000.0, oldest_wait=900.0, last_notice_at=950.0) <= 1_000.0


# Lateness


def test_a_row_far_behind_one_that_was_claimed_is_looked_for_although_notices_come():
    assert look(1_000.0, oldest_wait=900.0, newest_claimed=910.1, last_notice_at=999.9) <= 1_000.0


@pytest.mark.parametrize("newest_claimed", [None, 800.0, 900.0, 909.9])
def test_a_row_little_behind_is_not(newest_claimed):
    assert (
        look(1_000.0, oldest_wait=900.0, newest_claimed=newest_claimed, last_notice_at=999.9)
        == 999.9 + QUIET_S
    )


# No notifications


def test_without_notifications_it_looks_soon():
    assert look(1_000.0, notified=False, oldest_wait=1_000.0) == 1_001.0


def test_without_notifications_it_looks_again_soon():
    assert look(1_000.0, notified=False, oldest_wait=900.0, looked_at=999.5) == 1_000.5


def test_without_notifications_a_quiet_time_below_a_second_counts():
    patience = lookup_policy(notified=False, quiet_s=0.1)
    told = {
        "newest_claimed": None,
        "last_notice_at": None,
        "looked_at": None,
        "look_took_s": 0.0,
        "fruitless": 0,
    }
    assert next_look(5.0, policy=patience, oldest_wait=5.0, **told) == pytest.approx(5.1)


# Spacing


def test_looks_are_spaced_by_the_quiet_time():
    assert look(1_000.0, oldest_wait=900.0, looked_at=995.0) == 995.0 + QUIET_S


@pytest.mark.parametrize("fruitless", range(1, 8))
def test_looks_that_find_nothing_come_further_and_further_apart(fruitless):
    before, after = (
        look(1e6, oldest_wait=900.0, looked_at=1_000.0, fruitless=number)
        for number in (fruitless - 1, fruitless)
    )
    assert after > before


def test_looks_that_find_nothing_go_on():
    at = look(1e6, oldest_wait=900.0, looked_at=1_000.0, fruitless=10_000)
    assert at == 1_000.0 + MAX_SPACING_S


def test_a_look_of_three_seconds_is_not_repeated_within_a_minute():
    assert look(1_000.0, oldest_wait=900.0, looked_at=999.0, look_took_s=3.0) == 999.0 + 60.0


@pytest.mark.parametrize("took_s", [0.1, 1.0, 10.0, 15.0, 30.0, 120.0])
@pytest.mark.parametrize(("notified", "share"), [(True, 1 / 20), (False, 1)])
def test_looks_take_their_share_of_the_time_at_most(notified, share, took_s):
    """A listing of a million objects takes a thousand calls; without notifications, listing is the work."""
    at = look(1_000.0, notified=notified, oldest_wait=900.0, looked_at=1_000.0, look_took_s=took_s)
    assert took_s <= (at - 1_000.0) * share + 1e-9
    if took_s == 120.0:
        assert at == 1_000.0 + took_s / share


def test_spacing_is_no_reason_to_look():
    assert look(1_000.0, oldest_wait=999.0, looked_at=10.0) == 999.0 + QUIET_S


# The cheapest way


def in_shards(*names, count):
    """`count` rows of each of these shards."""
    return [int(name, 16) + 256 * number for name in names for number in range(count)]


@pytest.mark.parametrize(
    ("waiting", "rows_seen", "roots", "expected"),
    [
        pytest.param(
            [7, 9, 500_000],
            1_000_000,
            2,
            None,
            id="few of a million: 6 calls, not 2,002",
        ),
        pytest.param(list(range(5_000)), 5_000, 1, ("",), id="all of 5,000: 6 calls, not 256 or 10,000"),
        pytest.param(
            list(range(1_000)),
            1_000_000,
            2,
            None,
            id="2,000 by row, 2,002 or 2,048 by listing",
        ),
        pytest.param(
            list(range(100_000)), 1_000_000, 2, ("",), id="a tenth of a million: 2,002 calls, not 2,048"
        ),
        pytest.param(in_shards("07", count=100), 1_000_000, 2, ("07/",), id="one shard: 8 calls, not 200"),
        pytest.param(
            in_shards("ff", "00", "07", count=100),
            1_000_000,
            1,
            ("00/", "07/", "ff/"),
            id="three shards: 12 calls",
        ),
    ],
)
def test_the_cheapest_way_to_look(waiting, rows_seen, roots, expected):
    assert plan_look(waiting, rows_seen=rows_seen, may_list=True, roots=roots) == expected


@pytest.mark.parametrize("count", [1, 10_000])
def test_where_listing_is_impossible_rows_are_looked_for_one_by_one(count):
    waiting = list(range(count))
    assert plan_look(waiting, rows_seen=1_000_000, may_list=False, roots=2) is None


@pytest.mark.parametrize("count", [1, 2, 10, 100, 1_000])
@pytest.mark.parametrize("rows_seen", [1_000, 100_000, 10_000_000])
@pytest.mark.parametrize("spread", [1, 256, 512])
def test_no_plan_leaves_a_row_out(count, rows_seen, spread):
    waiting = [number * spread for number in range(count)]
    shards = plan_look(waiting, rows_seen=rows_seen, may_list=True, roots=2)
    if shards is not None:
        assert all(any(f"{shard(row)}/".startswith(name) for name in shards) for row in waiting)


def test_nobody_who_waits_costs_no_listing():
    assert plan_look([], rows_seen=1_000_000, may_list=True, roots=2) is None
