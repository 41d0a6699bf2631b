"""Says what each verb's exit codes mean; schedulers and scripts branch on them."""

from __future__ import annotations

from collections.abc import Mapping

from fanout.errors import Exit

Meanings = Mapping[Exit, str]

_BUG = "a bug: a traceback is printed"
_USAGE = "usage or configuration"
_AWS = "a precondition on AWS: endpoint, permission, queue, or no connection"
_INTERRUPTED = "interrupted"

_RUN: Meanings = {
    Exit.OK: "every row succeeded",
    Exit.BUG: _BUG,
    Exit.USAGE: _USAGE,
    Exit.ROWS_FAILED: "finished, some rows did not succeed; or stopped by --max-failures, and no output yet",
    Exit.PRECONDITION: _AWS,
    Exit.JOURNAL: "run or output in use by another process, or the journal is damaged",
    Exit.STORAGE: "the disk is full or failed",
    Exit.DEADLINE: "--deadline reached: fanout resume goes on",
    Exit.INTERRUPTED: "interrupted: fanout resume goes on, if anything was sent",
}

MEANINGS: Mapping[str, Meanings] = {
    "run": _RUN,
    "plan": {
        Exit.OK: "every row would be sent",
        Exit.BUG: _BUG,
        Exit.USAGE: "usage or configuration: what a run would refuse before its first row",
        Exit.ROWS_FAILED: "some rows would be rejected",
        Exit.PRECONDITION: "the endpoint would take no row, or an input in S3 cannot be reached",
        Exit.INTERRUPTED: _INTERRUPTED,
    },
    "doctor": {
        Exit.OK: "no line fails",
        Exit.BUG: _BUG,
        Exit.USAGE: "usage, or a line of the configuration fails",
        Exit.PRECONDITION: "another line fails",
        Exit.INTERRUPTED: "interrupted; what was made for the checks was removed",
    },
    "simulate": {
        Exit.OK: "stopped by SIGINT, SIGTERM or SIGHUP",
        Exit.BUG: _BUG,
        Exit.USAGE: "usage, or an unknown setting",
        Exit.PRECONDITION: "the port is taken",
    },
    "resume": {
        **_RUN,
        Exit.OK: "every row succeeded, also if the run had finished before",
        Exit.USAGE: "usage, no such run, or its input or configuration changed in what matters to results",
    },
    "merge": {
        Exit.OK: "every row of all shards succeeded",
        Exit.BUG: _BUG,
        Exit.USAGE: "usage, no such run, shards of another plan, or the output exists",
        Exit.ROWS_FAILED: "merged, some rows did not succeed (--rows-failed-exit)",
        Exit.PRECONDITION: _AWS,
        Exit.JOURNAL: "run or output in use by another process, or a shard is damaged",
        Exit.STORAGE: "the disk is full or failed",
        Exit.INTERRUPTED: "a shard is missing or at work: it is named with its command; or interrupted",
    },
    "cancel": {
        Exit.OK: "the shards will stop",
        Exit.BUG: _BUG,
        Exit.USAGE: "usage, or no such run",
        Exit.STORAGE: "the disk is full or failed",
    },
    "retry": {
        **_RUN,
        Exit.OK: "every row sent again succeeded, or there was none to send",
        Exit.USAGE: "usage, no such run, it has not finished, or its input changed",
    },
    "export": {
        Exit.OK: "the file is written",
        Exit.BUG: _BUG,
        Exit.USAGE: "usage, no such run, it has finished, no row is durable yet, or the file exists",
        Exit.PRECONDITION: "S3 does not permit it, or does not answer",
        Exit.JOURNAL: "another process works on the run, or its journal is damaged",
        Exit.STORAGE: "the disk is full or failed",
        Exit.INTERRUPTED: _INTERRUPTED,
    },
    "status": {
        Exit.OK: "the state is printed, whatever it is",
        Exit.BUG: _BUG,
        Exit.USAGE: "usage, or no such run",
        Exit.JOURNAL: "run.json or summary.json is damaged",
    },
    "runs": {Exit.OK: "they are listed, if there are any", Exit.BUG: _BUG, Exit.USAGE: "usage"},
    "discard": {
        Exit.OK: "nothing is left of the run",
        Exit.BUG: _BUG,
        Exit.USAGE: "usage, no such run, or --yes is missing",
        Exit.PRECONDITION: "something could not be removed: run it again once that is permitted",
        Exit.JOURNAL: "the run is still at work",
        Exit.STORAGE: "the disk failed",
        Exit.INTERRUPTED: "interrupted: run it again for the rest",
    },
    "gc": {
        Exit.OK: "listed, or removed",
        Exit.BUG: _BUG,
        Exit.USAGE: "usage",
        Exit.PRECONDITION: "the account cannot be asked, or something that may go could not be removed",
        Exit.INTERRUPTED: "interrupted: run it again for the rest",
    },
    "bench": {
        **_RUN,
        Exit.OK: "no condition holds, and the measurement is valid",
        Exit.ROWS_FAILED: "a condition of --fail-if holds, or the client was too slow for its own schedule",
        Exit.INTERRUPTED: "interrupted: what was measured until then is written",
    },
    "report": {
        Exit.OK: "it is written",
        Exit.BUG: _BUG,
        Exit.USAGE: "usage, or an output that is not there or cannot be read",
        Exit.PRECONDITION: "an output in S3 cannot be reached",
        Exit.STORAGE: "standard output is on a disk that is full",
        Exit.INTERRUPTED: _INTERRUPTED,
    },
    "schema": {Exit.OK: "it is printed", Exit.BUG: _BUG, Exit.USAGE: "usage"},
    "infra iam": {
        Exit.OK: "the policy is complete",
        Exit.BUG: _BUG,
        Exit.USAGE: "usage or configuration",
        Exit.PRECONDITION: "it has placeholders to replace",
    },
    "infra cfn": {Exit.OK: "the template is complete", Exit.BUG: _BUG, Exit.USAGE: "usage"},
    "infra queue": {
        Exit.OK: "the template is complete",
        Exit.BUG: _BUG,
        Exit.USAGE: "usage or configuration",
        Exit.PRECONDITION: "it has placeholders to replace, or the endpoint has no topic",
    },
}
"""By the words that call a verb."""
