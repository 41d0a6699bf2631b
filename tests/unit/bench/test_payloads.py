"""Payloads of our own making."""

from __future__ import annotations

import json

import pytest

from fanout.bench.payloads import payload_of


@pytest.mark.parametrize("size", [1, 19, 20, 100, 127_999, 128_000])
def test_payloads_are_json_of_exactly_their_size(size):
    payload = payload_of(size)
    assert len(payload) == size
    if size < 4_000:
        json.loads(payload)
