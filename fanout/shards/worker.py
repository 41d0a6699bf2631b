"""Runs one shard of a run in a process of its own: `python -m fanout.shards.worker SHARD_DIR`.

`shards.processes` starts it, sends an `Assignment` on its standard input and reads its log lines, JSON, on stderr; the
last one says why it could not finish. It leaves durable parts and `subtotal.json` in its directory.
"""

from __future__ import annotations

import functools
import logging
import sys
from pathlib import Path

from fanout.concurrency.threads import run_in_thread
from fanout.errors import Exit, RunError
from fanout.observability.logging import configure
from fanout.observability.metrics.fold import Fold
from fanout.rundir.manifest import read_manifest
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_result import ShardResult
from fanout.runtime.event_loop import run_in_event_loop
from fanout.runtime.result import RunResult
from fanout.runtime.runner import Runner
from fanout.runtime.session import Session
from fanout.runtime.spec import RunSpec
from fanout.shards.assignment import Assignment, ParentPipe
from fanout.source.stdin import kept_stdin


async def run_shard(directory: RunDirectory, assignment: Assignment, parent: ParentPipe) -> None:
    """Take the shard's rows to their end, or go on where an earlier process of it was.

    Raises:
        RunError: It could not be finished.
    """
    runner = Runner(
        _spec(directory, assignment),
        simulator=assignment.simulator,
        fold=Fold() if assignment.counts else None,
        orders=parent.orders,
    )
    await runner.run(functools.partial(_note, directory))


def _spec(directory: RunDirectory, assignment: Assignment) -> RunSpec:
    """Return the shard as a run: the one that its directory holds, or a new one of the assigned rows."""
    if directory.manifest.exists():
        return RunSpec.resumed(read_manifest(directory), directory, config=assignment.config)
    whole = read_manifest(directory.whole)
    directory.create()
    return RunSpec(
        run_id=assignment.run_id,
        config=assignment.config,
        directory=directory,
        rows=None if whole.rows is None else assignment.stripe.cut(whole.rows),
        stripe=assignment.stripe,
        retry_of=whole.retry_of,
        fingerprint=whole.fingerprint,
    )


async def _note(directory: RunDirectory, result: RunResult, _session: Session, /) -> None:
    subtotal = ShardResult(result.tally, result.throttles, result.warnings)
    await run_in_thread(functools.partial(subtotal.write, directory.subtotal))


def main(path: str) -> int:
    """Run the shard that standard input assigns, and return the exit code."""
    with kept_stdin() as orders:  # which a `credential_process` of this process would read, too
        return _main(path, ParentPipe(orders))


def _main(path: str, parent: ParentPipe) -> int:
    try:
        assignment = parent.assignment()
    except EOFError:
        return int(Exit.INTERRUPTED)
    configure(level=assignment.log_level, form="json")
    try:
        run_in_event_loop(functools.partial(run_shard, RunDirectory(Path(path)), assignment, parent))
    except RunError as error:
        logging.getLogger("fanout").error("%s", error, extra={"exit_code": int(error.exit)})  # noqa: TRY400 - no traceback
        return int(error.exit)
    return int(Exit.OK)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
