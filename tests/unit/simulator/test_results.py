from __future__ import annotations

from fanout.simulator.limits import AsyncRequest
from fanout.simulator.settings import FaultSettings, SimulatorSettings

ROWS = 60
NOW = 1_000.0


def test_what_is_written_once_more_can_be_read_if_the_first_could(build_world):
    world = build_world(SimulatorSettings(faults=FaultSettings(unreadable_share=0.5)))
    written = []
    for attempt in (1, 2):
        for row in range(ROWS):
            inference_id = f"abcdefghij.{row}.0.{attempt}"
            request = AsyncRequest("simulated", body=b"x", inference_id=inference_id, filename=f"{row}.0")
            world.invoke(request, now=NOW * attempt)
        world.advance(NOW * attempt + 900.0)
        written.append([world.objects.find("simulated", f"async-outputs/{row}.0") for row in range(ROWS)])
    first, second = written
    assert all(
        b".0.1" in before.body and b".0.2" in after.body for before, after in zip(*written, strict=True)
    )
    assert [stored.flaw for stored in second] == [stored.flaw for stored in first]
    assert {stored.flaw is None for stored in first} == {True, False}
