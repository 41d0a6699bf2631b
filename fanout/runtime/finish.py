"""The last step of a run: its durable parts become the output, the summary is written, and the parts go.

An `Ended` enters, a `Summary` and an output file leave. Killed anywhere, it is simply done again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable

from fanout.concurrency.interpreter import give_back
from fanout.failpoints import failpoint
from fanout.output.finish import finish
from fanout.rundir.summary import Summary, summarize, write_summary
from fanout.runtime.ended import Ended


def conclude(ended: Ended, now: Callable[[], float]) -> Summary:
    """Write the output and the summary, and remove the parts; blocks.

    Raises:
        UsageError: The output exists and may not be replaced.
        StorageError: The disk is full or failed, or a part is damaged.
    """
    give_back()
    config, output = ended.config, ended.config.output.path or ""
    finished = finish(
        ended.parts,
        output,
        run=ended.run,
        kept_schema=ended.kept_schema,
        expected_rows=ended.tally.rows if ended.whole else None,
        metadata={
            "fanout:endpoint": ended.endpoint,
            "fanout:simulated": str(ended.simulated).lower(),
            "fanout:throttles": str(ended.throttles),
        },
        overwrite=config.output.overwrite,
    )
    summary = summarize(
        run=ended.run,
        endpoint=ended.endpoint,
        output=output,
        run_dir=ended.directory.path,
        output_bytes=finished.size_bytes,
        tally=ended.tally,
        throttles=ended.throttles,
        started_at=ended.started_at,
        seconds=now() - ended.started_at,
        simulated=ended.simulated,
        warnings=ended.warnings,
    )
    write_summary(summary, ended.directory.summary)
    failpoint("summary.written")
    if not config.run.keep_dir:  # the output holds every row of them
        for directory in {part.path.parent for part in ended.parts} | {ended.directory.parts}:
            shutil.rmtree(directory, ignore_errors=True)
    return summary
