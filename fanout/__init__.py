"""fanout: send a dataset to an Amazon SageMaker asynchronous inference endpoint, get one Parquet file back.

`run`, `resume` and `retry` from any code; `run_job` and its sisters where an event loop is running already.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fanout.config import Config, load_config
    from fanout.errors import Interrupted, RunError
    from fanout.runs import resume_job, retry_job, run_job
    from fanout.start import resume, retry, run
    from fanout.summary import Summary

__version__ = "0.1.0"
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
    "Summary": "summary",
    "load_config": "config",
    "resume": "start",
    "resume_job": "runs",
    "retry": "start",
    "retry_job": "runs",
    "run": "start",
    "run_job": "runs",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for: the command's `--help` needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module 'fanout' has no attribute {name!r}")
    return getattr(importlib.import_module(f"fanout.{_HOMES[name]}"), name)
