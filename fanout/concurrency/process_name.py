"""Names a process so that another one of the same machine can tell that it has ended.

A number alone does not: a later process, another container, or the machine started anew uses it again.
The name holds the machine's start, the space that the number is of, the number, and when the process began (proc(5),
pid_namespaces(7)). Linux alone tells all of it.
"""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")
_STATE, _STARTED = 0, 19
"""Fields of `/proc/PID/stat` after the command, whose name may hold anything: 3 and 22 of proc_pid_stat(5)."""
_ENDED = frozenset({"Z", "X", "x"})
"""States of a process that has ended, and was not waited for yet."""


def this_process() -> str | None:
    """Return the name of this process; None where the system does not tell."""
    try:
        began = _stat(os.getpid())[_STARTED]
        return f"{_space()}/{os.getpid()}/{began}"
    except (OSError, IndexError):
        return None


def has_ended(name: str) -> bool:
    """Whether the process of that name has ended for certain; False of one of another machine or container."""
    space, _, rest = name.rpartition("/")
    space, _, number = space.rpartition("/")
    try:
        if space != _space():
            return False
        pid = int(number)
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError, OverflowError):
        return False
    try:
        told = _stat(pid)
    except OSError:  # it has just ended, or may not be seen
        return False
    return told[_STARTED] != rest or told[_STATE] in _ENDED


def _space() -> str:
    boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{(_PROC / 'self/ns/pid').readlink()}"


def _stat(pid: int) -> list[str]:
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
