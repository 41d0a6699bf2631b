"""A release is proved by a segment, and lapses."""

from __future__ import annotations

from fanout.runtime.place.release import LAPSE_S, Release


def test_nothing_leaves_before_a_segment_is_stored():
    assert not Release().holds(0.0)


def test_it_lapses_so_long_after_the_write_began():
    release = Release()
    release.prove(100.0)
    assert release.holds(100.0)
    assert release.holds(100.0 + LAPSE_S - 0.001)
    assert not release.holds(100.0 + LAPSE_S)


def test_an_older_proof_takes_nothing_back():
    release = Release()
    release.prove(100.0)
    release.prove(90.0)
    assert release.holds(101.0)


def test_it_ends_for_good():
    release = Release()
    release.prove(100.0)
    release.end()
    release.prove(101.0)
    assert not release.holds(101.0)
