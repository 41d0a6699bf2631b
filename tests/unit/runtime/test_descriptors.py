"""How many files this process may open: raised where it may be, refused in a sentence where not."""

from __future__ import annotations

import resource

import pytest

from fanout.config.model import Config
from fanout.errors import UsageError
from fanout.runtime import descriptors, settings
from fanout.runtime.descriptors import ensure_descriptors


class Limits:
    """A process's limits, by the kernel's rules."""

    RLIMIT_NOFILE = resource.RLIMIT_NOFILE
    RLIM_INFINITY = resource.RLIM_INFINITY

    def __init__(self, soft, hard):
        self.now = (soft, hard)

    def getrlimit(self, _kind):
        return self.now

    def setrlimit(self, _kind, wanted):
        _soft, hard = self.now
        if wanted[0] > hard != self.RLIM_INFINITY:
            raise ValueError("current limit exceeds maximum limit")
        self.now = wanted


@pytest.mark.parametrize(
    ("soft", "hard", "then"),
    [
        (256, 4_096, 300),
        (256, resource.RLIM_INFINITY, 300),
        (256, 300, 300),
        (300, 300, 300),
        (1_024, 4_096, 1_024),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, resource.RLIM_INFINITY),
    ],
)
def test_the_limit_is_raised_as_far_as_it_is_needed_and_never_lowered(monkeypatch, soft, hard, then):
    limits = Limits(soft, hard)
    monkeypatch.setattr(descriptors, "resource", limits)
    ensure_descriptors(300)
    assert limits.now == (then, hard)


def test_what_may_not_be_opened_is_refused_with_both_ways_out(monkeypatch):
    monkeypatch.setattr(descriptors, "resource", Limits(256, 299))
    said = r"up to 300 files .* may open 256: raise the limit \(`ulimit -n 300`\), or lower --concurrency"
    with pytest.raises(UsageError, match=said):
        ensure_descriptors(300)


def test_a_connection_each_is_counted():
    usual = settings.descriptors(Config())
    more = settings.descriptors(
        Config.model_validate({"transport": {"concurrency": 1_064}, "collect": {"fetches": 64}})
    )
    assert usual == 64 + 64 + 64 + 8 + 100
    assert more == usual + 1_000
