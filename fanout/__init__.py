"""fanout: sends a dataset to an Amazon SageMaker asynchronous endpoint and writes one Parquet file.

The public names are imported when they are first used, so that `import fanout` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from fanout._version import __version__

if TYPE_CHECKING:
    from fanout.analysis.plan import Plan
    from fanout.api.jobs import resume_job, retry_job, run_job
    from fanout.api.session import Session, open  # noqa: A004 - as `io.open`
    from fanout.api.verbs import export, merge, plan, resume, retry, run, status
    from fanout.commands.status import RunStatus
    from fanout.config.load import load_config
    from fanout.config.model import Config
    from fanout.domain.records import Outcome, Record
    from fanout.errors import Interrupted, JournalError, RunError, StorageError, UsageError
    from fanout.rundir.summary import Summary

__all__ = [
    "Config",
    "Interrupted",
    "JournalError",
    "Outcome",
    "Plan",
    "Record",
    "RunError",
    "RunStatus",
    "Session",
    "StorageError",
    "Summary",
    "UsageError",
    "__version__",
    "export",
    "load_config",
    "merge",
    "open",
    "plan",
    "resume",
    "resume_job",
    "retry",
    "retry_job",
    "run",
    "run_job",
    "status",
]

_HOMES = {
    "Config": "config.model",
    "Interrupted": "errors",
    "JournalError": "errors",
    "Outcome": "domain.records",
    "Plan": "analysis.plan",
    "Record": "domain.records",
    "RunError": "errors",
    "RunStatus": "commands.status",
    "Session": "api.session",
    "StorageError": "errors",
    "Summary": "rundir.summary",
    "UsageError": "errors",
    "export": "api.verbs",
    "load_config": "config.load",
    "merge": "api.verbs",
    "open": "api.session",
    "plan": "api.verbs",
    "resume": "api.verbs",
    "resume_job": "api.jobs",
    "retry": "api.verbs",
    "retry_job": "api.jobs",
    "run": "api.verbs",
    "run_job": "api.jobs",
    "status": "api.verbs",
}


if not TYPE_CHECKING:  # a checker that saw it would take every misspelt name for one of ours

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module 'fanout' has no attribute {name!r}")
        value: object = getattr(importlib.import_module(f"fanout.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__
