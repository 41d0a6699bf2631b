"""Writes a run's metrics to a text file for node_exporter's textfile collector, at intervals and at the end.

The file is replaced atomically. It also remembers, across runs, when one last completed and when one last succeeded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import anyio
import anyio.to_thread
from prometheus_client import write_to_textfile
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from fanout.engine.snapshot import Snapshot
from fanout.observability.metrics.registry import Take, registry


class TextFile:
    """Writes the families of one run.

    Args:
        path: The file; it should end in `.prom`, or node_exporter overlooks it.
        take: Returns the families; called on the event loop.
        every_s: Seconds between two writes.
        labels: On every sample: two jobs on one machine must not show the same series.
        warn: Called once when the file cannot be written; the run goes on.
    """

    def __init__(
        self,
        path: Path,
        *,
        take: Take,
        every_s: float,
        labels: Mapping[str, str],
        warn: Callable[[str], None],
    ) -> None:
        self._path = path
        self._take = take
        self._every_s = every_s
        self._labels = labels
        self._warn = warn
        self._warned = False

    async def watch(self, look: Callable[[], Snapshot], *, now: Callable[[], float]) -> None:  # noqa: ARG002 - Observer's
        """Write every `every_s` seconds, until cancelled."""
        while True:
            await self.write()
            await anyio.sleep(self._every_s)

    async def write(self) -> None:
        """Replace the file."""
        families = tuple(self._take())
        try:
            await anyio.to_thread.run_sync(self._write, families)
        except OSError as error:
            if not self._warned:
                self._warned = True
                self._warn(
                    f"{self._path} cannot be written ({error.strerror or error}): the run goes on without"
                )

    def _write(self, families: tuple[Metric, ...]) -> None:
        write_to_textfile(os.fspath(self._path), registry(lambda: families, labels=self._labels))


def remembered(path: Path, name: str) -> float | None:
    """Return the gauge `name` in the file of an earlier run; None if there is none, or no such file."""
    try:
        text = path.read_text(encoding="utf-8")
        for family in text_string_to_metric_families(text):
            if family.name == name and family.samples:
                return float(family.samples[0].value)
    except (OSError, ValueError):  # a file that another program wrote is replaced, whatever it holds
        return None
    return None
