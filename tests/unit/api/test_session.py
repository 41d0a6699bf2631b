"""`fanout.open` on an account in memory: each send gets its own answer, whatever happens to the others."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import random
import traceback
import warnings

import anyio
import pytest
import trio
from support.in_memory import in_memory

import fanout
from fanout.simulator.settings import SimulatorSettings

QUICK = {
    "service_time": {"median_s": 0.002, "sigma": 0.0},
    "instances": 4,
    "concurrency_per_instance": 64,
}


@pytest.fixture
def account(monkeypatch):
    return in_memory(monkeypatch, SimulatorSettings.model_validate(QUICK))


def opened(account, **keywords):
    return fanout.open(endpoint=account.name, input_prefix="s3://simulated/in", **keywords)


def is_answer_to(outcome, payload):
    return hashlib.sha256(payload).hexdigest() in outcome.response.decode()


def payload_of(number):
    return b'{"n": %d}' % number


def test_one_payload_one_answer_and_nothing_is_left(account):
    async def main():
        async with opened(account) as session:
            return await session.send(b"one", id="mine", content_type="text/plain")

    outcome = asyncio.run(main())
    assert (outcome.id, outcome.status, outcome.transport) == ("mine", "succeeded", "inline")
    assert is_answer_to(outcome, b"one")
    assert account.log == ["+local", "+cloud", "+queue", "-queue", "-cloud", "-local"]
    assert account.world.queues.names == ()


def test_a_thousand_at_once(account):
    async def main():
        async with opened(account) as session:
            return await asyncio.gather(*(session.send(payload_of(n), id=str(n)) for n in range(1_000)))

    outcomes = asyncio.run(main())
    assert [outcome.id for outcome in outcomes] == [str(n) for n in range(1_000)]
    assert all(is_answer_to(outcome, payload_of(n)) for n, outcome in enumerate(outcomes))


def test_cancelled_sends_leave_the_others_alone(account):
    async def main():
        rng = random.Random(0)
        async with opened(account, rate=100) as session:  # most wait, however slow the machine is
            tasks = [asyncio.create_task(session.send(payload_of(n), id=str(n))) for n in range(300)]
            for task in rng.sample(tasks, 100):
                for _ in range(rng.randrange(20)):
                    await asyncio.sleep(0)
                task.cancel()
            return await asyncio.gather(*tasks, return_exceptions=True)

    outcomes = asyncio.run(main())
    cancelled = [each for each in outcomes if isinstance(each, asyncio.CancelledError)]
    assert 50 < len(cancelled) <= 100
    for number, outcome in enumerate(outcomes):
        if not isinstance(outcome, asyncio.CancelledError):
            assert outcome.id == str(number)
            assert is_answer_to(outcome, payload_of(number))


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("kind", ["iterable", "async iterable"])
def test_map_yields_every_outcome_and_holds_the_window(monkeypatch, ordered, kind):
    # A model so slow that the window fills, however fast or slow this machine takes the records.
    slow = QUICK | {"service_time": {"median_s": 0.05, "sigma": 0.0}}
    account = in_memory(monkeypatch, SimulatorSettings.model_validate(slow))
    taken, yielded, most = 0, 0, 0

    def records():
        nonlocal taken, most
        for number in range(500):
            taken += 1
            most = max(most, taken - yielded)
            yield fanout.Record.of(payload_of(number), id=str(number))

    async def slowly():
        for record in records():
            await asyncio.sleep(0)
            yield record

    async def main():
        nonlocal yielded
        found = []
        async with opened(account, window=50) as session:
            given = records() if kind == "iterable" else slowly()
            async for outcome in session.map(given, ordered=ordered):
                yielded += 1
                found.append(outcome)
        return found

    found = asyncio.run(main())
    ids = [outcome.id for outcome in found]
    assert sorted(ids, key=int) == [str(n) for n in range(500)]
    assert all(is_answer_to(outcome, payload_of(int(outcome.id))) for outcome in found)
    if ordered:
        assert ids == [str(n) for n in range(500)]
    # The one that is being yielded is the consumer's; one more was taken and waits for the window.
    assert 25 < most <= 52


def test_a_map_that_is_left_early_gives_the_others_up(account):
    async def main():
        async with opened(account, window=20) as session:
            outcomes = session.map(payload_of(n) for n in range(10_000))
            async for _ in outcomes:
                break
            await outcomes.aclose()
            return await session.send(b"after")

    assert is_answer_to(asyncio.run(main()), b"after")
    assert len(account.world.log) < 200


def test_what_the_records_raise_reaches_the_loop(account):
    def records():
        yield b"one"
        raise ZeroDivisionError

    async def main():
        async with opened(account) as session:
            async for _ in session.map(records()):
                pass

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())


def test_a_bad_payload_is_an_outcome(account):
    async def main():
        async with opened(account) as session:
            return await session.send(b"x", ttl_s=1)

    outcome = asyncio.run(main())
    assert (outcome.status, outcome.error_code is not None) == ("rejected", True)


def test_options_come_from_the_call_then_the_record_then_the_configuration(account, monkeypatch):
    sent = []
    invoke = account.cloud.invoker.invoke

    async def noting(invocation):
        sent.append(invocation.options)
        return await invoke(invocation)

    monkeypatch.setattr(account.cloud.invoker, "invoke", noting)

    async def main():
        async with opened(account, content_type="text/csv", accept="text/csv", ttl=600) as session:
            record = fanout.Record.of(b"x", content_type="text/plain", accept="text/html")
            await session.send(record, content_type="application/json")

    asyncio.run(main())
    [options] = sent
    assert (options.content_type, options.accept, options.ttl_s) == ("application/json", "text/html", 600)


def test_leaving_waits_for_open_sends(account):
    async def main():
        async with opened(account, rate=200) as session:
            tasks = [asyncio.create_task(session.send(payload_of(n))) for n in range(20)]
            await asyncio.sleep(0)
        return [task.result().status for task in tasks]

    assert asyncio.run(main()) == ["succeeded"] * 20


def test_leaving_without_draining_gives_open_sends_up(account):
    async def main():
        async with opened(account, rate=1, drain=False) as session:
            tasks = [asyncio.create_task(session.send(payload_of(n))) for n in range(20)]
            await session.send(b"first")
        return await asyncio.gather(*tasks, return_exceptions=True)

    ends = asyncio.run(main())
    given_up = [end for end in ends if isinstance(end, fanout.RunError)]
    assert len(given_up) >= 18
    assert str(given_up[0]) == "the session was left before this send had its outcome"


def test_an_error_in_the_block_gives_open_sends_up_and_is_the_one_that_is_raised(account):
    async def main():
        async with opened(account, rate=1) as session:
            tasks.extend(asyncio.create_task(session.send(payload_of(n))) for n in range(5))
            await asyncio.sleep(0)
            raise ZeroDivisionError

    tasks: list[asyncio.Task] = []
    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())
    assert account.world.queues.names == ()


def test_an_endpoint_that_is_not_there_is_said_on_entering(account):
    async def main():
        async with fanout.open(endpoint="nowhere"):
            pytest.fail("it was entered")

    with pytest.raises(fanout.RunError, match="nowhere"):
        asyncio.run(main())


def test_an_endpoint_that_goes_breaks_every_send_and_the_block(account):
    ends: list[object] = []

    async def main():
        async with opened(account, rate=50) as session:
            await session.send(b"first")
            tasks = [asyncio.create_task(session.send(payload_of(n))) for n in range(50)]
            account.world.status = "Failed"
            ends.extend(await asyncio.gather(*tasks, return_exceptions=True))
            with pytest.raises(fanout.RunError):
                await session.send(b"late")

    with pytest.raises(fanout.RunError, match="is Failed, not InService"):
        asyncio.run(main())
    broken = [end for end in ends if isinstance(end, fanout.RunError)]
    assert len(broken) >= 40
    assert {str(end) for end in broken} == {str(broken[0])}


def test_a_session_may_be_entered_in_one_task_and_left_in_another(account):
    """As the cells of a notebook do."""

    async def main():
        session = opened(account)
        await asyncio.create_task(session.__aenter__())
        outcome = await asyncio.create_task(session.send(b"one"))
        await asyncio.create_task(session.__aexit__(None, None, None))
        return outcome

    assert is_answer_to(asyncio.run(main()), b"one")


def test_a_session_that_is_not_open_says_so(account):
    async def main():
        session = opened(account)
        with pytest.raises(fanout.UsageError, match="async with"):
            await session.send(b"x")
        async with session:
            pass
        with pytest.raises(fanout.UsageError, match="not open"):
            await session.send(b"x")
        with pytest.raises(fanout.UsageError, match="entered once"):
            await session.__aenter__()

    asyncio.run(main())


def test_text_is_refused_with_what_to_do(account):
    async def main():
        async with opened(account) as session:
            await session.send("text")  # type: ignore[arg-type]

    with pytest.raises(fanout.UsageError, match="not str: encode it"):
        asyncio.run(main())


@pytest.mark.parametrize(
    "record",
    [
        lambda: fanout.Record.of("text"),  # type: ignore[arg-type]
        lambda: fanout.Record.of(b"x", content_type=3),  # type: ignore[arg-type]
        lambda: fanout.Record.of(b"x", ttl_s="300"),  # type: ignore[arg-type]
    ],
)
def test_a_record_of_the_wrong_types_is_its_callers_mistake_and_no_others(account, record):
    async def main():
        async with opened(account) as session:
            good = asyncio.create_task(session.send(b"good"))
            with pytest.raises(fanout.UsageError, match=r"encode it|should be of type"):
                await session.send(record())
            return await good

    assert is_answer_to(asyncio.run(main()), b"good")


def test_a_session_without_an_endpoint_is_refused_at_once():
    with pytest.raises(fanout.UsageError, match=r"fanout\.open\(endpoint="):
        fanout.open()


def test_under_trio_there_is_a_sentence(account):
    async def main():
        async with opened(account):
            pass

    with pytest.raises(fanout.UsageError, match="asyncio"):
        trio.run(main)


def test_unknown_keywords_are_named():
    with pytest.raises(fanout.UsageError, match="concurrency"):
        fanout.open(endpoint="x", concurency=3)  # type: ignore[call-arg]


def test_nothing_is_left_running_or_unawaited(account):
    async def main():
        async with opened(account) as session:
            await session.send(b"one")
        return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert asyncio.run(main()) == []
        gc.collect()


def test_an_endpoint_that_goes_ends_a_thousand_sends(account):
    """Of those that wait to be taken in none may be forgotten."""
    ends: list[object] = []

    async def main():
        async with opened(account, rate=100) as session:
            tasks = [asyncio.create_task(session.send(payload_of(n))) for n in range(1_000)]
            await asyncio.sleep(0)
            account.world.status = "Failed"
            ends.extend(await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60))

    with pytest.raises(fanout.RunError, match="is Failed"):
        asyncio.run(main())
    assert len(ends) == 1_000


@pytest.mark.parametrize("turns", range(6))
def test_leaving_at_any_moment_waits_for_all_that_were_sent(account, turns):
    async def main():
        async with opened(account) as session:
            tasks = [asyncio.create_task(session.send(payload_of(n))) for n in range(600)]
            for _ in range(turns + 1):
                await asyncio.sleep(0)
        return await asyncio.wait_for(asyncio.gather(*tasks), 60)

    outcomes = asyncio.run(main())
    assert all(is_answer_to(outcome, payload_of(n)) for n, outcome in enumerate(outcomes))


def test_leaving_does_not_wait_for_sends_that_were_given_up(monkeypatch):
    slow = QUICK | {"service_time": {"median_s": 30.0, "sigma": 0.0}}
    account = in_memory(monkeypatch, SimulatorSettings.model_validate(slow))

    async def main():
        began = asyncio.get_running_loop().time()
        async with opened(account) as session:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(session.send(b"slow"), 0.2)
        return asyncio.get_running_loop().time() - began

    assert asyncio.run(main()) < 10.0
    assert account.world.queues.names == ()


def test_the_engine_has_ended_when_a_cancelled_block_is_left(account):
    """Also where the scope around it was cancelled, which interrupts every wait in it."""

    async def main():
        with anyio.move_on_after(0.2):
            async with opened(account, rate=1) as session:
                async for _ in session.map(payload_of(n) for n in range(100)):
                    pass
        return [task.get_name() for task in asyncio.all_tasks() if "fanout" in task.get_name()]

    assert asyncio.run(main()) == []
    assert account.world.queues.names == ()


def test_an_error_that_many_sends_get_does_not_keep_their_frames(account):
    """A server that goes on sending to a session that broke would keep every payload that it refused."""

    async def main():
        async with opened(account) as session:
            account.world.status = "Failed"
            for number in range(50):
                with pytest.raises(fanout.RunError) as raised:
                    await session.send(payload_of(number))
                lengths.append(len(traceback.extract_tb(raised.value.__traceback__)))

    lengths: list[int] = []
    with pytest.raises(fanout.RunError):
        asyncio.run(main())
    assert max(lengths[1:]) == min(lengths[1:]) < 10


def test_payloads_that_the_engine_has_taken_in_are_the_engines(account):
    """Its bound on bytes in memory holds: the tickets of a window of rows keep none of them."""

    async def main():
        async with opened(account, rate=1) as session:
            task = asyncio.create_task(session.send(b"x" * 1_000))
            while not session._submissions._open:
                await asyncio.sleep(0)
            [ticket] = session._submissions._open.values()
            await task
            return ticket.record

    assert asyncio.run(main()) is None


def test_a_session_of_another_loop_is_refused(account):
    async def elsewhere(session):
        with pytest.raises(fanout.UsageError, match="another event loop"):
            await session.send(b"x")

    async def main():
        async with opened(account) as session:
            await asyncio.to_thread(asyncio.run, elsewhere(session))

    asyncio.run(main())
