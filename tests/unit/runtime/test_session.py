"""A session: what is asked for is opened once, and closed whatever happens; nothing else is touched."""

from __future__ import annotations

import json
import logging
import threading
from contextlib import asynccontextmanager

import anyio
import pytest
from support.cli import write_jsonl
from support.in_memory import in_memory
from support.raw_server import bare_environment
from support.stdin import piped

from fanout._version import __version__
from fanout.concurrency.clock import SystemClock
from fanout.config.model import Config
from fanout.errors import CallError, DeadlineReached, Exit, InputError, Phase, RunError, UsageError
from fanout.observability.warnings import WarningLog
from fanout.runtime import session as sessions
from fanout.runtime.session import open_session
from fanout.simulator.process import SimulatorAddress
from fanout.simulator.settings import SimulatorSettings

RUN = "abcdefghij"
QUEUE = f"fanout-{RUN}"
ALL = ["+local", "+cloud", "+source", "+queue", "-queue", "-source", "-cloud", "-local"]
SIMULATOR = SimulatorAddress(
    "http://x", "eu-1", "key", "secret", "token", "theirs", "1", "in", "out", None, None, 7
)


@pytest.fixture
def account(monkeypatch):
    return in_memory(monkeypatch)


@pytest.fixture
def config(tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [{"n": 1}])

    def make(**sections):
        standard = {"endpoint": {"name": "simulated"}, "input": {"paths": [str(tmp_path / "in.jsonl")]}}
        return Config.model_validate(standard | sections)

    return make


async def open_all(session):
    await session.source()
    await session.queue(RUN)


def test_what_is_not_asked_for_is_not_opened(account, config):
    async def main():
        async with open_session(config(input={"paths": ["/nowhere"]})) as session:
            found = await session.endpoint()
            assert await session.is_simulated() == found.simulated
            assert session.warnings.of_run == ()
            return found.name

    assert anyio.run(main) == "simulated"
    assert account.log == ["+local", "+cloud", "-cloud", "-local"]


@pytest.mark.parametrize("error", [None, RunError("the verb's own"), KeyError("a bug")])
def test_all_of_it_is_closed_the_last_first_and_an_error_is_the_one_that_was_raised(account, config, error):
    handlers = list(logging.getLogger("fanout").handlers)

    async def main():
        async with open_session(config()) as session:
            await open_all(session)
            assert QUEUE in account.world.queues.names
            if error is not None:
                raise error

    if error is None:
        anyio.run(main)
    else:
        with pytest.raises(type(error)) as caught:
            anyio.run(main)
        assert caught.value is error
    assert account.log == ALL
    assert account.world.queues.names == ()
    assert logging.getLogger("fanout").handlers == handlers


def test_a_session_that_is_cancelled_half_way_closes_what_it_has(account, config, monkeypatch):
    opening = anyio.Event()

    async def never(*_, **_more):
        opening.set()
        await anyio.sleep_forever()

    monkeypatch.setattr(sessions, "open_input", never)

    async def main():
        async with anyio.create_task_group() as tasks:

            async def verb():
                async with open_session(config()) as session:
                    await session.queue(RUN)
                    await session.source()

            tasks.start_soon(verb)
            await opening.wait()
            assert QUEUE in account.world.queues.names
            tasks.cancel_scope.cancel()

    anyio.run(main)
    assert account.log == ["+local", "+cloud", "+queue", "-queue", "-cloud", "-local"]
    assert account.world.queues.names == (), "also what takes a call to be closed"


@pytest.mark.parametrize(
    ("step", "before"),
    [
        ("local_aws", []),
        ("open_cloud", ["+local", "-local"]),
        ("discover", ["+local", "+cloud", "-cloud", "-local"]),
        ("open_input", ["+local", "+cloud", "-cloud", "-local"]),
        ("open_run_queue", ["+local", "+cloud", "+source", "-source", "-cloud", "-local"]),
    ],
)
def test_a_step_that_fails_has_those_before_it_closed(account, config, monkeypatch, step, before):
    error = RunError(step)

    def fails(*_arguments, **_more):
        raise error

    monkeypatch.setattr(sessions, step, fails)
    handlers = list(logging.getLogger("fanout").handlers)

    async def main():
        async with open_session(config()) as session:
            if step == "discover":
                await session.endpoint()
            await open_all(session)

    with pytest.raises(RunError) as caught:
        anyio.run(main)
    assert caught.value is error
    assert account.log == before
    assert logging.getLogger("fanout").handlers == handlers


