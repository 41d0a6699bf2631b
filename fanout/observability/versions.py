"""Tells the versions of the program, of Python, and of the libraries that a run's behaviour depends on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from fanout._version import __version__

LIBRARIES = (
    "aiobotocore", "botocore", "pyarrow", "orjson", "pysimdjson", "python-jsonpath", "pydantic", "anyio", "uvloop",
    "httptools", "aiohappyeyeballs", "zstandard", "tenacity", "prometheus-client", "typer", "rich", "vl-convert-python",
    "jinja2",
)  # fmt: skip
"""Those that pyproject.toml names, the optional ones, too."""


def versions() -> dict[str, str]:
    """Return the versions by name, fanout's and Python's first; a library that is not installed is left out."""
    found = {"fanout": __version__, "python": f"{platform.python_version()} ({platform.platform()})"}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
