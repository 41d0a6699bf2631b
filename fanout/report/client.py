"""Judges whether a run was limited by its own client: how many requests left later than they were due."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow.compute as pc

from fanout.analysis.client_check import LATE_SHARE, WARN_SHARE
from fanout.analysis.outputs import Outputs
from fanout.report.timeline import Timeline

LATE_MS = 10.0
"""As `bench.late_ms`: timers wake 1-2 ms late, a thread switch of CPython costs 5, and any Python program pays both."""
FULL = 0.95  # of the window, from which on it was full


@dataclass(frozen=True, slots=True)
class Client:
    """How the client kept up with the schedule of its requests.

    Attributes:
        limit: `client` or `throttling` where half of the requests left late; `window` where as many rows were in flight
            as may be; None for none of these, or not known.
        late_share: Share of the requests that left more than `LATE_MS` after they were due, 0 to 1; rows that took more
            than one request are not counted.
        late_p50_ms: Median lateness.
        in_flight_max: Rows in flight at most.
        window: Rows that may be; None if the output does not say.
    """

    limit: Literal["client", "throttling", "window"] | None
    late_share: float
    late_p50_ms: float
    in_flight_max: int
    window: int | None

    @property
    def warns(self) -> bool:
        """Whether the upper percentiles hold waiting in the client."""
        return self.late_share > WARN_SHARE


def client(outputs: Outputs, line: Timeline | None, *, throttles: int | None) -> Client | None:
    """Return how the client kept up; None if nothing was sent."""
    rows = outputs.latencies(["wait_ms", "attempts"])
    once = pc.fill_null(pc.less_equal(rows["attempts"], 1), fill_value=True)
    waits = pc.drop_null(rows["wait_ms"].filter(once))
    if line is None or not len(waits):
        return None
    late = pc.sum(pc.greater(waits, LATE_MS)).as_py() / len(waits)
    median_ms = pc.quantile(waits, q=0.5)[0].as_py()
    most = max(line.in_flight, default=0)
    window = _window(outputs)
    limit: Literal["client", "throttling", "window"] | None = None
    if late > LATE_SHARE:
        limit = "throttling" if throttles else "client"
    elif window is not None and most >= FULL * window:
        limit = "window"
    return Client(limit, late, median_ms, most, window)


def _window(outputs: Outputs) -> int | None:
    """Return how many rows the runs may have had in flight together; None if one does not say."""
    found = [
        file.provenance.in_force.get("pacing.window") for file in outputs.files if file.provenance is not None
    ]
    known = [each for each in found if isinstance(each, int)]
    return sum(known) if known and len(known) == len(outputs.files) else None
