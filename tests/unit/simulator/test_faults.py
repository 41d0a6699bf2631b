from __future__ import annotations

import random
from collections import Counter

import pytest
from support.fault_counts import SHARES

from fanout.simulator.errors import ServiceError
from fanout.simulator.faults import Faults, Forgery, InvokeFault
from fanout.simulator.settings import FaultSettings


def faults(**shares: object) -> Faults:
    return Faults(FaultSettings.model_validate(shares), rng=random.Random(11))


@pytest.mark.parametrize("fault", list(InvokeFault))
def test_each_share_draws_its_own_fault(fault: InvokeFault):
    drawn = faults(**{SHARES[fault]: 0.3})
    counts = Counter(drawn.invoke() for _ in range(3_000))
    assert set(counts) == {None, fault}
    assert 800 < counts[fault] < 1_000


def test_a_share_of_one_hits_always_and_of_zero_draws_nothing():
    assert {faults(throttle_share=1.0).invoke() for _ in range(100)} == {InvokeFault.THROTTLE}
    rng = random.Random(11)
    state = rng.getstate()
    calm = Faults(FaultSettings(), rng=rng)
    assert (calm.invoke(), calm.forgery(), calm.refuses_delete(), calm.truncates_get()) == (
        None,
        None,
        False,
        False,
    )
    calm.slow_down()
    assert rng.getstate() == state


def test_faults_before_acceptance_leave_nothing_behind():
    assert [fault for fault in InvokeFault if not fault.accepted] == [
        InvokeFault.REFUSE,
        InvokeFault.RESET_BEFORE,
        InvokeFault.THROTTLE,
        InvokeFault.SERVER_ERROR,
        InvokeFault.HTML_ERROR,
    ]


def test_forgers_use_all_their_means():
    drawn = faults(forged_messages=1.0)
    assert {drawn.forgery() for _ in range(200)} == set(Forgery)


def test_s3_slows_down():
    with pytest.raises(ServiceError) as caught:
        faults(s3_slowdown_share=1.0).slow_down()
    assert (caught.value.status, caught.value.code) == (503, "SlowDown")


@pytest.mark.parametrize(
    ("operation", "status", "code"),
    [
        ("InvokeEndpointAsync", 403, "AccessDeniedException"),
        ("DescribeEndpoint", 400, "AccessDeniedException"),
        ("Subscribe", 403, "AuthorizationError"),
        ("ReceiveMessage", 403, "AccessDenied"),
        ("PutObject", 403, "AccessDenied"),
    ],
)
def test_denied_operations_answer_by_the_name_of_their_service(operation: str, status: int, code: str):
    drawn = faults(denied=[operation])
    drawn.permit("DeleteObject")
    with pytest.raises(ServiceError) as caught:
        drawn.permit(operation)
    assert (caught.value.status, caught.value.code) == (status, code)
    assert operation in caught.value.message