def test_the_endpoint_and_the_input_are_opened_once_and_each_queue_is_one_of_its_own(account, config):
    calls = []
    describe = account.cloud.control.describe

    async def counted(name):
        calls.append(name)
        return await describe(name)

    account.cloud.control.describe = counted

    async def main():
        async with open_session(config()) as session:
            assert await session.source() is await session.source()
            assert await session.endpoint() is await session.endpoint()
            for run in (RUN, "bcdefghijk"):
                await session.queue(run)
            assert len(account.world.queues.names) == 2

    anyio.run(main)
    assert calls == ["simulated"]
    assert account.log.count("+source") == 1
    assert account.log.count("-queue") == 2
    assert account.world.queues.names == ()


def test_a_role_that_may_not_describe_is_asked_once_and_finds_results_by_listing(monkeypatch, config, caplog):
    settings = SimulatorSettings.model_validate({"faults": {"denied": ["DescribeEndpointConfig"]}})
    account = in_memory(monkeypatch, settings)

    async def main():
        async with open_session(config()) as session:
            assert await session.endpoint() is None
            assert await session.queue(RUN) is None
            assert not await session.is_simulated()
            settings = await session.engine_settings(RUN, parts="parts", notified=False)
            assert (settings.endpoint, settings.output_path) == ("simulated", None)

    anyio.run(main)
    assert caplog.text.count("may not describe endpoint simulated") == 1
    assert account.log.count("-queue") == 1


def test_the_queue_stays_if_the_run_goes_on_elsewhere(account, config):
    async def main(resumable):
        async with open_session(config()) as session:
            await session.queue(RUN, resumable=lambda: resumable)

    anyio.run(main, True)
    assert account.world.queues.names == (QUEUE,)
    anyio.run(main, False)
    assert account.world.queues.names == ()


def test_the_endpoints_name_is_the_configurations_or_the_local_aws_s(account, config):
    async def name(given, simulator=None):
        async with open_session(given, simulator=simulator) as session:
            assert session.simulator is simulator
            return session.endpoint_name

    assert anyio.run(name, config()) == "simulated"
    assert anyio.run(name, config(), SIMULATOR) == "theirs"
    with pytest.raises(UsageError, match="name it with --endpoint, or try --local"):
        anyio.run(name, config(endpoint={}))


def test_what_belongs_to_the_caller_is_used_and_left_open(account, config):
    async def main():
        with WarningLog() as mine:
            local = config(local={"enabled": True})
            async with open_session(local, warnings=mine, simulator=SIMULATOR) as session:
                assert session.warnings is mine
            assert mine in logging.getLogger("fanout").handlers

    anyio.run(main)
    assert account.log == ["+cloud", "-cloud"], "no local AWS of its own"


@pytest.mark.parametrize(
    ("mode", "inline", "limit", "told"),
    [
        ("auto", True, 128_000, ()),
        ("auto", False, -1, ("inline payloads are not available in eu-memory-1: every payload goes via S3",)),
        ("s3", False, -1, ()),
        ("inline", True, 128_000, ()),
    ],
)
def test_rows_travel_as_the_region_allows(monkeypatch, config, mode, inline, limit, told):
    in_memory(monkeypatch, inline=inline)

    async def main():
        async with open_session(
            config(transport={"mode": mode, "input_prefix": "s3://here/inputs"})
        ) as session:
            routing = await session.routing(RUN)
            assert await session.routing(RUN) == routing
            return routing, session.warnings.of_run

    routing, warnings = anyio.run(main)
    assert (routing.run_id, routing.mode, routing.inline_max_bytes) == (RUN, mode, limit)
    assert routing.uploads.uri == "s3://here/inputs"
    assert warnings == told, "once, although it was asked twice"


def test_a_run_that_must_go_inline_where_it_cannot_is_refused(monkeypatch, config):
    in_memory(monkeypatch, inline=False)

    async def main():
        async with open_session(config(transport={"mode": "inline"})) as session:
            await session.routing(RUN)

    with pytest.raises(RunError, match="not available in eu-memory-1: use --transport auto"):
        anyio.run(main)


def test_the_engine_is_told_where_the_endpoint_writes_and_whether_it_is_notified(account, config, tmp_path):
    async def main(notified):
        async with open_session(config(run={"seed": 3})) as session:
            return await session.engine_settings(RUN, parts=tmp_path, notified=notified)

    settings = anyio.run(main, True)
    assert settings.output_path.startswith("s3://simulated/async-outputs")
    assert settings.failure_path.startswith("s3://simulated/async-failures")
    assert (settings.run_id, settings.endpoint, settings.parts) == (RUN, "simulated", tmp_path)
    assert (settings.seed, settings.lookup.notified) == (3, True)
    assert not anyio.run(main, False).lookup.notified


