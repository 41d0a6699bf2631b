"""Run places in an account in memory, on a clock that jumps, with calls that fail before or after their effect."""

from __future__ import annotations

from collections import defaultdict

from support.virtual import VirtualClock

from fanout.domain.row_state import RowRecord, RowState
from fanout.domain.tally import Tally
from fanout.errors import CallError, Phase
from fanout.runtime.place.run_place import RunPlace
from fanout.runtime.place.segment import NewPart, Purpose, Segment, StoredPart, ranges_of
from fanout.runtime.place.segment_log import SegmentLog
from fanout.simulator.ports.cloud import MemoryCloud
from fanout.simulator.settings import SimulatorSettings
from fanout.simulator.world import World

PLACE = RunPlace("simulated", "runs/one")
RUN = "aaaaaaaaaa"
LOST = CallError(Phase.EXCHANGE, "ConnectionResetError")
REFUSED = CallError(Phase.CONNECT, "ConnectionRefusedError")
DENIED = CallError(Phase.REPLY, "AccessDenied", status=403)
BUSY = CallError(Phase.REPLY, "SlowDown", status=503)
CONFLICT = CallError(Phase.REPLY, "ConditionalRequestConflict", status=409)


class Store:
    """An object store; `before` and `after` fail calls by name, before or after their effect; `calls` counts them."""

    def __init__(self, objects):
        self._objects = objects
        self.before, self.after = defaultdict(list), defaultdict(list)
        self.calls = defaultdict(int)

    def __getattr__(self, name):
        call = getattr(self._objects, name)
        if name == "list":
            return call

        async def around(*arguments, **more):
            self.calls[name] += 1
            if self.before[name]:
                raise self.before[name].pop(0)
            result = await call(*arguments, **more)
            if self.after[name]:
                raise self.after[name].pop(0)
            return result

        return around


class PlaceAccount:
    """An account with a bucket for run places."""

    def __init__(self, **settings):
        self.world = World(SimulatorSettings.model_validate(settings), now=0.0)
        self.clock = VirtualClock()
        self.cloud = MemoryCloud(self.world, self.clock)

    def store(self):
        return Store(self.cloud.objects)

    def log(self, store=None, *, run_id=RUN, place=PLACE, uptime=None, patience_s=60.0, about=None):
        """Return a process's log, which claims nothing yet."""
        return SegmentLog(
            store or self.store(),
            place,
            run_id=run_id,
            clock=self.clock,
            uptime=uptime or self.clock.now,
            about=about or {"host": "here"},
            patience_s=patience_s,
        )

    def keys(self, prefix=PLACE.below):
        """Return what stands at the place, without its name."""
        found = self.world.objects.list(PLACE.bucket, prefix, start_after="").entries
        return [key.removeprefix(PLACE.below) for key, _ in found]

    def body(self, location):
        return self.world.objects.get(*location).body

    def put(self, location, body):
        self.world.objects.put(*location, body, content_type=None, now=self.clock.now())


def line(row, state=RowState.INTENT, **more):
    return RowRecord(row, state, **({"generation": 0, "sends": 1, "resends": 0, "possible": 1} | more))


def new_part(number, rows, *, claim=1):
    rows = sorted(rows)
    name = f"{claim:010d}/part-{number:05d}.parquet"
    tally = Tally()
    for _ in rows:
        tally.count(
            status="succeeded",
            transport="inline",
            payload_bytes=10,
            possible_attempts=0,
            resends=0,
            error_code=None,
            error_message=None,
        )
    return NewPart(StoredPart(number, name, len(rows), rows[0], rows[-1], 100), ranges_of(rows), tally)


def segment(number, purpose=Purpose.ROWS, *, owner="one", run_id=RUN, **more):
    return Segment(run_id=run_id, owner=owner, number=number, purpose=purpose, **more)
