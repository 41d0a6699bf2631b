"""fanout: sends a dataset to an Amazon SageMaker asynchronous endpoint and writes one Parquet file.

The public names are imported when they are first used, so that `import fanout` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from fanout._version import __version__

if TYPE_CHECKING:
    from fanout.api import resume, resume_job, retry, retry_job, run, run_job
    from fanout.config import Config, load_config
    from fanout.errors import Interrupted, RunError
    from fanout.rundir.summary import Summary

__all__ = [
    "Config",
    "Interrupted",
    "RunError",
    "Summary",
    "__version__",
    "load_config",
    "resume",
    "resume_job",
    "retry",
    "retry_job",
    "run",
    "run_job",
]

_HOMES = {
    "Config": "config",
    "Interrupted": "errors",
    "RunError": "errors",
    "Summary": "rundir.summary",
    "load_config": "config",
    "resume": "api",
    "resume_job": "api",
    "retry": "api",
    "retry_job": "api",
    "run": "api",
    "run_job": "api",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'fanout' has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"fanout.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