def test_an_input_that_is_not_there_is_told_when_it_is_asked_for(account, config):
    async def main():
        async with open_session(config(input={"paths": ["/nowhere.jsonl"]})) as session:
            await session.source()

    with pytest.raises(InputError, match="nowhere"):
        anyio.run(main)
    assert account.log == ["+local", "+cloud", "-cloud", "-local"]


def test_what_the_endpoint_cannot_tell_is_said_once_where_the_summary_repeats_it(monkeypatch, config, caplog):
    settings = SimulatorSettings.model_validate(
        {"status": "UpdateRollbackFailed", "failure_prefix": None, "notifications": {"errors": False}}
    )
    in_memory(monkeypatch, settings)

    async def main():
        async with open_session(config()) as session:
            await session.queue(RUN)
            await session.queue("klmnopqrst")
            return session.warnings.of_run

    mix, no_trace = anyio.run(main)
    assert "a mix of its old and its new configuration" in mix
    assert "a row that the model fails leaves no trace" in no_trace
    assert [record.getMessage() for record in caplog.records].count(no_trace) == 1


def test_the_check_of_the_endpoint_looks_at_this_one(account, config):
    async def main():
        async with open_session(config(), clock=account.clock) as session:
            check = session.endpoint_check()
            await check(account.clock.now())
            account.world.status = "OutOfService"
            await check(account.clock.now())

    with pytest.raises(RunError, match="endpoint 'simulated' is OutOfService"):
        anyio.run(main)


def test_a_queue_that_cannot_be_made_is_a_precondition(monkeypatch, config):
    settings = SimulatorSettings.model_validate({"faults": {"denied": ["CreateQueue"]}})
    account = in_memory(monkeypatch, settings)

    async def main():
        async with open_session(config()) as session:
            await open_all(session)

    with pytest.raises(RunError, match="--no-notifications") as caught:
        anyio.run(main)
    assert isinstance(caught.value.__cause__, CallError)
    assert caught.value.__cause__.phase is Phase.REPLY
    assert account.log == ["+local", "+cloud", "+source", "-source", "-cloud", "-local"]


def test_a_process_that_may_not_open_enough_is_refused_before_aws_is_opened(monkeypatch):
    account = in_memory(monkeypatch)

    def refuse(needed):
        raise UsageError(f"{needed} are too many")

    monkeypatch.setattr(sessions, "ensure_descriptors", refuse)

    async def main():
        async with open_session(Config.model_validate({"transport": {"concurrency": 100_000}})):
            pytest.fail("opened")

    with pytest.raises(UsageError, match="are too many"):
        anyio.run(main)
    assert account.log == []


@pytest.mark.parametrize("client", ["wire", "aiobotocore"])
def test_a_credential_process_that_reads_gets_no_row(monkeypatch, tmp_path, client):
    """And neither does the prompt for an MFA code; see `tests/unit/source/test_stdin.py`."""
    bare_environment(monkeypatch, tmp_path)
    script = tmp_path / "credentials.sh"
    script.write_text(
        f"#!/bin/sh\ncat > {tmp_path}/eaten\n"
        """echo '{"Version": 1, "AccessKeyId": "K", "SecretAccessKey": "S"}'\n"""
    )
    script.chmod(0o700)
    (tmp_path / "config").write_text(f"[default]\nregion = us-east-1\ncredential_process = {script}\n")
    config = Config.model_validate({"input": {"paths": ["-"]}, "transport": {"client": client}})

    async def main():
        async with open_session(config) as session:
            source = await session.source()
            return [record.payload async for chunk in source.chunks() for record in chunk]

    with piped(b'{"n": 1}\n{"n": 2}\n'):
        assert anyio.run(main) == [b'{"n": 1}', b'{"n": 2}']
    assert (tmp_path / "eaten").read_bytes() == b""


