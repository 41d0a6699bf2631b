"""A whole run, or a shard of one, against an account in memory: what happens in which order, and what is left."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence

import anyio
import pytest
from support.cli import write_jsonl
from support.in_memory import in_memory
from support.signals import fake_signals

from fanout.config.model import Config
from fanout.domain.row_ranges import STRIPE_ROWS, Stripe
from fanout.domain.tally import Tally
from fanout.engine.reconcile import endpoint_watch
from fanout.engine.snapshot import Snapshot
from fanout.errors import DeadlineReached, Exit, InputError, Interrupted, RunError, UsageError
from fanout.observability.metrics.fold import Fold
from fanout.rundir.journal import JournalInUse
from fanout.rundir.manifest import read_manifest
from fanout.rundir.paths import RunDirectory
from fanout.runtime import in_process
from fanout.runtime.result import RunResult, WorkResult
from fanout.runtime.runner import Runner
from fanout.runtime.session import Session
from fanout.runtime.spec import RunSpec
from fanout.simulator.settings import SimulatorSettings
from fanout.source.jsonl import reader

RUN = "abcdefghij"
QUEUE = f"fanout-{RUN}"
OPENED = ["+local", "+cloud", "+source", "+queue"]
CLOSED = ["-queue", "-source", "-cloud", "-local"]


@pytest.fixture
def account(monkeypatch):
    return in_memory(monkeypatch)


@pytest.fixture
def slow_account(monkeypatch):
    """Rows stay in its queue for longer than any test."""
    return in_memory(monkeypatch, SimulatorSettings.model_validate({"service_time": {"median_s": 1_000}}))


@pytest.fixture
def spec(tmp_path):
    directory = RunDirectory(tmp_path / "rd")
    directory.create()

    def make(count=20, *, sections=None, **more):
        write_jsonl(tmp_path / "in.jsonl", [{"n": n} for n in range(count)])
        standard = {
            "endpoint": {"name": "simulated"},
            "input": {"paths": [str(tmp_path / "in.jsonl")]},
            "output": {"path": str(tmp_path / "out.parquet")},
        }
        config = Config.model_validate(standard | (sections or {}))
        return RunSpec(run_id=RUN, config=config, directory=directory, **more)

    return make


def go(spec, *, finish=lambda result, _now: result, **more):
    async def finish_run(result, session, /):
        return finish(result, session.clock.now)

    async def main():
        return await Runner(spec, **more).run(finish_run)

    return anyio.run(main)


def resumed(spec):
    return RunSpec.resumed(read_manifest(spec.directory), spec.directory, config=spec.config)


def status(spec):
    return json.loads(spec.directory.status.read_text())


def test_a_run_is_taken_to_its_end_and_finished_on_its_session(account, spec):
    seen = []

    def finish(result, now):
        seen.append(list(account.log))
        assert result.started_at <= now()
        assert status(given)["state"] == "running"
        return result

    given = spec()
    result = go(given, finish=finish)
    [log] = seen
    assert log == [*OPENED, "-source", "-queue"]
    assert account.log[-3:] == CLOSED[1:]
    assert isinstance(result, RunResult)
    assert (result.run_id, result.endpoint, result.whole, result.simulated) == (RUN, "simulated", True, True)
    assert (result.tally.rows, result.throttles, result.exit) == (20, 0, Exit.OK)
    assert sum(part.rows for part in result.parts) == 20
    assert result.warnings == ()
    assert len(account.world.log) == 20
    assert account.world.queues.names == ()
    manifest = read_manifest(given.directory)
    assert (manifest.run_id, manifest.endpoint, manifest.rows) == (RUN, "simulated", None)
    assert status(given)["state"] == "finished"


def test_rows_that_fail_are_in_the_exit_code_and_what_was_warned_of_in_the_result(monkeypatch, spec):
    in_memory(
        monkeypatch,
        SimulatorSettings.model_validate({"failure_share": 1.0, "notifications": {"enabled": False}}),
    )
    result = go(spec(2, sections={"retry": {"generations": 0}, "collect": {"quiet_s": 0.1}}))
    assert result.exit is Exit.ROWS_FAILED
    assert result.tally.by_status["failed"] == 2
    assert result.warnings == (
        "the endpoint notifies no topic: results are found by listing its output path",
    )


@pytest.mark.parametrize("accepted", [20, 5])
def test_an_endpoint_that_goes_under_way_stops_the_run_resumably_and_says_the_same_either_way(
    monkeypatch, spec, accepted
):
    """It has accepted all of the rows, and is asked after; or some, and refuses the others."""
    monkeypatch.setattr(endpoint_watch, "LEAST_S", 0.2)
    monkeypatch.setattr(endpoint_watch, "MOST_S", 0.2)
    settings = {
        "service_time": {"median_s": 1_000},
        "changes": [{"after_requests": accepted, "status": "Deleted"}],
    }
    account = in_memory(monkeypatch, SimulatorSettings.model_validate(settings))
    given = spec(sections={"run": {"grace_s": 0.0}})
    with pytest.raises(RunError, match="endpoint 'simulated' is gone") as caught:
        go(given)
    assert caught.value.exit is Exit.PRECONDITION
    assert str(caught.value).endswith(f"serves again; then `fanout resume {given.directory.path}` goes on")
    assert len(account.world.log) == accepted
    assert account.world.queues.names == (QUEUE,), "what still comes is not lost"
    assert given.directory.journal.exists()


def test_a_role_that_may_not_describe_the_endpoint_gets_its_run(monkeypatch, spec):
    account = in_memory(
        monkeypatch, SimulatorSettings.model_validate({"faults": {"denied": ["DescribeEndpointConfig"]}})
    )
    result = go(spec(5, sections={"collect": {"quiet_s": 0.1}}))
    assert (result.tally.by_status["succeeded"], result.simulated) == (5, False)
    assert account.world.queues.names == ()


def test_what_the_run_is_is_written_down_before_aws_is_asked_for_anything(account, spec):
    given = spec()

    async def describe(_name):
        assert read_manifest(given.directory).run_id == RUN
        raise RunError("endpoint 'simulated' is gone")

    account.cloud.control.describe = describe
    with pytest.raises(RunError, match="is gone"):
        go(given)
    assert account.log == ["+local", "+cloud", "+source", "-source", "-cloud", "-local"]
    assert not given.directory.path.exists(), "nothing was sent: there is nothing to resume"


def test_a_shard_sends_its_rows_alone_and_counts_for_another_process(account, spec):
    fold = Fold()
    result = go(spec(3 * STRIPE_ROWS, stripe=Stripe(1, 2)), fold=fold)
    assert (result.tally.rows, result.whole) == (STRIPE_ROWS, True)
    rows = sorted(int(line.inference_id.split(".")[1]) for line in account.world.log)
    assert rows == list(range(STRIPE_ROWS, 2 * STRIPE_ROWS))
    assert fold.lots["inline"].statuses == {"succeeded": STRIPE_ROWS}


def test_the_rows_of_a_retry_are_not_the_whole_input(account, spec):
    result = go(spec(20, rows=((4, 6), (9, 10)), retry_of="bcdefghijk"))
    assert (result.tally.rows, result.whole) == (3, False)
    assert read_manifest(result.directory).retry_of == "bcdefghijk"


def stopped_early(spec, account, **more):
    """A run that is stopped at once, while the endpoint has all its rows."""
    given = spec(sections={"run": {"grace_s": 0.0, **more}})

    async def orders():
        while len(account.world.log) < 20:
            await anyio.lowlevel.checkpoint()
        yield "stopped by another process"

    with pytest.raises(Interrupted, match="stopped by another process"):
        go(given, orders=orders)
    return given


def test_the_deadline_ends_the_run_and_says_what_goes_on(slow_account, spec):
    # It bounds the start as well, which takes a busy machine a while.
    given = spec(sections={"run": {"deadline_s": 2, "grace_s": 0.0}})
    with pytest.raises(DeadlineReached, match=r"the deadline has passed; `fanout resume .*` goes on"):
        go(given, finish=lambda _result, _now: pytest.fail("finished"))


def test_the_deadline_bounds_the_start(account, spec, monkeypatch):
    monkeypatch.setattr(account.cloud.control, "describe", lambda _name: anyio.sleep_forever())
    given = spec(sections={"run": {"deadline_s": 0.2}})
    with pytest.raises(DeadlineReached, match="while the endpoint was described") as caught:
        go(given, finish=lambda _result, _now: pytest.fail("finished"))
    assert caught.value.exit is Exit.DEADLINE
    assert account.world.queues.names == ()


def test_the_queue_stays_while_the_endpoint_has_rows_of_a_run_that_can_be_resumed(slow_account, spec):
    given = stopped_early(spec, slow_account)
    assert len(slow_account.world.log) == 20
    assert slow_account.world.queues.names == (QUEUE,)
    assert status(given)["state"] == "stopped"
    assert status(given)["reason"].startswith("stopped by another process")


def test_no_queue_stays_of_a_run_that_keeps_no_journal(slow_account, spec):
    stopped_early(spec, slow_account, journal=False)
    assert len(slow_account.world.log) == 20
    assert slow_account.world.queues.names == ()


def test_a_resume_that_fails_early_leaves_the_queue_to_the_next_one(slow_account, spec, monkeypatch):
    given = stopped_early(spec, slow_account)

    async def fails(*_arguments, **_more):
        raise RunError("no longer")

    monkeypatch.setattr(in_process, "build_pipeline", fails)
    with pytest.raises(RunError, match="no longer"):
        go(resumed(given))
    assert slow_account.world.queues.names == (QUEUE,)


def leaves_nothing(account, given):
    return (
        account.world.queues.names == ()
        and all(
            account.world.topics.list_subscriptions_by_topic(arn) == () for arn in account.world.topics.arns
        )
        and not given.directory.path.exists()
    )


def large(tmp_path, count=5, *, small=0):
    """Rows of which all but the first `small` must go via S3."""
    rows = [{"n": n, "text": "x" * (200_000 if n >= small else 1)} for n in range(small + count)]
    write_jsonl(tmp_path / "large.jsonl", rows)
    return {"paths": [str(tmp_path / "large.jsonl")]}


@pytest.mark.parametrize(
    ("denied", "bucket", "words"),
    [
        ([], "nowhere", "There is no bucket nowhere: create it, or name another place"),
        (["PutObject"], "simulated", "Grant s3:PutObject on s3://simulated/"),
    ],
)
def test_a_run_whose_first_upload_is_refused_leaves_nothing_behind(
    monkeypatch, spec, tmp_path, denied, bucket, words
):
    account = in_memory(monkeypatch, SimulatorSettings.model_validate({"faults": {"denied": denied}}))
    given = spec(sections={"transport": {"input_prefix": f"s3://{bucket}/inputs"}, "input": large(tmp_path)})
    with pytest.raises(RunError, match=words) as caught:
        go(given)
    assert "+queue" in account.log, "there was one"
    assert leaves_nothing(account, given)
    assert "resume" not in str(caught.value), "rows that were only read are not open"


def test_a_run_whose_first_request_is_refused_leaves_nothing_behind(monkeypatch, spec):
    account = in_memory(
        monkeypatch, SimulatorSettings.model_validate({"faults": {"denied": ["InvokeEndpointAsync"]}})
    )
    given = spec()
    with pytest.raises(RunError, match="Grant sagemaker:InvokeEndpointAsync") as caught:
        go(given)
    assert leaves_nothing(account, given)
    assert "resume" not in str(caught.value)


def test_a_run_that_cannot_travel_as_configured_makes_no_queue(monkeypatch, spec):
    account = in_memory(monkeypatch, inline=False)
    given = spec()
    with pytest.raises(UsageError, match="--input-prefix"):
        go(given)
    assert "+queue" not in account.log
    assert leaves_nothing(account, given)


def test_an_upload_that_is_refused_later_names_the_resume_and_leaves_the_queue_to_it(
    slow_account, spec, tmp_path
):
    objects = slow_account.cloud.objects
    put = objects.put

    async def waits(*arguments, **more):
        while len(slow_account.world.log) < 20:
            await anyio.lowlevel.checkpoint()
        await put(*arguments, **more)

    objects.put = waits
    given = spec(
        sections={
            "transport": {"input_prefix": "s3://nowhere/inputs"},
            "input": large(tmp_path, small=20),
            "run": {"grace_s": 0.0},
        }
    )
    with pytest.raises(RunError, match="There is no bucket nowhere") as caught:
        go(given)
    assert str(caught.value).endswith(
        f"(--input-prefix); then `fanout resume {given.directory.path}` goes on"
    )
    assert slow_account.world.queues.names == (QUEUE,)
    assert read_manifest(given.directory).run_id == RUN


def test_a_run_whose_input_cannot_be_read_again_leaves_no_queue(slow_account, spec, monkeypatch):
    monkeypatch.setattr(RunSpec, "can_be_resumed", False)  # as with standard input
    stopped_early(spec, slow_account)
    assert len(slow_account.world.log) == 20
    assert slow_account.world.queues.names == ()


def test_what_cannot_be_removed_is_named(monkeypatch, spec):
    account = in_memory(
        monkeypatch, SimulatorSettings.model_validate({"faults": {"denied": ["DeleteQueue"]}})
    )
    result = go(spec())
    [warning] = result.warnings
    assert f"/{QUEUE} could not be removed with its subscriptions (arn:aws:sns:" in warning
    assert "AccessDenied" in warning
    assert account.world.queues.names == (QUEUE,)


def test_a_resume_that_is_stopped_before_it_knows_all_rows_again_leaves_the_queue(
    slow_account, spec, monkeypatch
):
    given = stopped_early(spec, slow_account)
    source = Session.source

    async def broken(session):
        found = await source(session)

        async def chunks():
            raise InputError("the disk of the input is gone")
            yield

        found.chunks = chunks
        return found

    monkeypatch.setattr(Session, "source", broken)
    with pytest.raises(InputError, match="is gone"):
        go(resumed(given))
    assert slow_account.world.queues.names == (QUEUE,), "20 rows of it are with the endpoint"


def test_a_resume_refuses_another_input_and_sends_nothing(slow_account, spec, tmp_path):
    given = stopped_early(spec, slow_account)
    (tmp_path / "in.jsonl").write_text('{"n": 1}\n')
    with pytest.raises(UsageError, match=r"the input has changed since the run began"):
        go(resumed(given))
    assert status(given)["reason"].startswith("the input has changed")
    assert len(slow_account.world.log) == 20


class Elsewhere:
    """An executor that has nothing to do, and notes what it is asked."""

    def __init__(self, *, busy=False):
        self.asked = []
        self.busy = busy

    def check_free(self):
        self.asked.append("check_free")
        if self.busy:
            raise JournalInUse("a shard is in use")

    async def prepare(self, session, *, fold):
        self.asked.append("prepare")
        self.fold = fold
        session.warnings.warn("here")
        return self

    async def run(self):
        self.asked.append("run")
        parts: Sequence[object] = ()
        return WorkResult(parts, Tally(), 7, ("there", "here"))

    def stop(self, reason):
        raise AssertionError(reason)

    def look(self):
        return Snapshot(0, 0, None, None, 0, 0, 0, 0, None)


def test_an_executor_does_the_work_instead(account, spec, tmp_path):
    executor = Elsewhere()
    given = spec(sections={"metrics": {"textfile": str(tmp_path / "f.prom")}})
    result = go(given, executor=executor)
    assert executor.asked == ["prepare", "run"], "no process can be at a run that is new"
    assert executor.fold is not None
    assert result.throttles == 7
    assert result.warnings == ("here", "there")
    assert account.log == ["+local", "+cloud", "+source", "-source", "-cloud", "-local"], (
        "no queue of its own"
    )


def test_what_is_left_of_an_earlier_start_is_not_disturbed(slow_account, spec):
    given = stopped_early(spec, slow_account)
    before, opened = status(given), len(slow_account.log)
    executor = Elsewhere(busy=True)
    with pytest.raises(JournalInUse):
        go(resumed(given), executor=executor)
    assert executor.asked == ["check_free"]
    assert status(given) == before
    assert len(slow_account.log) == opened
    executor.busy = False
    go(resumed(given), executor=executor)
    assert executor.asked == ["check_free", "check_free", "prepare", "run"]


def test_a_run_that_is_cancelled_closes_everything(slow_account, spec):
    given = spec()

    async def main():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Runner(given).run, lambda result, _session: pytest.fail("finished"))
            while len(slow_account.world.log) < 20:
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()

    anyio.run(main)
    assert (slow_account.log[:4], slow_account.log[-4:]) == (OPENED, CLOSED)
    assert slow_account.world.queues.names == (QUEUE,)
    assert status(given)["state"] == "stopped"


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("moment", ["describe", "subscribe"])
def test_a_signal_before_the_first_row_leaves_no_queue_and_no_directory(
    account, spec, monkeypatch, moment, twice
):
    given = spec()
    signals = fake_signals(monkeypatch)
    control = account.cloud.control
    name = {"describe": "describe", "subscribe": "open_run_queue"}[moment]
    original = getattr(control, name)

    async def interrupted(*arguments, **more):
        result = await original(*arguments, **more)
        for _ in range(1 + twice):
            signals.send(signal.SIGTERM)
        return result

    monkeypatch.setattr(control, name, interrupted)
    with pytest.raises(Interrupted, match=r"^SIGTERM: stopped; nothing was sent: start it again$") as caught:
        go(given)
    assert (caught.value.exit, caught.value.by) == (Exit.INTERRUPTED, "SIGTERM")
    assert account.world.queues.names == ()
    assert not given.directory.path.exists()


def test_a_signal_while_the_output_is_written_changes_nothing(account, spec, monkeypatch):
    signals = fake_signals(monkeypatch)

    def finish(result, _now):
        for number in (signal.SIGTERM, signal.SIGINT):
            signals.send(number)
        return result

    assert go(spec(), finish=finish).exit is Exit.OK
    assert signals.listening == 0


def test_an_input_that_grows_while_it_is_read_names_what_still_writes_its_rows(
    account, spec, tmp_path, monkeypatch
):
    given, check = spec(20), reader.check_unchanged

    def grown(file):
        with (tmp_path / "in.jsonl").open("a") as more:
            more.write('{"n": "more"}\n')
        check(file)

    monkeypatch.setattr(reader, "check_unchanged", grown)
    with pytest.raises(InputError, match="changed while it was being read") as caught:
        go(given)
    path = given.directory.path
    assert str(caught.value).endswith(f"; `fanout export {path} -o FILE` writes the rows that have ended")
    with pytest.raises(UsageError, match=r"the input has changed since the run began .*; `fanout export "):
        go(resumed(given))
