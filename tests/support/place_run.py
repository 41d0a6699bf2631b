"""One seed of a run whose state is kept in S3: hosts are lost, and owners are stopped while another takes over.

Enters a `Scenario`, an empty directory and a `Sleep` for some of its processes; leaves a `Report`, or an
`AssertionError` that says which invariant broke. A process keeps nothing on a disk that the next one sees.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import anyio
import zstandard
from support.crashable_ports import CrashableCloud, Watch
from support.kill_switch import KillSwitch
from support.loop import LoopClock, run_seeded
from support.scenario import BUCKET, Interruption, Scenario
from support.seed_run import Report, SeedRun

from fanout.domain.records import Invocation, Reply
from fanout.domain.tally import Tally
from fanout.errors import CallError, Fenced, JournalError, Phase, unwrapped
from fanout.output.parts import Part
from fanout.runtime.place.keeper import Keeper
from fanout.runtime.place.part_store import PartStore
from fanout.runtime.place.place_writer import PlaceWriter
from fanout.runtime.place.release import LAPSE_S
from fanout.runtime.place.released_invoker import ReleasedInvoker
from fanout.runtime.place.run_place import RunPlace
from fanout.runtime.place.segment_log import SegmentLog
from fanout.simulator.ports.cloud import MemoryCloud
from fanout.simulator.world import World

T = TypeVar("T")
PLACE = RunPlace(BUCKET, "runs/one")
LOST_SHARE, REFUSED_SHARE, CONFLICT_SHARE = 0.03, 0.02, 0.01
"""Of the segments: the reply is lost, nothing answers, another writer got in between."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """A process that is stopped, and continued while another one owns its run.

    Attributes:
        at: When it is stopped, in seconds since it began.
        seconds: For how long.
        taken_after_s: When, after that, another process takes the run over.
    """

    at: float
    seconds: float
    taken_after_s: float


def draw_sleeps(seed: int) -> tuple[Sleep, ...]:
    """Return the sleeps of a seed: about a second, over some snapshots, and for hours."""
    rng = random.Random(f"{seed}.sleeps")
    return tuple(
        Sleep(
            at=rng.uniform(0.05, 20.0),
            seconds=rng.choice((1.0, 1.0, 3.0, 150.0, 8_000.0)),
            taken_after_s=rng.choice((0.0, 0.4, 0.9, 2.5)),
        )
        for _ in range(rng.choice((1, 1, 2)))
    )


@dataclass
class Sends:
    """What the owners of a run sent, by the rules of the release.

    Attributes:
        late: Requests that left after the release of their process must have lapsed.
        within: Requests of a process that left while another owned the run, before the lapse.
    """

    late: int = 0
    within: int = 0


def live_kept(scenario: Scenario, directory: Path, *, sleeps: tuple[Sleep, ...] = ()) -> tuple[Report, Sends]:
    """Run the scenario with its state in S3 to its end and audit it.

    Raises:
        AssertionError: An invariant does not hold.
    """
    random.seed(scenario.seed)
    run = PlaceRun(scenario, directory, sleeps)
    return run_seeded(run.main, seed=scenario.seed), run.sends


class Stopped:
    """A process's life as the scheduler of its machine sees it: it may be stopped, and continued later."""

    def __init__(self) -> None:
        self._running = anyio.Event()
        self._running.set()

    def stop(self) -> None:
        self._running = anyio.Event()

    def go_on(self) -> None:
        self._running.set()

    async def turn(self) -> None:
        """Return once the process may go on."""
        while not self._running.is_set():
            await self._running.wait()


class StoppableClock:
    """A process that is stopped wakes from no sleep; its clock goes on."""

    def __init__(self, clock: LoopClock, stopped: Stopped) -> None:
        self._clock, self._stopped = clock, stopped

    def now(self) -> float:
        return self._clock.now()

    async def sleep_until(self, instant: float) -> None:
        await self._clock.sleep_until(instant)
        await self._stopped.turn()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        await self._stopped.turn()


class _Stoppable:
    """A port whose calls begin, and whose replies come, while the process runs."""

    def __init__(
        self, port: Any, stopped: Stopped, *, unlucky: Callable[[str, Any], Awaitable[None]]
    ) -> None:
        self._port, self._stopped, self._unlucky = port, stopped, unlucky

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._port, name)
        if name == "list":
            return call

        async def around(*arguments: Any, **more: Any) -> Any:
            await self._stopped.turn()
            await self._unlucky(f"before {name}", arguments[0])
            result = await call(*arguments, **more)
            await self._stopped.turn()
            await self._unlucky(f"after {name}", arguments[0])
            return result

        return around


