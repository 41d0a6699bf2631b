"""Runs one command to its end and returns what it used; the operating system counts, not the command.

CPU is user and system time of the process and of every child that it waited for (`wait4`). Its peak memory cannot read
lower than this process's own, which the child begins as: so whatever measures keeps its imports small.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.02  # between two looks at whether a command has done what it was started for
RSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024  # getrusage(2)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a command used.

    Attributes:
        seconds: From its start to its end, or to when it had done what it was stopped for.
        cpu_s: User and system time, in seconds.
        peak_bytes: The largest resident set.
        said: Its stdout.
    """

    seconds: float
    cpu_s: float
    peak_bytes: int
    said: str


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    codes: Collection[int] = (0,),
    until: Callable[[], bool] | None = None,
    timeout_s: float = 1_800.0,
) -> Usage:
    """Run `command`, interrupt it (SIGINT) once `until` says so, and return what it used.

    Raises:
        SystemExit: It ended with another code than `codes`, or before `until` held; says what it said.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        # wait4 reaps it, so that no `with` has anything left to wait for.
        process = subprocess.Popen(list(map(str, command)), env=dict(env), stdout=out, stderr=err)
        watchdog = threading.Timer(timeout_s, process.kill)
        watchdog.start()
        try:
            done_s = _watch(process.pid, until, began)
            if done_s is not None:
                process.send_signal(signal.SIGINT)
            _, status, used = os.wait4(process.pid, 0)
        finally:
            watchdog.cancel()
        ended_s = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        said = out.read().decode(errors="replace")
        if process.returncode not in codes or (until is not None and done_s is None):
            complaint = err.read().decode(errors="replace")[-4_000:]
            sys.exit(
                f"{' '.join(map(str, command))}\nended with {process.returncode}: {complaint}{said[-1_000:]}"
            )
    return Usage(
        seconds=ended_s if done_s is None else done_s,
        cpu_s=used.ru_utime + used.ru_stime,
        peak_bytes=used.ru_maxrss * RSS_UNIT_BYTES,
        said=said,
    )


def _watch(pid: int, until: Callable[[], bool] | None, began: float) -> float | None:
    """Return after how many seconds `until` held; None without it, or if the process ended first."""
    if until is None:
        return None
    while not until():
        # WNOWAIT leaves the dead process to wait4, which alone tells what it used.
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return None
        time.sleep(POLL_S)
    return time.perf_counter() - began


def process_cpu_s(pid: int) -> float:
    """Return the CPU seconds that a running process has used so far; Linux only, counted in ticks of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
