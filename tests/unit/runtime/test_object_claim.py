"""One owner for one output in S3, on a clock that jumps: races, silence, lost replies, owners that come back."""

from __future__ import annotations

import random

import anyio
import pytest
from support.virtual import VirtualClock, run_virtual

from fanout.errors import CallError, Exit, JournalError, Phase, RunError, UnfinishedRun, UsageError
from fanout.output.object_place import object_place
from fanout.rundir.claim import OutputInUse, Owner
from fanout.rundir.journal import Journal
from fanout.rundir.paths import RunDirectory
from fanout.runtime.claim_note import SILENT_S, parse_note
from fanout.runtime.claim_object import claim_location
from fanout.runtime.claimed_invoker import ClaimedInvoker
from fanout.runtime.object_claim import LAPSE_S, PATIENCE_S, RENEW_S, ObjectClaim
from fanout.simulator.ports.cloud import MemoryCloud
from fanout.simulator.settings import SimulatorSettings
from fanout.simulator.world import World

OUTPUT = "s3://simulated/out.parquet"
LOST = CallError(Phase.EXCHANGE, "ConnectionResetError")
DENIED = CallError(Phase.REPLY, "AccessDenied", status=403)


class Store:
    """The account's object store; `before` and `after` fail calls by name, before or after their effect."""

    def __init__(self, objects):
        self._objects = objects
        self.before = {}
        self.after = {}

    def __getattr__(self, name):
        call = getattr(self._objects, name)

        async def around(*arguments, **more):
            for errors in (self.before.get(name, []),):
                if errors:
                    raise errors.pop(0)
            result = await call(*arguments, **more)
            if self.after.get(name):
                raise self.after[name].pop(0)
            return result

        return around


class Account:
    def __init__(self, **settings):
        self.world = World(SimulatorSettings.model_validate(settings), now=0.0)
        self.clock = VirtualClock()

    def store(self):
        return Store(MemoryCloud(self.world, self.clock).objects)

    def claim(self, run_id="run-1", *, store=None, host="one", run_dir=None, output=OUTPUT, begun=False):
        owner = Owner(run_id, run_dir or f"/runs/{run_id}", host, 1, 0.0, begun)
        return ObjectClaim(
            store or self.store(), object_place(output), owner=owner, clock=self.clock, uptime=self.clock.now
        )

    def note(self, output=OUTPUT):
        location = claim_location(object_place(output))
        found = self.world.objects.find(*location)
        return None if found is None else parse_note(found.body, location.uri)


@pytest.fixture
def account():
    return Account()


async def keeping(claim, block):
    """Keep the claim while `block` runs."""
    async with anyio.create_task_group() as beside:
        beside.start_soon(claim.keep)
        await block()
        beside.cancel_scope.cancel()


def test_a_look_tells_what_a_start_would_meet_and_writes_nothing(account):
    async def main():
        first, second = account.claim(begun=True), account.claim("run-2")
        await second.check()
        assert account.note() is None
        await first.take()
        with pytest.raises(OutputInUse, match="run run-1"):
            await second.check()
        await account.clock.sleep(SILENT_S)
        with pytest.raises(UsageError, match="its directory /runs/run-1 is not here"):
            await second.check()
        await first.release("released")
        await second.check()
        assert account.note() is None

    run_virtual(main)


def test_the_first_has_it_and_the_second_learns_that_it_lives_by_its_renewal(account):
    async def main():
        first, second = account.claim(), account.claim("run-2")
        await first.take()

        async def challenge():
            with pytest.raises(
                OutputInUse, match=r"s3://simulated/out\.parquet is in use by another process, run run-1"
            ) as refused:
                await second.take()
            assert refused.value.exit is Exit.JOURNAL
            assert RENEW_S <= account.clock.now() < SILENT_S

        await keeping(first, challenge)
        await first.release("released")
        assert account.note() is None
        await second.take()
        assert account.note().owner.run_id == "run-2"

    run_virtual(main)


@pytest.mark.parametrize("output", [OUTPUT, "s3://simulated/nightly/"])
def test_where_it_stands(account, output):
    async def main():
        claim = account.claim(output=output)
        await claim.take()
        [key] = [key for key, _ in account.world.objects.list("simulated", "").entries]
        assert key == {OUTPUT: "out.parquet.fanout-claim"}.get(output, "nightly/_fanout_claim")

    run_virtual(main)


