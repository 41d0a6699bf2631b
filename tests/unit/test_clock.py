"""The clock that a run reads."""

from __future__ import annotations

import asyncio
import time

import pytest

from fanout.clock import SystemClock


def test_it_starts_at_the_wall_clock_and_ignores_what_becomes_of_it(monkeypatch):
    before = time.time()
    clock = SystemClock()
    assert before <= clock.now() <= time.time() + 0.1  # NTP may slew the one and not the other
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert clock.now() >= before


def test_it_advances_by_the_monotonic_clock(monkeypatch):
    ticks = iter([5_000_000_000, 5_250_000_000, 7_000_000_000])
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)
    monkeypatch.setattr(time, "monotonic_ns", lambda: next(ticks))
    clock = SystemClock()
    assert clock.now() == pytest.approx(1_700_000_000.25, abs=1e-6)
    assert clock.now() == pytest.approx(1_700_000_002.0, abs=1e-6)


@pytest.mark.asyncio
async def test_it_sleeps_until_the_instant_and_not_less():
    clock = SystemClock()
    wanted = clock.now() + 0.02
    await clock.sleep_until(wanted)
    assert wanted <= clock.now() < wanted + 5.0  # however late a timer wakes on a busy machine


@pytest.mark.asyncio
async def test_an_instant_in_the_past_returns_at_once_but_lets_others_run():
    ran = []
    other = asyncio.get_running_loop().create_task(_append(ran))
    clock = SystemClock()
    await clock.sleep_until(clock.now() - 100.0)
    assert ran == [1]
    await other


async def _append(ran):
    ran.append(1)
