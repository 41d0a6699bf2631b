"""Finishes a run: makes the output of its durable parts, writes the summary, and removes the parts.

After a kill at any point, finishing begins again from the start.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable

from fanout.concurrency.interpreter import release_memory
from fanout.failpoints import failpoint
from fanout.output.finish import finish
from fanout.rundir.summary import Summary, summarize, write_summary
from fanout.runtime.result import RunResult


def finish_run(result: RunResult, now: Callable[[], float]) -> Summary:
    """Write the output and the summary, and remove the parts; blocks.

    Raises:
        UsageError: The output exists and may not be replaced.
        StorageError: The disk is full or failed, or a part is damaged.
    """
    release_memory()
    config, output = result.config, result.config.output.path or ""
    output_file = finish(
        result.parts,
        output,
        run_id=result.run_id,
        passthrough_schema=result.passthrough_schema,
        expected_rows=result.tally.rows if result.whole else None,
        metadata={
            "fanout:endpoint": result.endpoint,
            "fanout:simulated": str(result.simulated).lower(),
            "fanout:throttles": str(result.throttles),
        },
        overwrite=config.output.overwrite,
    )
    summary = summarize(
        run_id=result.run_id,
        endpoint=result.endpoint,
        output=output,
        run_dir=result.directory.path,
        output_bytes=output_file.size_bytes,
        tally=result.tally,
        throttles=result.throttles,
        started_at=result.started_at,
        seconds=now() - result.started_at,
        simulated=result.simulated,
        warnings=result.warnings,
    )
    write_summary(summary, result.directory.summary)
    failpoint("summary.written")
    if not config.run.keep_dir:  # the output holds every row of them
        for directory in {part.path.parent for part in result.parts} | {result.directory.parts}:
            shutil.rmtree(directory, ignore_errors=True)
    return summary
