from __future__ import annotations

from fanout.simulator.timestamps import iso_ms


def test_milliseconds_are_rounded_and_carry():
    assert iso_ms(1_643_150_760.608) == "2022-01-25T22:46:00.608Z"
    assert iso_ms(1_643_150_760.0004) == "2022-01-25T22:46:00.000Z"
    assert iso_ms(1_643_150_760.9996) == "2022-01-25T22:46:01.000Z"
    assert iso_ms(0.0) == "1970-01-01T00:00:00.000Z"
