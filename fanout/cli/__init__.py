"""Reads the command line, runs the verb that it names, prints the result, and exits with its code; one file a verb.

Programs read stdout, people read stderr. The verb that needs something heavy imports it when it runs, so that `--help`
answers at once.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from contextlib import suppress
from types import FrameType

INTERRUPTED = 75  # errors.Exit.INTERRUPTED, before anything is imported
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: with 75 from its first moment on, when a signal ends it.

    A scheduler that stops a job in its first second would otherwise see a process that a signal has killed.
    """
    for number in _SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            signal.signal(number, signal.default_int_handler)
    code: object = 1  # of a bug, whose traceback follows
    try:
        try:
            from fanout.cli.app import main as run
        except KeyboardInterrupt:
            sys.stderr.write("fanout: interrupted\n")
            sys.exit(INTERRUPTED)
        run(arguments)
    except SystemExit as leaving:
        code = leaving.code
        raise
    finally:
        _let_go(code)


def _let_go(code: object) -> None:
    """Have a signal that comes while the interpreter ends change no exit code: it ends it at once.

    What was interrupted is closed and durable, and may have left a thread behind that waits for rows from a pipe, which
    the interpreter would wait for.
    """
    status = code if isinstance(code, int) else 0 if code is None else 1

    def leave(_number: int = 0, _frame: FrameType | None = None) -> None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)

    for number in _SIGNALS:
        signal.signal(number, leave)
        # The interpreter's last act but one is to set the default for what is not ignored.
        atexit.register(signal.signal, number, signal.SIG_IGN)
    if status == INTERRUPTED:
        leave()


__all__ = ["main"]
