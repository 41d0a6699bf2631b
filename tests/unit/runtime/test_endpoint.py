"""What is found out about the endpoint, and what a person is told when it cannot be used."""

from __future__ import annotations

import functools

import anyio
import pytest
from support.in_memory import Account

from fanout.concurrency.clock import SystemClock
from fanout.errors import CallError, Phase, RunError
from fanout.ports import Control
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
    describe = account.cloud.control.describe

    async def counted(name):
        looks.append(clock.now())
        return await describe(name)

    account.cloud.control.describe = counted
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