@pytest.mark.parametrize("starters", [2, 3])
def test_of_a_hundred_races_each_has_one_winner(starters):
    async def main(draw):
        account = Account()
        won, refused = [], []

        async def start(number):
            claim = account.claim(f"run-{number}", host=f"host-{number}")
            await account.clock.sleep(draw.choice([0.0, 0.0, 0.0005]))
            try:
                await claim.take()
            except OutputInUse:
                refused.append(number)
                return
            won.append(number)

            async def work():
                await account.clock.sleep(100.0)

            await keeping(claim, work)

        async with anyio.create_task_group() as racing:
            for number in range(starters):
                racing.start_soon(start, number)
        assert (len(won), len(refused)) == (1, starters - 1)

    for seed in range(100):
        run_virtual(lambda seed=seed: main(random.Random(seed)))


def test_a_claim_of_which_nothing_began_is_free_after_its_silence(account):
    async def main():
        await account.claim().take()  # and its process is killed
        second = account.claim("run-2", host="two")
        await second.take()
        assert SILENT_S <= account.clock.now() < SILENT_S + 5.0
        assert account.note().owner.run_id == "run-2"

    run_virtual(main)


@pytest.mark.parametrize("state", ["held", "stopped"])
def test_a_run_that_has_begun_elsewhere_is_named(account, state):
    async def main():
        first = account.claim(host="far")
        await first.take()
        await first.begin()
        if state == "stopped":
            await first.release("stopped")
        with pytest.raises(
            UsageError, match=r"unfinished run, .*/runs/run-1 is not here: run run-1 .*; resume it on far"
        ):
            await account.claim("run-2").take()
        assert account.clock.now() >= (SILENT_S if state == "held" else 0.0)
        assert (account.clock.now() < 1.0) == (state == "stopped"), "who said that it ends is not waited for"
        assert account.note().owner.run_id == "run-1", "nothing was taken"

    run_virtual(main)


def test_no_clock_of_ours_matters(account):
    """The owner's notes are five hours off; its age is S3's to tell."""

    async def main():
        await account.clock.sleep(5 * 3600.0)
        first = account.claim()
        await first.take()
        assert account.note().owner.started_at == 0.0

        async def challenge():
            with pytest.raises(OutputInUse):
                await account.claim("run-2", host="two").take()

        await keeping(first, challenge)

    run_virtual(main)


def test_an_owner_that_comes_back_sends_nothing_and_places_nothing(account):
    sent = []

    class Sender:
        async def invoke(self, invocation):
            sent.append(invocation)

    async def main():
        first = account.claim()
        await first.take()
        invoker = ClaimedInvoker(Sender(), first)
        await invoker.invoke("one")
        # It stands still here for longer than its claim lasts.
        await account.claim("run-2", host="two").take()
        assert account.clock.now() > LAPSE_S
        for come_back in (lambda: invoker.invoke("two"), first.renew, first.begin, first.keep):
            with pytest.raises(JournalError, match="no longer this run's") as lost:
                await come_back()
            assert lost.value.exit is Exit.JOURNAL
        assert sent == ["one"]
        await first.release("released")
        assert account.note().owner.run_id == "run-2", "it is not its to remove"

    run_virtual(main)


def test_an_owner_whose_claim_was_removed_ends_too(account):
    async def main():
        claim = account.claim()
        await claim.take()
        await account.store().delete([claim_location(object_place(OUTPUT))])
        with pytest.raises(JournalError, match="no longer this run's"):
            await claim.keep()

    run_virtual(main)


def test_an_owner_that_stood_still_and_was_left_alone_goes_on(account):
    async def main():
        claim = account.claim()
        await claim.take()
        await account.clock.sleep(3600.0)
        await claim.ensure()
        assert account.note().renewals == 1
        await claim.ensure()
        assert account.note().renewals == 1, "it is fresh"

    run_virtual(main)


@pytest.mark.parametrize("step", ["take", "renew", "release"])
def test_a_lost_reply_is_no_other_owner(account, step):
    async def main():
        store = account.store()
        claim = account.claim(store=store)
        if step != "take":
            await claim.take()
        store.after["put"] = [LOST]
        await {"take": claim.take, "renew": claim.renew, "release": lambda: claim.release("released")}[step]()
        if step == "release":
            assert account.note() is None
        else:
            await claim.renew()
            assert account.note().owner.run_id == "run-1"

    run_virtual(main)


def test_to_go_on_with_its_run_a_killed_owner_is_not_waited_for(account):
    async def main():
        first = account.claim()
        await first.take()
        await first.begin()
        await account.claim(begun=True).take()
        assert account.clock.now() < 1.0
        with pytest.raises(JournalError, match="no longer this run's"):
            await first.renew()

    run_virtual(main)


