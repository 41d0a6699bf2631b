"""Makes the scratch directory of a process at a run place: drafts of parts, parts that are merged, the output's build.

Nothing in it is needed by another process. It is removed when its process ends; what a killed one left is removed by
the next that has a place here.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from fanout.files import make_directory, storage, usable
from fanout.rundir.paths import RunDirectory

FOLDER = "fanout-places"
_LOCK = "lock"


def scratch_root(named: str | None, environ: Mapping[str, str]) -> Path:
    """Return the directory below which scratch is made.

    Args:
        named: As configured (`run.scratch`); by default TMPDIR, or the cache directory of this user.
        environ: The environment.
    """
    if named:
        return Path(named)
    if environ.get("TMPDIR"):
        return Path(environ["TMPDIR"]) / FOLDER
    if sys.platform == "darwin":
        cache = Path.home() / "Library" / "Caches"
    else:
        cache = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    with suppress(OSError):
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Containers may have no home, or one that may not be written to.
    return (cache if os.access(cache, os.W_OK) else Path(tempfile.gettempdir())) / FOLDER


@contextmanager
def scratch(root: Path) -> Iterator[RunDirectory]:
    """Yield an empty run directory below `root` that is this process's alone; it is removed when the block ends.

    Raises:
        UsageError: It cannot be made there.
        StorageError: The disk is full or failed.
    """
    with usable(root), storage(root, "create"):
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_abandoned(root)
        path = Path(tempfile.mkdtemp(prefix="run-", dir=root))
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with suppress(OSError):  # where the file system knows no locks, no process removes another's either
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        directory = RunDirectory(path / "run")
        make_directory(directory.path)
        make_directory(directory.parts)
        yield directory
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _remove_abandoned(root: Path) -> None:
    """Remove what killed processes left: directories whose lock is free."""
    for path in root.glob("run-*"):
        try:
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue  # being made, or removed, by another process
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        except OSError:
            continue
        finally:
            os.close(lock)
