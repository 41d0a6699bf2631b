"""A network that never worked is said at once and given up soon; one that did is left to the callers' patience."""

from __future__ import annotations

import logging

import pytest
from support.virtual import VirtualClock, run_virtual

from fanout.aws.reach import GIVE_UP_AFTER_S, Reach, server_of
from fanout.domain.failures import FailureKind, failure_kind
from fanout.domain.remedies import remedy
from fanout.engine.retrying import retry_call
from fanout.errors import CallError, Phase, RunError


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def refused():
    return CallError(Phase.CONNECT, "ConnectionRefusedError", message="a:443: refused")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def reach(clock):
    return Reach(monotonic=clock)


def test_the_first_failure_of_a_server_is_said_at_once_and_only_that(reach, caplog):
    for server in ("a:443", "a:443", "b:443"):
        assert reach.missed(server, refused()).code == "ConnectionRefusedError"
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert said == [
        "a:443 cannot be reached: a:443: refused; trying again",
        "b:443 cannot be reached: a:443: refused; trying again",
    ]


def test_what_was_never_reached_is_given_up(reach, clock):
    reach.missed("a:443", refused())
    clock.now += GIVE_UP_AFTER_S - 0.1
    assert failure_kind(reach.missed("b:443", refused())) is FailureKind.NOT_SENT
    clock.now += 0.1
    error = reach.missed("a:443", refused())
    assert failure_kind(error) is FailureKind.RUN
    text = remedy("sagemaker:DescribeEndpoint", error)
    for part in ("a:443: refused", "15 s", "the region", "AWS_ENDPOINT_URL", "VPC endpoint", "proxy"):
        assert part in text


def test_once_anything_answered_the_callers_are_patient(reach, clock):
    reach.missed("b:443", refused())
    reach.answered("a:443")
    clock.now += 3600
    assert reach.missed("b:443", refused()).code == "ConnectionRefusedError"
    assert reach.missed("a:443", refused()).code == "ConnectionRefusedError"


def test_a_refused_certificate_is_neither_said_nor_waited_for(reach, caplog):
    error = CallError(Phase.CONNECT, "SSLCertVerificationError", message="self-signed certificate")
    assert reach.missed("a:443", error) is error
    assert not caplog.records


@pytest.mark.parametrize("connecting_s", [0.0, 5.0], ids=["refused", "no route"])
def test_a_run_that_reaches_nothing_ends_within_30_s(connecting_s):
    """The patience of the first call: AWS is asked for the endpoint again and again."""

    async def main():
        clock = VirtualClock()
        reach = Reach(monotonic=clock.now)

        async def describe():
            await clock.sleep(connecting_s)
            raise reach.missed("a:443", refused())

        with pytest.raises(RunError, match=r"sagemaker:DescribeEndpoint: Unreachable: .*a:443: refused"):
            await retry_call(describe, operation="sagemaker:DescribeEndpoint", clock=clock)
        return clock.now()

    assert GIVE_UP_AFTER_S <= max(run_virtual(main) for _ in range(20)) <= 30.0


@pytest.mark.anyio
async def test_connections_are_watched(reach, clock):
    opened = []

    async def dial(protocol, deadline):
        if not opened:
            raise refused()
        return protocol

    watched = reach.watched(dial, "a:443")
    with pytest.raises(CallError, match="ConnectionRefusedError"):
        await watched("p", 1.0)
    clock.now += 60
    with pytest.raises(CallError, match="Unreachable"):
        await watched("p", 1.0)
    opened.append(True)
    assert await watched("p", 1.0) == "p"
    opened.clear()
    with pytest.raises(CallError, match="ConnectionRefusedError"):
        await watched("p", 1.0)


@pytest.mark.parametrize(
    ("url", "server"), [("https://a.example/x?y", "a.example"), ("http://u:p@a.example:81/", "a.example:81")]
)
def test_a_url_names_its_server(url, server):
    assert server_of(url) == server
