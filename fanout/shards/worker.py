"""One of several processes of a run: `python -m fanout.shard SHARD_DIR`, started by `fleet` and by nobody else.

Enters: an `Assignment` on standard input, and the `run.json` of the whole run. Leaves: durable parts and
`subtotal.json` in its directory; on stderr, log lines in JSON, the last of which tells why it could not finish.
"""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable
from pathlib import Path

from fanout.errors import Exit, RunError
from fanout.observability.logging import configure
from fanout.rundir.manifest import read_manifest
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_result import ShardResult
from fanout.runtime.event_loop import run_in_event_loop
from fanout.runtime.result import RunResult
from fanout.runtime.runner import Runner
from fanout.runtime.share import Assignment
from fanout.shards.assignment import ParentPipe


async def run_shard(directory: RunDirectory, assignment: Assignment, leash: ParentPipe) -> None:
    """Take the shard's rows to their end, or go on where an earlier process of it was.

    Raises:
        RunError: It could not be finished.
    """
    whole = read_manifest(directory.whole)
    mine = read_manifest(directory) if directory.manifest.exists() else None
    if mine is None:
        directory.create()
    go = Runner(
        assignment.run_id if mine is None else mine.run_id,
        assignment.config,
        directory,
        rows=None if whole.rows is None else assignment.stripe.cut(whole.rows),
        retry_of=whole.retry_of,
        fingerprint=whole.fingerprint,
        observer=None,
        assignment=assignment,
        orders=leash.orders,
    )
    await go.go(manifest=mine, finish_run=functools.partial(_note, directory))


def _note(directory: RunDirectory, result: RunResult, _now: Callable[[], float]) -> None:
    ShardResult(result.tally, result.throttles, result.warnings).write(directory.subtotal)


def main(path: str) -> int:
    """Do what standard input says, and return the exit code."""
    leash = ParentPipe(sys.stdin.fileno())
    try:
        assignment = leash.assignment()
    except EOFError:
        return int(Exit.INTERRUPTED)
    configure(level=assignment.log_level, form="json")
    try:
        run_in_event_loop(functools.partial(run_shard, RunDirectory(Path(path)), assignment, leash))
    except RunError as error:
        logging.getLogger("fanout").error("%s", error, extra={"exit_code": int(error.exit)})  # noqa: TRY400 - no traceback
        return int(error.exit)
    return int(Exit.OK)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
