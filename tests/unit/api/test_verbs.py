"""The verbs as programs and editors find them."""

from __future__ import annotations

import inspect

import pytest

import fanout
from fanout.config.flags import RESUME, RUN


@pytest.mark.parametrize(
    ("verb", "flags", "own"),
    [
        ("run", RUN, ["config", "observer"]),
        ("run_job", RUN, ["config", "observer"]),
        ("open", RUN, ["config", "drain"]),
        ("resume", RESUME, ["run_dir", "config", "observer"]),
    ],
)
def test_what_completes_a_call_by_its_signature_finds_every_keyword(verb, flags, own):
    parameters = inspect.signature(getattr(fanout, verb)).parameters
    assert list(parameters) == [*own, *(flag.name for flag in flags)]
    assert {parameters[flag.name].kind for flag in flags} == {inspect.Parameter.KEYWORD_ONLY}
    assert {parameters[flag.name].default for flag in flags} == {None}
