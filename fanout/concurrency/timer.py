"""Waits for an instant by a timer of the kernel's, where there is one: within 0.05 ms, not within a millisecond.

Event loops wait in whole milliseconds (epoll_wait(2)), which made requests leave 0.6 ms after they were due in the
median. A timerfd is a descriptor that becomes readable at its instant; a wait by it costs 13 us more.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from functools import cache
from typing import Any

import anyio

TFD_TIMER_ABSTIME = 1  # timerfd_settime(2)
_SECOND_NS = 1_000_000_000


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


async def sleep_until_ns(at_ns: int) -> bool:
    """Return True at the instant `at_ns` of the monotonic clock or soon after, at once if it has passed.

    Returns:
        False, at once, where the system has no such timers, or no descriptor is left for one.
    """
    timer = _set(at_ns)
    if timer is None:
        return False
    try:
        await anyio.wait_readable(timer)
    finally:
        os.close(timer)
    return True


def _set(at_ns: int) -> int | None:
    """Return a descriptor that becomes readable at `at_ns`; the caller closes it."""
    libc = _libc()
    if libc is None:
        return None
    timer: int = libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
    if timer < 0:
        return None
    # The instant 0 would disarm it.
    value = _Timespec(*divmod(max(at_ns, 1), _SECOND_NS))
    if libc.timerfd_settime(timer, TFD_TIMER_ABSTIME, ctypes.byref(_Itimerspec(_Timespec(), value)), None):
        os.close(timer)
        return None
    return timer


@cache
def _libc() -> Any:  # a library's functions are attributes that no type knows
    """Return the C library if it has timers that are descriptors: Linux; Python has them itself from 3.13 on."""
    if sys.platform != "linux" or sys.maxsize < 2**32:  # where a long has 32 bits, a time may have 64
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "timerfd_create") else None