@pytest.mark.parametrize(
    ("step", "during", "closed"),
    [
        ("open_cloud", "AWS was opened", ["+local", "-local"]),
        (
            *("discover", "the endpoint was described"),
            ["+local", "+cloud", "+source", "-source", "-cloud", "-local"],
        ),
        ("open_input", "the input was looked at", ["+local", "+cloud", "-cloud", "-local"]),
        (
            "open_run_queue",
            "queue was opened",
            ["+local", "+cloud", "+source", "-source", "-cloud", "-local"],
        ),
    ],
)
def test_a_step_that_hangs_ends_at_the_deadline(account, config, monkeypatch, step, during, closed):
    hung = []

    async def forever(*_arguments, **_more):
        hung.append(step)
        await anyio.sleep_forever()

    class StandingClock:
        """However long the other steps take, none of them has passed the deadline when it begins."""

        def now(self):
            return 0.0

    @asynccontextmanager
    async def opening(*_arguments, **_more):
        await forever()
        yield

    monkeypatch.setattr(sessions, step, forever if step in {"discover", "open_input"} else opening)

    async def main():
        async with open_session(config(), clock=StandingClock(), deadline_at=0.2) as session:
            await session.source()
            await session.queue(RUN)

    with pytest.raises(DeadlineReached, match=f"has passed while .*{during}"):
        anyio.run(main)
    assert hung == [step]
    assert account.log == closed
    assert account.world.queues.names == ()


def test_a_deadline_that_has_passed_opens_nothing(account, config):
    async def main():
        async with open_session(config(), deadline_at=0.0):
            pass

    with pytest.raises(DeadlineReached):
        anyio.run(main)


def test_an_input_that_hangs_on_a_thread_holds_nothing_up(account, config, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr("fanout.runtime.input.open_source", lambda *_, **__: release.wait(30))

    async def main():
        async with open_session(config(), deadline_at=SystemClock().now() + 0.2) as session:
            try:
                await session.source()
            finally:
                assert not release.is_set()

    try:
        with pytest.raises(DeadlineReached, match="the input was looked at"):
            anyio.run(main)
    finally:
        release.set()


@pytest.mark.parametrize(
    ("host", "fits"),
    [
        ("sqs.eu-memory-1.amazonaws.com", True),
        ("sqs.eu-west-1.amazonaws.com", False),
        ("localhost:4566", True),
    ],
)
def test_a_queue_in_another_region_is_named_before_it_is_asked(account, config, host, fits):
    given = config(collect={"queue_url": f"https://{host}/123456789012/results"})
    account.world.queues.create("results", {}, now=0.0)

    async def main():
        async with open_session(given) as session:
            await session.queue(RUN)

    if fits:
        anyio.run(main)
    else:
        with pytest.raises(
            RunError, match=r"results is in eu-west-1, and this run .* in eu-memory-1, .*--region"
        ):
            anyio.run(main)


def test_the_run_s_own_queue_is_tagged_and_one_that_may_not_be_is_said(monkeypatch, config):
    async def main(account):
        async with open_session(config(), clock=account.clock) as session:
            await session.queue(RUN)
            return account.world.queues.tags(QUEUE), session.warnings.of_run

    tags, warnings = anyio.run(main, in_memory(monkeypatch))
    assert (tags["fanout:run"], tags["fanout:endpoint"], tags["fanout:version"]) == (
        RUN, "simulated", __version__
    )  # fmt: skip
    assert warnings == ()
    denied = SimulatorSettings.model_validate({"faults": {"denied": ["TagQueue"]}})
    tags, [warning] = anyio.run(main, in_memory(monkeypatch, denied))
    assert tags == {}
    assert warning.endswith(f"/{QUEUE} has no tags, by which clean-ups find it: grant sqs:TagQueue")


def listen_to(account, config, name="shared", **collect):
    """Open a session on a queue that the configuration names; return what was warned of."""

    async def main():
        given = config(collect={"queue_url": f"https://sqs.eu-memory-1.amazonaws.com/1/{name}", **collect})
        async with open_session(given) as session:
            assert await session.queue(RUN) is not None
            return session.warnings.of_run

    return anyio.run(main)


FROM_SNS = json.dumps(
    {
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
        }
    }
)


def test_a_shared_queue_to_which_no_topic_may_send_is_listened_to_with_a_word(account, config):
    """Without it, such a run took ten seconds more and nothing said why."""
    account.world.queues.create("shared", {})
    [warning] = listen_to(account, config)
    assert "/1/shared does not let arn:aws:sns:" in warning
    assert warning.endswith("Allow sqs:SendMessage to the service sns.amazonaws.com with that aws:SourceArn")


def test_a_shared_queue_that_makes_dead_letters_of_what_others_wait_for_is_refused(account, config):
    queues = account.world.queues
    queues.create("shared", {"Policy": FROM_SNS})
    assert listen_to(account, config) == ()
    policy = f'{{"deadLetterTargetArn": "{queues.arn("dead")}", "maxReceiveCount": "3"}}'
    queues.set_attributes("shared", {"RedrivePolicy": policy})
    with pytest.raises(
        RunError, match=r"receives 3 times ends in arn:.*:dead\. .*collect\.redrive"
    ) as caught:
        listen_to(account, config)
    assert caught.value.exit is Exit.PRECONDITION
    assert listen_to(account, config, redrive="accept") == ()
    assert queues.names == ("shared",), "it is not the run's to remove"


