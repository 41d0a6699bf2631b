"""Makes a registry for each reader: the families as they are when it asks, and the process's own numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from fanout.observability.metrics.families import labelled

Take = Callable[[], Iterable[Metric]]


class Families(Collector):
    """Calls `take` at each read; `labels` go on every sample."""

    def __init__(self, take: Take, *, labels: Mapping[str, str]) -> None:
        self._take = take
        self._labels = labels

    def describe(self) -> Iterable[Metric]:
        """Return nothing: asking for names at registration would run `take` before there is a run."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Return the families of this moment."""
        return labelled(self._take(), self._labels)


def registry(take: Take, *, labels: Mapping[str, str] | None = None) -> CollectorRegistry:
    """Return a registry that shows what `take` returns and, as `fanout_process_*`, CPU time and memory."""
    # Without the prefix, node_exporter would refuse the text file: it has process_* metrics of its own.
    process = CollectorRegistry()
    ProcessCollector(namespace="fanout", registry=process)
    made = CollectorRegistry()
    made.register(Families(lambda: (*take(), *process.collect()), labels=labels or {}))
    return made
