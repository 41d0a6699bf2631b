"""Sees to it, before a run begins, that this process may open as many files and connections as the run needs."""

from __future__ import annotations

from fanout.errors import UsageError

try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None  # type: ignore[assignment]


def ensure_descriptors(needed: int) -> None:
    """Raise this process's soft limit to `needed`, as far as the hard one allows; a higher one stays.

    Raises:
        UsageError: The hard limit is lower; names `ulimit -n` and what needs so many.
    """
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _suffices(soft, needed):
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    except (OSError, ValueError) as error:  # above the hard limit, or above the kernel's own (macOS)
        raise UsageError(
            f"this run opens up to {needed:,} files and connections, and this process may open {soft:,}: "
            f"raise the limit (`ulimit -n {needed}`), or lower --concurrency"
        ) from error


def _suffices(limit: int, needed: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= needed
