"""Environments for programs that cannot share ours: made when they are first needed, kept in a cache directory."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path


class Unavailable(Exception):  # noqa: N818 - reads as what happened
    """A contender cannot take part; the message says why, in one line."""


def environment(name: str, *requirements: str) -> Path:
    """Return the `bin` of a virtual environment that has `requirements`.

    Raises:
        Unavailable: pip cannot install them.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fanout-benchmarks"
    place = cache / f"{name}-{sys.version_info.major}.{sys.version_info.minor}"
    complete = place / "complete"  # written last: a half-made environment is made again
    if complete.exists() and complete.read_text() == "\n".join(requirements):
        return place / "bin"
    print(f"installing {' '.join(requirements)} under {place}", file=sys.stderr)
    try:
        venv.create(place, clear=True, with_pip=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unavailable(f"{place} cannot be made: {error}") from error
    pip = [place / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    done = subprocess.run([*pip, *requirements], capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["no reason given"]
        raise Unavailable(f"pip cannot install {' '.join(requirements)}: {said[-1]}")
    complete.write_text("\n".join(requirements))
    return place / "bin"
