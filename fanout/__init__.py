"""fanout: sends a dataset to an Amazon SageMaker asynchronous endpoint and writes one Parquet file.

The public names are imported when they are first used, so that `import fanout` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from fanout._version import __version__

if TYPE_CHECKING:
    from fanout.api import resume, retry, run
    from fanout.commands.resume import resume_job
    from fanout.commands.retry import retry_job
    from fanout.commands.run import run_job
    from fanout.config.load import load_config
    from fanout.config.model import Config
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
    "Config": "config.model",
    "Interrupted": "errors",
    "RunError": "errors",
    "Summary": "rundir.summary",
    "load_config": "config.load",
    "resume": "api",
    "resume_job": "commands.resume",
    "retry": "api",
    "retry_job": "commands.retry",
    "run": "api",
    "run_job": "commands.run",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'fanout' has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"fanout.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