class _Owned:
    """`ports.Invoker`, innermost: knows when the run of its process was taken over."""

    def __init__(self, invoker: Any, run: PlaceRun, life: Life) -> None:
        self._invoker, self._run, self._life = invoker, run, life

    async def invoke(self, invocation: Invocation) -> Reply:
        taken_at, now = self._life.taken_at, self._run._clock.now()
        if taken_at is not None:
            self._run.sends.within += 1
            if now > taken_at + LAPSE_S:
                self._run.sends.late += 1
                self._run._violations.append(f"sent {now - taken_at:.2f} s after the run was taken over")
        return await self._invoker.invoke(invocation)


class Life:
    """One process.

    Attributes:
        taken_at: When another process had claimed the run; None while it is this one's.
    """

    def __init__(self) -> None:
        self.stopped = Stopped()
        self.taken_at: float | None = None
        self.log: SegmentLog | None = None


class WatchedLog(SegmentLog):
    """The journal; what it reports durable is remembered outside of it."""

    watch: Watch
    life: Life

    async def append(self, **told: Any) -> None:
        await super().append(**told)
        for new in told.get("parts", ()):
            rows = {row for start, end in new.rows for row in range(start, end)}
            # What a new owner found in the journal, its writer may learn later, from a reply that was lost.
            if (again := self.watch.durable & rows) and self.life.taken_at is None:
                self.watch.note(f"I1: rows {sorted(again)[:5]} became durable twice")
            self.watch.durable |= rows