def test_a_directory_that_is_here_tells_at_once(account, tmp_path):
    directory = RunDirectory(tmp_path / "run-1")
    directory.create()
    journal = Journal(directory.journal)

    async def main():
        first = account.claim(run_dir=str(directory.path))
        await first.take()
        with pytest.raises(OutputInUse):
            await account.claim("run-2").take()
        journal.close()  # as a kill does
        await account.claim("run-2").take()
        assert account.clock.now() < 1.0
        assert not directory.path.exists(), "nothing had begun there"

    run_virtual(main)


def test_an_unfinished_run_that_is_here_is_named_with_its_ways_out(account, tmp_path):
    from fanout.config.model import Config
    from fanout.rundir.manifest import Manifest

    directory = RunDirectory(tmp_path / "run-1")
    directory.create()
    Manifest("abcdefghij", Config(), "", "endpoint").write(directory.manifest)

    async def main():
        await account.claim("abcdefghij", run_dir=str(directory.path), begun=True).take()
        with pytest.raises(UnfinishedRun, match=f"`fanout resume {directory.path}` goes on; `fanout discard"):
            await account.claim("run-2").take()

    run_virtual(main)


def test_a_claim_that_may_not_be_written_or_read_names_the_right(account):
    async def main():
        store = account.store()
        store.before["put"] = [DENIED]
        with pytest.raises(RunError, match=r"fanout-claim: .*s3:PutObject") as refused:
            await account.claim(store=store).take()
        assert refused.value.exit is Exit.PRECONDITION
        await account.claim().take()
        store.before = {"read": [DENIED]}
        with pytest.raises(RunError, match="s3:GetObject"):
            await account.claim("run-2", store=store).take()

    run_virtual(main)


def test_a_claim_that_is_there_and_cannot_be_seen_is_no_endless_race(account):
    async def main():
        await account.claim().take()
        store = account.store()

        async def unseen(_location):
            return None

        store.head = unseen
        with pytest.raises(RunError, match="is there and cannot be read: grant s3:GetObject"):
            await account.claim("run-2", store=store).take()

    run_virtual(main)


def test_a_store_without_conditions_is_refused(account):
    async def main():
        store = account.store()
        store.before["put"] = [CallError(Phase.REPLY, "NotImplemented", status=501)] * 50
        with pytest.raises(RunError, match="knows no conditional writes"):
            await account.claim(store=store).take()

    run_virtual(main)


@pytest.mark.parametrize("how", ["raised", "refused"])
def test_a_claim_that_may_not_be_deleted_says_that_the_output_is_free(account, caplog, how):
    async def main():
        store = account.store()
        claim = account.claim(store=store)
        await claim.take()
        if how == "raised":
            store.before["delete"] = [DENIED]
        else:

            async def refuse(locations):
                return locations

            store.delete = refuse
        await claim.release("released")
        assert "grant s3:DeleteObject" in caplog.text
        assert account.note().state == "released"
        await account.claim("run-2", host="two").take()
        assert account.clock.now() < SILENT_S

    run_virtual(main)


def test_renewals_that_fail_for_a_while_are_waited_for_and_nothing_is_sent(account, caplog):
    async def main():
        store = account.store()
        claim = account.claim(store=store)
        await claim.take()
        store.before["put"] = [CallError(Phase.REPLY, "SlowDown", status=503)] * 60
        sent = []

        class Sender:
            async def invoke(self, invocation):
                sent.append((account.clock.now(), len(store.before["put"])))

        async def send():
            await account.clock.sleep(LAPSE_S + 1.0)
            await ClaimedInvoker(Sender(), claim).invoke("one")

        await keeping(claim, send)
        assert [left for _, left in sent] == [0], "sent once S3 had taken a renewal"
        assert "could not be renewed, and nothing is sent until it is" in caplog.text

    run_virtual(main)


def test_nothing_waits_for_ever_for_a_renewal(account):
    async def main():
        store = account.store()
        claim = account.claim(store=store)
        await claim.take()
        store.before["put"] = [CallError(Phase.REPLY, "SlowDown", status=503)] * 10_000
        with pytest.raises(RunError, match="SlowDown"):
            await claim.keep()
        assert account.clock.now() < 2 * PATIENCE_S
        with pytest.raises(RunError, match="SlowDown"):
            await claim.ensure()

    run_virtual(main)


def test_a_damaged_claim_lets_no_start_pass(account):
    async def main():
        await account.store().put(claim_location(object_place(OUTPUT)), b"{")
        with pytest.raises(JournalError, match=r"s3://simulated/out\.parquet\.fanout-claim is damaged"):
            await account.claim().take()

    run_virtual(main)