def test_a_shared_queue_that_may_not_be_described_is_listened_to_with_a_word(monkeypatch, config):
    denied = SimulatorSettings.model_validate({"faults": {"denied": ["GetQueueAttributes"]}})
    account = in_memory(monkeypatch, denied)
    [warning] = listen_to(account, config)
    assert "grant sqs:GetQueueAttributes" in warning
    assert listen_to(account, config, redrive="accept") == ()


def test_a_shared_queue_that_is_not_there_is_named_before_a_row_is_read(account, config):
    with pytest.raises(RunError, match=r"there is no queue https://.*/1/nowhere .*check --queue-url"):
        listen_to(account, config, "nowhere")


class Renewals:
    """Notes when the tag of a queue is renewed; fails with each of `errors` first. Time passes as fast as it can."""

    def __init__(self, account, *errors):
        self.at, self.errors = [], list(errors)
        self.slept = []
        self.enough = anyio.Event()
        self._renew = account.cloud.control.renew_run_queue
        account.cloud.control.renew_run_queue = self.renew
        self.now = account.clock.now
        self.sleep_until = account.clock.sleep_until

    async def renew(self, url):
        self.at.append(url)
        if self.errors:
            raise self.errors.pop(0)
        await self._renew(url)

    async def sleep(self, seconds):
        self.slept.append(seconds)
        if len(self.slept) == 4:
            self.enough.set()
            await anyio.sleep_forever()
        await anyio.lowlevel.checkpoint()


def refused(code):
    return CallError(Phase.REPLY, code, status=403)


def test_a_run_says_every_five_minutes_that_it_lives_as_long_as_it_has_its_queue(account, config):
    renewals = Renewals(account, CallError(Phase.EXCHANGE, "ConnectionResetError"))

    async def main():
        async with open_session(config(), clock=renewals) as session:
            await session.queue(RUN)
            await renewals.enough.wait()

    anyio.run(main)
    assert [url.rpartition("/")[2] for url in renewals.at] == [QUEUE] * 4
    assert renewals.slept == [30.0, 300.0, 300.0, 300.0], "soon again where it failed"
    assert account.log == [each for each in ALL if "source" not in each]


def test_a_resumed_run_says_so_before_it_does_anything_else(account, config):
    renewals = Renewals(account)
    open_run_queue = account.cloud.control.open_run_queue

    async def taken_over(*arguments, **more):
        found = await open_run_queue(*arguments, **more)
        account.world.queues.tag(QUEUE, {"fanout:seen": "2020-01-01T00:00:00Z"})  # SQS leaves its tags alone
        return found

    account.cloud.control.open_run_queue = taken_over

    async def main():
        async with open_session(config(), clock=renewals) as session:
            await session.queue(RUN, resumable=lambda: True)
            for _ in range(100):
                if account.world.queues.tags(QUEUE)["fanout:seen"] > "2021":
                    return
                await anyio.lowlevel.checkpoint()
            raise AssertionError("not renewed")

    anyio.run(main)


@pytest.mark.parametrize(
    ("code", "said"),
    [("AWS.SimpleQueueService.NonExistentQueue", ()), ("AccessDenied", ("grant sqs:TagQueue",))],
)
def test_a_renewal_that_cannot_come_about_is_said_and_given_up(account, config, code, said):
    renewals = Renewals(account, refused(code), RunError("never asked for again"))

    async def main():
        async with open_session(config(), clock=renewals) as session:
            await session.queue(RUN)
            while not renewals.at:
                await anyio.lowlevel.checkpoint()
            for _ in range(10):
                await anyio.lowlevel.checkpoint()
            return session.warnings.of_run

    warnings = anyio.run(main)
    assert [text.rpartition(": ")[2] for text in warnings] == list(said)
    assert (len(renewals.at), renewals.slept) == (1, [])


def test_a_queue_that_is_closed_is_renewed_no_more(account, config):
    renewals = Renewals(account)

    async def main():
        async with open_session(config(), clock=renewals) as session:
            await session.queue(RUN)
            await session.close_queue()
            for _ in range(10):
                await anyio.lowlevel.checkpoint()
            assert account.world.queues.names == ()

    anyio.run(main)
    assert len(renewals.slept) <= 1
