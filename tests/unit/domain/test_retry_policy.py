"""How long to wait after a failed call, and which failures of the model are tried again."""

from __future__ import annotations

import pytest
from support.settings import model_retry

from fanout.domain.retry_policy import backoff_s


@pytest.mark.parametrize(
    ("tries", "longest"),
    [(1, 0.2), (2, 0.4), (3, 0.8), (4, 1.6), (7, 12.8), (8, 20.0), (9, 20.0), (5_000, 20.0)],
)
def test_backoff_is_exponential_with_full_jitter_and_a_cap(tries, longest):
    assert backoff_s(tries, draw=0.0) == 0.0
    assert backoff_s(tries, draw=0.5) == pytest.approx(longest / 2)
    assert backoff_s(tries, draw=0.999) == pytest.approx(0.999 * longest)


def test_backoff_takes_its_base_and_its_cap():
    assert backoff_s(3, draw=0.5, base_s=1.0, cap_s=100.0) == 2.0
    assert backoff_s(30, draw=0.5, base_s=1.0, cap_s=7.0) == 3.5


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("ClientError: Received server error (500) from model with message ...", True),
        ("Received server error (503) from primary", True),
        ("Invocation timed out while waiting for the model", True),
        ("Model container TIMEOUT", True),
        ("Internal Server Error", True),
        ("Received client error (400) from model", False),
        ("unsupported content type", False),
        ("", False),
        (None, False),
    ],
)
def test_a_model_failure_that_may_pass_is_tried_again(text, allowed):
    assert model_retry().allows(generation=0, text=text) is allowed


@pytest.mark.parametrize(("generations", "allowed"), [(0, 0), (1, 1), (3, 3)])
def test_a_row_has_so_many_generations_beyond_the_first(generations, allowed):
    retry = model_retry(generations=generations)
    assert [retry.allows(generation=number, text="timeout") for number in range(6)] == [
        number < allowed for number in range(6)
    ]


def test_the_users_patterns_replace_ours():
    retry = model_retry(patterns=("CUDA out of memory",))
    assert retry.allows(generation=0, text="error: cuda OUT of memory at 0x0")
    assert not retry.allows(generation=0, text="timeout")
    assert not model_retry(patterns=()).allows(generation=0, text="timeout")
