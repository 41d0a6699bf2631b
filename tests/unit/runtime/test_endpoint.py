"""What is found out about the endpoint, and what a person is told when it cannot be used."""

from __future__ import annotations

import functools

import anyio
import pytest
from support.in_memory import Account

from fanout.concurrency.clock import SystemClock
from fanout.errors import CallError, Exit, Phase, RunError
from fanout.ports import SERVING, Control
from fanout.runtime.endpoint import CHECK_EVERY_S, discover, endpoint_check
from fanout.simulator.settings import SimulatorSettings


@pytest.fixture
def account():
    return Account(SimulatorSettings())


def discovered(control, name):
    return anyio.run(functools.partial(discover, control, name, clock=SystemClock()))


def refusing(account: Account, code: str, *, status: int = 400) -> Control:
    async def describe(_name):
        raise CallError(Phase.REPLY, code, status=status, message="not authorized to perform: this")

    account.cloud.control.describe = describe
    return account.cloud.control


def test_an_endpoint_that_serves_is_returned(account):
    found = discovered(account.cloud.control, "simulated")
    assert (found.name, found.status, found.simulated) == ("simulated", "InService", True)


@pytest.mark.parametrize("code", ["AccessDeniedException", "AccessDenied"])
def test_a_role_that_may_not_describe_gets_its_run(account, code, caplog):
    # SageMaker's control plane answers 400 with the first of these names.
    assert discovered(refusing(account, code), "simulated") is None
    assert "results are found by listing unless a queue is named" in caplog.text


@pytest.mark.parametrize("code", ["UnrecognizedClientException", "SignatureDoesNotMatch", "OptInRequired"])
def test_credentials_that_open_nothing_end_the_run(account, code):
    with pytest.raises(RunError, match=f"sagemaker:DescribeEndpoint: {code}"):
        discovered(refusing(account, code), "simulated")


def test_an_endpoint_that_is_not_there_is_named_with_what_to_check(account):
    with pytest.raises(RunError, match=r"endpoint 'nowhere': .*Check the name and the region") as caught:
        discovered(account.cloud.control, "nowhere")
    assert isinstance(caught.value.__cause__, CallError)


@pytest.mark.parametrize("status", ["Creating", "Failed", "OutOfService", "Deleting"])
def test_an_endpoint_that_takes_no_requests_is_not_waited_for(account, status):
    account.world.status = status
    with pytest.raises(RunError, match=f"endpoint 'simulated' is {status}, not InService"):
        discovered(account.cloud.control, "simulated")


@pytest.mark.parametrize("status", sorted(SERVING))
def test_an_endpoint_in_every_status_in_which_it_serves_is_taken(account, status):
    account.world.status = status
    assert discovered(account.cloud.control, "simulated").status == status


class Stepping:
    """A clock that is at once where it is waited for."""

    def __init__(self):
        self.at = 1_000.0
        self.waited = []

    def now(self):
        return self.at

    async def sleep_until(self, instant):
        await anyio.lowlevel.checkpoint()
        self.waited.append(instant)
        self.at = max(self.at, instant)


def test_rows_that_were_refused_together_look_together_and_an_earlier_look_proves_nothing(account):
    looks = []
    status = account.cloud.control.status

    async def counted(name):
        looks.append(clock.now())
        return await status(name)

    account.cloud.control.status = counted
    clock = Stepping()

    async def main():
        check = endpoint_check(account.cloud.control, "simulated", clock=clock)
        async with anyio.create_task_group() as rows:
            for _ in range(5):
                rows.start_soon(check, 999.0)
        assert looks == [1_000.0], "one look for all that were refused before it"
        await check(1_000.5)
        assert looks == [1_000.0, 1_000.0 + CHECK_EVERY_S], "the refusal came after the look"

    anyio.run(main)


ASKING = [lambda check: check(0.0), lambda check: check.look()]
"""A row was refused, or results are overdue."""


def checked(account, asking):
    check = endpoint_check(
        account.cloud.control, "simulated", clock=SystemClock(), next_step="`fanout resume RUN` goes on"
    )
    anyio.run(asking, check)


@pytest.mark.parametrize("asking", ASKING)
@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("Deleted", "endpoint 'simulated' is gone (Could not find endpoint"),
        *(
            (status, f"endpoint 'simulated' is {status}, not InService any more")
            for status in ("Creating", "Failed", "OutOfService", "Deleting")
        ),
    ],
)
def test_both_ways_to_notice_that_the_endpoint_went_say_the_same(account, asking, status, words):
    account.world.status = status
    with pytest.raises(RunError) as caught:
        checked(account, asking)
    assert str(caught.value).startswith(words)
    assert "ends without a result at the rows' deadlines" in str(caught.value)
    assert str(caught.value).endswith("serves again: `fanout resume RUN` goes on")
    assert caught.value.exit is Exit.PRECONDITION


@pytest.mark.parametrize("asking", ASKING)
@pytest.mark.parametrize("status", sorted(SERVING))
def test_an_endpoint_that_serves_ends_no_run(account, asking, status):
    account.world.status = status
    checked(account, asking)


@pytest.mark.parametrize(
    "error",
    [
        CallError(Phase.REPLY, "AccessDeniedException", status=400),
        CallError(Phase.REPLY, "ThrottlingException", status=400),
        CallError(Phase.REPLY, "InternalFailure", status=500),
        CallError(Phase.REPLY, "ExpiredTokenException", status=403),
        CallError(Phase.CONNECT, "ConnectionRefusedError"),
        CallError(Phase.EXCHANGE, "ValidationException"),  # no reply said so
    ],
)
def test_a_look_that_tells_nothing_ends_no_run(account, error):
    async def status(_name):
        raise error

    account.cloud.control.status = status
    checked(account, ASKING[1])


def test_a_refused_row_is_not_judged_while_nobody_can_tell_whether_the_endpoint_is_there(account):
    async def status(_name):
        raise CallError(Phase.REPLY, "UnrecognizedClientException", status=400)

    account.cloud.control.status = status
    with pytest.raises(RunError, match="sagemaker:DescribeEndpoint: UnrecognizedClientException"):
        checked(account, ASKING[0])


def test_a_deleted_configuration_is_no_deleted_endpoint(account):
    async def describe(_name):
        raise CallError(
            Phase.REPLY, "ValidationException", status=400, message="Could not find endpoint config"
        )

    account.cloud.control.describe = describe
    for asking in ASKING:
        checked(account, asking)
