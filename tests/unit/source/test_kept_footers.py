"""Footers that are kept: they come back, up to a bound on what they take compressed."""

from __future__ import annotations

import os

from fanout.source import kept_footers
from fanout.source.kept_footers import KeptFooters


def test_what_is_kept_comes_back():
    kept = KeptFooters()
    kept.put("a", b"x" * 100_000)
    assert kept.get("a") == b"x" * 100_000
    assert kept.get("b") is None
    assert ("a" in kept, "b" in kept) == (True, False)


def test_what_there_is_no_room_for_is_not_kept(monkeypatch):
    monkeypatch.setattr(kept_footers, "KEPT_BYTES", 3_000)
    kept = KeptFooters()
    large = os.urandom(2_000)
    for name, footer in (("large", large), ("no room", large), ("folds up", b"x" * 100_000)):
        kept.put(name, footer)
    assert kept.get("large") == large
    assert "no room" not in kept
    assert kept.get("folds up") == b"x" * 100_000
