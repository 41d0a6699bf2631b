"""Payloads that have no way to travel end a run before its first row."""

from __future__ import annotations

import pytest

from fanout.config.load import load_config
from fanout.errors import UsageError
from fanout.runtime.settings import routing


def routed(*, inline=True, **sections):
    config = load_config(None, environ={}, flags=sections)
    return routing(config, "aaaaaaaaaa", inline=inline, simulator=None)


S3 = {"transport": {"mode": "s3"}}
PLACE = {"transport": {"mode": "s3", "input_prefix": "s3://b/p"}}


@pytest.mark.parametrize(("inline", "sections"), [(True, S3), (False, S3), (False, {})])
def test_payloads_that_all_need_a_place_are_refused_without_one(inline, sections):
    with pytest.raises(
        UsageError, match=r"every payload has to go via S3: .* --input-prefix s3://bucket/prefix"
    ):
        routed(inline=inline, **sections)


@pytest.mark.parametrize("inline", [True, False])
def test_a_place_or_objects_that_are_there_already_are_enough(inline):
    assert routed(inline=inline, **PLACE).uploads == ("b", "p")
    assert routed(inline=inline, columns={"location": "uri"}, **S3).uploads is None
    assert routed(inline=True).uploads is None
