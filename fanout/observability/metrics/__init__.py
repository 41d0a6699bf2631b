"""What Prometheus is told of a run: counted as rows end, read from snapshots when somebody asks.

Outcomes and snapshots enter, `fanout_*` families leave: over HTTP while the run goes on, to a text file, to a
Pushgateway. Nothing is counted unless one of them is asked for, and none of them can fail a run.
"""

from __future__ import annotations

from fanout.observability.metrics.exporting import Exporters, exporting

__all__ = ["Exporters", "exporting"]
