"""Runs one shard of a run in a process of its own: `python -m fanout.shards.worker SHARD_DIR`.

`shards.processes` starts it, sends an `Assignment` on its standard input and reads its log lines, JSON, on stderr; the
last one says why it could not finish. It leaves durable parts and `subtotal.json` in its directory.
"""

from __future__ import annotations

import functools
import logging
import sys
from pathlib import Path

from fanout.errors import Exit, JournalError, RunError
from fanout.observability.logging import configure
from fanout.observability.metrics.fold import Fold
from fanout.rundir.manifest import read_manifest
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_plan import read_plan
from fanout.runtime import settings as compose
from fanout.runtime.event_loop import run_in_event_loop
from fanout.runtime.place.run_place import run_place
from fanout.runtime.runner import Runner
from fanout.runtime.session import open_session
from fanout.runtime.spec import RunSpec
from fanout.shards.assignment import Assignment, ParentPipe
from fanout.shards.kept_plan import read_shard_plan
from fanout.shards.lease_keeper import LeaseKeeper
from fanout.shards.one_shard import kept_shard_spec, note_result, shard_spec
from fanout.source.stdin import kept_stdin


async def run_shard(directory: RunDirectory, assignment: Assignment, parent: ParentPipe) -> None:
    """Take the shard's rows to their end, or go on where an earlier process of it was.

    Raises:
        RunError: It could not be finished.
    """
    spec = _spec(directory, assignment) if assignment.place is None else await _kept(directory, assignment)
    runner = Runner(
        spec,
        simulator=assignment.simulator,
        fold=Fold() if assignment.counts else None,
        orders=parent.orders,
        pace=LeaseKeeper(parent).keep if assignment.leased else None,
    )
    await runner.run(functools.partial(note_result, directory))


async def _kept(directory: RunDirectory, assignment: Assignment) -> RunSpec:
    """Return the shard of a run that is kept in S3 as a run; its directory is scratch of this process."""
    assert assignment.place is not None
    assert assignment.shard is not None
    place = run_place(assignment.place)
    async with open_session(compose.s3_alone(assignment.config)) as session:
        objects, clock = session.cloud.objects, session.clock
        plan = await read_shard_plan(objects, place, assignment.shard, clock=clock)
        if plan is None:
            raise JournalError(f"{place.plan.uri} is gone: put it back (S3 versioning, a backup)")
        return await kept_shard_spec(
            objects, place, plan, assignment.shard, directory, config=assignment.config, clock=clock
        )


def _spec(directory: RunDirectory, assignment: Assignment) -> RunSpec:
    """Return the shard as a run: the one that its directory holds, or a new one of the assigned rows."""
    if assignment.shard is not None:
        plan = read_plan(directory.whole)
        return shard_spec(plan, assignment.shard, directory, config=assignment.config)
    assert assignment.stripe is not None
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
