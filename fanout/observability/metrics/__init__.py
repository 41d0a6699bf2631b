"""Shows a run's metrics to Prometheus: counted as rows end, read from snapshots at each scrape.

The `fanout_*` families go out over HTTP while the run goes on, to a text file, to a Pushgateway. Nothing is counted
unless the configuration has one of them, and none of them can fail a run.
"""

from __future__ import annotations

from fanout.observability.metrics.exporting import Exporters, exporting

__all__ = ["Exporters", "exporting"]
