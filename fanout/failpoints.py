"""Kills this process at a named place when a test asks for it, as a power cut would: no cleanup, no last word.

`FANOUT_FAILPOINT=name[:count]` in the environment at import arms one; its `count`-th pass is the last thing that
the process does. Without it, a pass is a call of a function that does nothing.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable

VARIABLE = "FANOUT_FAILPOINT"

POINTS = frozenset({
    "journal.opened",    # the journal is there, run.json is not
    "manifest.written",  # run.json is durable; nothing was asked of AWS
    "upload.stored",     # a payload is in S3; its row is not intended
    "intent.durable",    # rows are intended; none of them is sent
    "send.accepted",     # the endpoint has answered 202; the row is not noted yet
    "accept.durable",    # acceptances are journalled
    "part.drafted",      # a part stands under its temporary name
    "part.named",        # it has its name; the journal does not know it
    "part.committed",    # its rows are durable; their messages are not deleted
    "ack.deleted",       # messages of durable rows are deleted
    "finish.written",    # the output is written and verified beside its name
    "finish.placed",     # it has its name; there is no summary
    "output.uploaded",   # the parts of an output are in S3; it is not complete, and invisible
    "output.published",  # an output stands in S3; there is no summary
    "summary.written",   # the run has finished; its parts are not removed
    "place.claimed",     # a run place is this process's; there is no run.json
    "segment.stored",    # what a segment says is durable; none of its rows is sent
    "part.stored",       # a part stands in the run place; no segment names it
    "snapshot.stored",   # a snapshot stands in the run place; the segments before it are not deleted
})  # fmt: skip
"""Each stands in the source exactly once (`tests/crash/test_failpoints.py`)."""


def armed(setting: str) -> Callable[[str], None]:
    """Return a `failpoint` that kills this process at the pass that `setting` (`name[:count]`) names.

    Raises:
        ValueError: There is no such point, or the count is not a positive number.
    """
    name, _, text = setting.partition(":")
    if name not in POINTS:
        raise ValueError(f"{VARIABLE}={setting}: known are {', '.join(sorted(POINTS))}")
    count = int(text or "1")
    if count < 1:
        raise ValueError(f"{VARIABLE}={setting}: the count starts at 1")
    passes = itertools.count(1)

    def failpoint(passed: str) -> None:
        # Parts are written on a thread: `next` of an itertools counter is one step under the GIL.
        if passed == name and next(passes) == count:
            os.kill(os.getpid(), signal.SIGKILL)

    return failpoint


def _nothing(_name: str) -> None:
    """Pass."""


_setting = os.environ.get(VARIABLE)
failpoint: Callable[[str], None] = armed(_setting) if _setting else _nothing
"""Passes the named point; see `POINTS`."""
