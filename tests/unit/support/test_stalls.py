"""The tests' own measure of a machine that stood still: too little of it makes tests fail, too much lets bugs pass."""

from __future__ import annotations

import sys
import threading
import time

from support.stalls import watched


def test_an_interpreter_that_nobody_else_gets_is_a_standstill():
    usual = sys.getswitchinterval()
    with watched() as machine:
        began = time.monotonic()
        sys.setswitchinterval(10.0)
        try:
            while time.monotonic() < began + 0.2:
                pass
        finally:
            sys.setswitchinterval(usual)
    assert 0.18 < machine.late_s <= time.monotonic() - began
    told = machine.late_s
    threading.Event().wait(0.02)
    assert machine.late_s == told, "nothing is added afterwards"


def test_waiting_is_none():
    shares = []
    for _ in range(5):
        began = time.monotonic()
        with watched() as machine:
            threading.Event().wait(0.1)  # what is measured: a test that waits
        shares.append(machine.late_s / (time.monotonic() - began))
    assert min(shares) < 0.5, shares
