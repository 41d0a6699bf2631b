"""What a run changes in its interpreter, and puts back."""

from __future__ import annotations

import gc
import os
import platform
import subprocess
import sys
import weakref

import pytest
from support import garbage

from fanout.concurrency.interpreter import MIDDLE_ROUNDS, SWITCH_S, YOUNG_OBJECTS, YOUNG_ROUNDS, tuned_gc
from fanout.engine.open_row import State


def settings():
    return gc.get_threshold(), sys.getswitchinterval(), gc.get_freeze_count(), [*gc.callbacks]


@pytest.fixture(scope="module")
def _as_in_a_program():
    """For the other tests of this process all is frozen again: else each run would look through it."""
    garbage.thaw()
    yield
    garbage.freeze()


@pytest.fixture
def _thawed(_as_in_a_program):
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("_thawed")
def test_everything_is_as_before_afterwards_whatever_happened_inside():
    before = settings()
    inside = []

    def run():
        with tuned_gc():
            inside.append(settings())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run()
    assert inside[0][:2] == ((YOUNG_OBJECTS, YOUNG_ROUNDS, MIDDLE_ROUNDS), SWITCH_S)
    assert inside[0][2] > 0
    assert settings() == before


@pytest.mark.usefixtures("_thawed")
def test_what_somebody_else_froze_stays_frozen():
    gc.freeze()
    with tuned_gc():
        pass
    assert gc.get_freeze_count() > 0


@pytest.mark.usefixtures("_thawed")
def test_what_was_there_before_is_not_looked_at_in_a_collection():
    crowd = [[number] for number in range(300_000)]
    with tuned_gc():
        assert gc.get_freeze_count() >= len(crowd)
        assert len(gc.get_objects()) < len(crowd)


@pytest.mark.usefixtures("_thawed")
def test_what_has_survived_a_full_collection_is_not_looked_at_again_and_still_goes_when_nothing_refers_to_it():
    class Row:
        pass

    with tuned_gc():
        crowd = [Row() for _ in range(10_000)]
        gone = weakref.ref(crowd[0])
        gc.collect()
        assert len(gc.get_objects()) < len(crowd)
        crowd.clear()
        assert gone() is None


@pytest.mark.usefixtures("_thawed")
def test_a_growing_crowd_is_collected_in_small_steps():
    looked_at = []

    def note(phase, info):
        if phase == "start" and info["generation"] == 2:
            looked_at.append(len(gc.get_objects()))

    gc.callbacks.append(note)
    try:
        with tuned_gc():
            crowd = [[number] for number in range(300_000)]
    finally:
        gc.callbacks.remove(note)
    inside = looked_at[1:]  # the first is of its beginning
    assert len(inside) >= 3
    assert max(inside) < len(crowd) / 3


@pytest.mark.usefixtures("_thawed")
def test_cycles_that_are_made_inside_are_collected():
    class Cycle:
        def __init__(self):
            self.me = self

        def __del__(self):
            nonlocal alive
            alive -= 1

    alive = 0
    most = 0
    with tuned_gc():
        for _ in range(50_000):
            alive += 1
            Cycle()
            most = max(most, alive)
    assert most < 25_000


def test_states_are_told_apart_by_identity():
    assert {State.QUEUED: 1}[State("queued")] == 1
    assert len({*State}) == len(State)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="arenas are glibc's")
@pytest.mark.parametrize(
    ("asked", "fewest", "most", "children"),
    [
        ({}, 1, 1, "1"),
        ({"MALLOC_ARENA_MAX": "4"}, 2, 4, "4"),
        ({"GLIBC_TUNABLES": "glibc.malloc.arena_max=4"}, 2, 4, "None"),
    ],
)
def test_the_command_line_shares_one_arena_among_threads_unless_told_otherwise(asked, fewest, most, children):
    program = """if True:
        import contextlib, ctypes, os, threading
        from fanout.cli import main
        with contextlib.suppress(SystemExit):
            main(["--version"])
        together = threading.Barrier(4)
        def allocate():
            together.wait()
            bytearray(10_000)
            together.wait()
        threads = [threading.Thread(target=allocate) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ctypes.CDLL(None).malloc_stats()  # one block of lines for each arena, on stderr
        print(os.environ.get("MALLOC_ARENA_MAX"))  # for the processes that it starts
    """
    env = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    said = subprocess.run(
        [sys.executable, "-c", program], env=env | asked, capture_output=True, check=True, text=True
    )
    assert fewest <= said.stderr.count("Arena ") <= most
    assert said.stdout.split()[-1] == children


@pytest.mark.parametrize(
    ("asked", "used"), [({}, "system"), ({"ARROW_DEFAULT_MEMORY_POOL": "mimalloc"}, "mimalloc")]
)
def test_the_command_line_has_arrow_allocate_from_the_system_unless_told_otherwise(asked, used):
    program = """if True:
        import contextlib
        from fanout.cli import main
        with contextlib.suppress(SystemExit):
            main(["--version"])
        import pyarrow
        print(pyarrow.default_memory_pool().backend_name)
    """
    env = {name: value for name, value in os.environ.items() if name != "ARROW_DEFAULT_MEMORY_POOL"}
    said = subprocess.run(
        [sys.executable, "-c", program], env=env | asked, capture_output=True, check=True, text=True
    )
    assert said.stdout.split()[-1] == used
