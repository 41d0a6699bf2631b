"""Two experiments compared: what got slower, what got faster, and what cannot be told."""

from __future__ import annotations

from fanout.analysis.baseline import changes, slower

from .conftest import comparison


def test_changes_are_slower_faster_or_alike():
    now, before = comparison(inline=40.0, s3=42.0), comparison(inline=30.0, s3=42.5)
    found = {(each.group, each.way, each.phase): each for each in changes(now, before)}
    assert found["all sizes", "inline", "invoke"].verdict == "slower"
    assert found["all sizes", "s3", "invoke"].verdict == "alike"
    assert found["64 KB", "inline", "invoke"].change.median == 10.0
    assert {each.verdict for each in changes(before, now) if each.way == "inline"} == {"faster"}
    assert [(each.way, each.group) for each in slower(changes(now, before))] == [("inline", "all sizes")]
    assert slower(changes(before, now)) == []