class PlaceRun(SeedRun):
    """A run whose processes have nothing in common but S3."""

    def __init__(self, scenario: Scenario, directory: Path, sleeps: tuple[Sleep, ...]) -> None:
        # A role that may list is told what is missing, and without that right no place is read.
        faults = scenario.simulator.faults.model_copy(update={"s3_forbidden_for_missing": False})
        simulator = scenario.simulator.model_copy(update={"faults": faults})
        slept_s = sum(sleep.seconds + sleep.at + sleep.taken_after_s for sleep in sleeps)
        super().__init__(
            replace(scenario, simulator=simulator, horizon_s=scenario.horizon_s + slept_s), directory
        )
        self._sleeps = list(sleeps)
        self._lifes: list[Life] = []
        self._rng = random.Random(f"{scenario.seed}.place")
        self._snapshot_s = self._rng.choice((2.0, 10.0, 60.0))
        self.sends = Sends()

    def _journal(self, world: World) -> Path:
        path = self._directory / "segments"
        with path.open("wb") as file:
            for key, _ in world.objects.list(BUCKET, PLACE.below, start_after="").entries:
                if key.endswith(".zst"):
                    body = world.objects.get(BUCKET, key).body
                    file.write(zstandard.decompress(body[40:]))
        return path

    async def _lives(self, world: World, cloud: MemoryCloud) -> list[Part]:
        async with anyio.create_task_group() as sleepers:
            for sleep in self._sleeps:
                await self._put_to_sleep(world, cloud, sleep, sleepers)
            parts = await self._until_the_end(world, cloud)
            for life in self._lifes:  # one that sleeps longer than the run takes is to come back, too
                life.stopped.go_on()
        return parts

    async def _until_the_end(self, world: World, cloud: MemoryCloud) -> list[Part]:
        """Run process after process until one ends by itself; one may be fenced by another that claimed as it did."""
        for interruption in (*self._scenario.interruptions, *(None for _ in range(len(self._sleeps) + 1))):
            parts = await self._life(world, cloud, interruption)
            if parts is not None:
                return parts
            await self._clock.sleep(1.0 if interruption is None else interruption.pause_s)
            world.status = "InService"
        raise AssertionError("it is fenced more often than there are others")

    async def _put_to_sleep(self, world: World, cloud: MemoryCloud, sleep: Sleep, sleepers: Any) -> None:
        """Begin a process, stop it, and return when another one is to take over; it goes on later by itself."""
        before = len(self._lifes)

        async def sleeper() -> None:
            await self._life(world, cloud, None)

        async def alarm(life: Life) -> None:
            await self._clock.sleep(sleep.seconds)
            life.stopped.go_on()

        sleepers.start_soon(sleeper)
        await self._clock.sleep(sleep.at)
        if len(self._lifes) > before and self._lifes[before].log is not None:
            life = self._lifes[before]
            life.stopped.stop()
            sleepers.start_soon(alarm, life)
        await self._clock.sleep(sleep.taken_after_s)

    async def _life(
        self, world: World, cloud: MemoryCloud, interruption: Interruption | None
    ) -> list[Part] | None:
        scenario = self._scenario
        kind = interruption.kind if interruption else None
        step = interruption.step if interruption else None
        fate = KillSwitch(
            fatal_step=step if kind == "step" else None, full_at=step if kind == "disk" else None
        )
        life = Life()
        parts_directory = self._directory / f"life-{len(self._lifes)}" / "parts"
        parts_directory.mkdir(parents=True)
        self._lifes.append(life)
        watch = Watch(scenario.run, self._clock, self._durable, scenario.shared_queue)
        run_queue = await self._listen(cloud)
        clock = StoppableClock(self._clock, life.stopped)
        mortal: Any = CrashableCloud(cloud, fate, watch)
        mortal.objects = _Stoppable(mortal.objects, life.stopped, unlucky=self._unlucky)
        log = WatchedLog(
            mortal.objects,
            PLACE,
            run_id=scenario.run,
            clock=clock,
            uptime=self._clock.now,
            about={},
            patience_s=60.0,
        )
        log.watch, log.life = watch, life
        parts: list[Part] | None = None
        try:
            await self._claim(log, world)
            claimed_at = self._clock.now()
            for other in self._lifes:
                if other.log is not None and other.taken_at is None:
                    other.taken_at = claimed_at
            life.log = log
            recovered = log.state.recovered(parts_directory)
            known = {row for row, durable in enumerate(recovered.durable) if durable}
            assert self._durable <= known, (
                f"I4: durable rows {sorted(self._durable - known)[:5]} were forgotten"
            )
            self._durable |= known
            assert recovered.tally is not None
            tally: Tally = recovered.tally
            assert tally.rows == len(known)
            store = PartStore(mortal.objects, PLACE, clock=clock, run_blocking=fate.run_blocking)

            def make_journal(rows: Any) -> PlaceWriter:
                return PlaceWriter(
                    log, store=store, rows=rows, clock=clock, every_s=0.1, run_blocking=fate.run_blocking
                )

            released = ReleasedInvoker(_Owned(mortal.invoker, self, life), log.is_released)
            mortal.invoker = _Stoppable(released, life.stopped, unlucky=_lucky)
            policy = scenario.patience
            unknown_s = None if policy.unknown_s is None else max(policy.unknown_s, LAPSE_S)
            pipeline = self._compose(
                cloud,
                None,
                recovered,
                run_queue,
                fate=fate,
                watch=watch,
                mortal=mortal,
                make_journal=make_journal,
                clock=clock,
                parts=parts_directory,
                tally=tally,
                policy=replace(policy, unknown_s=unknown_s, alone_after_loss_s=float("inf")),
            )
            keeper = Keeper(
                log, mortal.objects, clock=clock, every_s=self._snapshot_s, run_blocking=_in_place
            )
            with unwrapped():
                async with anyio.create_task_group() as beside:
                    beside.start_soon(self._keep, keeper, fate)
                    parts = await self._until(pipeline, fate, interruption, world)
                    beside.cancel_scope.cancel()
            if parts is not None:
                self._pipeline, self._tally = pipeline, tally
                assert pipeline.statistics().open_rows.open == 0
                await PartStore(cloud.objects, PLACE, clock=self._clock, run_blocking=_in_place).fetch(
                    parts, log.state.parts
                )
                if run_queue is not None:
                    await cloud.control.close_run_queue(run_queue)
        except Fenced:
            assert len(self._lifes) > 1, "fenced by nobody"
            self._report.endings["fenced"] += 1
        except BaseException:
            if not fate.dead:
                raise
        finally:
            self._sent_at += watch.sent_at
            self._sent_ids |= watch.sent_ids
            self._violations += watch.violations
        return parts

    async def _claim(self, log: SegmentLog, world: World) -> None:
        """Make a process the owner, as a start or a resume does: the run has begun if the place says so."""
        begun = bool(world.objects.list(BUCKET, PLACE.journal, start_after="").entries)
        try:
            await log.claim(begins=not begun)
        except JournalError as error:
            if "which another process has begun" not in str(error):
                raise  # else the other start was quicker
            await log.claim(begins=False)

    async def _keep(self, keeper: Keeper, fate: KillSwitch) -> None:
        try:
            await keeper.worker()
        except BaseException:
            if not fate.dead:
                raise

    async def _unlucky(self, when: str, location: Any) -> None:
        """Have a call to the journal fail now and then, before or after its effect."""
        if not getattr(location, "key", "").startswith(PLACE.journal):
            return
        draw = self._rng.random()
        if when == "after put" and draw < LOST_SHARE:
            raise CallError(Phase.EXCHANGE, "ConnectionResetError")
        if when == "before put" and draw < REFUSED_SHARE:
            raise CallError(Phase.CONNECT, "ConnectionRefusedError")
        if when == "before put" and draw < REFUSED_SHARE + CONFLICT_SHARE:
            raise CallError(Phase.REPLY, "ConditionalRequestConflict", status=409)


async def _lucky(_when: str, _of: Any) -> None:
    """Let a call be."""


async def _in_place(call: Callable[[], T]) -> T:
    return call()
