"""The plan of a new run: whether its shares are even, and what so many shards at once mean for its queues."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.plans import UNIT

from fanout.config.model import Config
from fanout.shards.planning import LISTENERS_MAX, heard, is_even


def sized(*sizes):
    return [(replace(UNIT, size_bytes=size),) if size else () for size in sizes]


@pytest.mark.parametrize(
    ("sizes", "even"),
    [
        ((10, 10), True),
        ((12, 8), True),
        ((13, 7), False),
        ((10, 0), False),
        ((0, 0), True),
        ((5, 5, 6), True),
    ],
)
def test_shares_are_even_or_not(sizes, even):
    assert is_even(sized(*sizes)) is even


def test_many_shards_at_once_find_results_by_listing():
    config = Config()
    assert heard(config, at_once=LISTENERS_MAX) == (config, None)
    silent, text = heard(config, at_once=LISTENERS_MAX + 1)
    assert not silent.collect.notifications
    assert "65 shards at once would need more subscriptions than a topic takes" in text
    assert heard(silent, at_once=1_000) == (silent, None)
