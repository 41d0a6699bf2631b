from __future__ import annotations

import orjson
import pytest

from fanout.simulator import queue as one_queue
from fanout.simulator.errors import ServiceError
from fanout.simulator.queues import Queues, QueueStatistics


@pytest.fixture
def queues() -> Queues:
    made = Queues(region="eu-west-1", account_id="123456789012")
    made.create("inbox", {"VisibilityTimeout": "30"}, now=5.0)
    return made


def bodies(queues: Queues, *, now: float, name: str = "inbox", **options: float) -> list[str]:
    return [message.body for message in queues.receive(name, max_messages=10, now=now, **options)]


def refused(code: str):
    return pytest.raises(ServiceError, match=f"^{code}: ")


def test_messages_come_in_the_order_they_were_sent_ten_at_most(queues: Queues):
    ids = [queues.send("inbox", f"m{number}", now=number) for number in range(12)]
    received = queues.receive("inbox", max_messages=10, now=20.0)
    assert [message.body for message in received] == [f"m{number}" for number in range(10)]
    assert [message.message_id for message in received] == ids[:10]
    assert (received[3].sent_at, received[3].receive_count) == (3, 1)
    assert len({message.receipt for message in received}) == 10
    assert queues.statistics("inbox", now=20.0) == QueueStatistics(visible=2, in_flight=10, sent=12)


def test_a_message_that_is_not_deleted_comes_back_when_its_visibility_ends(queues: Queues):
    queues.send("inbox", "m", now=0.0)
    [first] = queues.receive("inbox", now=10.0)
    assert queues.next_visible_at("inbox", now=10.0) == 40.0
    assert bodies(queues, now=39.999) == []
    [second] = queues.receive("inbox", now=40.0)
    assert (second.message_id, second.receive_count) == (first.message_id, 2)
    assert second.receipt != first.receipt


def test_an_older_handle_deletes_nothing_and_is_no_error(queues: Queues):
    queues.send("inbox", "m", now=0.0)
    [first] = queues.receive("inbox", now=0.0)
    [second] = queues.receive("inbox", now=30.0)
    queues.delete_message("inbox", first.receipt, now=31.0)
    assert bodies(queues, now=60.0) == ["m"]
    queues.delete_message("inbox", second.receipt, now=61.0)
    assert bodies(queues, now=200.0) == ["m"]


def test_the_latest_handle_deletes_a_message_that_is_visible_again(queues: Queues):
    queues.send("inbox", "m", now=0.0)
    [message] = queues.receive("inbox", now=0.0)
    assert queues.statistics("inbox", now=50.0) == QueueStatistics(visible=1, in_flight=0, sent=1)
    queues.delete_message("inbox", message.receipt, now=50.0)
    assert bodies(queues, now=50.0) == []
    assert queues.next_visible_at("inbox", now=50.0) is None
    assert queues.statistics("inbox", now=50.0) == QueueStatistics(visible=0, in_flight=0, sent=1)


def test_deleting_twice_is_harmless_and_a_foreign_handle_is_refused(queues: Queues):
    queues.send("inbox", "m", now=0.0)
    [message] = queues.receive("inbox", now=0.0)
    queues.delete_message("inbox", message.receipt, now=1.0)
    queues.delete_message("inbox", message.receipt, now=2.0)
    for receipt in ("", "garbage", "99.1", "1", "1.x"):
        with refused("ReceiptHandleIsInvalid"):
            queues.delete_message("inbox", receipt, now=3.0)


def test_visibility_is_the_calls_own_and_can_be_changed(queues: Queues):
    queues.send("inbox", "m", now=0.0)
    [message] = queues.receive("inbox", visibility_s=5, now=0.0)
    queues.change_visibility("inbox", message.receipt, 100, now=4.0)
    assert bodies(queues, now=103.9) == []
    queues.change_visibility("inbox", message.receipt, 0, now=103.95)
    assert bodies(queues, now=103.95, visibility_s=0) == ["m"]
    with refused("AWS.SimpleQueueService.MessageNotInflight"):
        queues.change_visibility("inbox", message.receipt, 10, now=104.0)
    with refused("InvalidParameterValue"):
        queues.change_visibility("inbox", message.receipt, 43_201, now=104.0)


def test_only_what_is_in_flight_can_be_hidden_for_longer(queues: Queues):
    queues.send("inbox", "m", now=0.0)
    [message] = queues.receive("inbox", visibility_s=5, now=0.0)
    with refused("AWS.SimpleQueueService.MessageNotInflight"):
        queues.change_visibility("inbox", message.receipt, 10, now=5.0)
    assert bodies(queues, now=5.0) == ["m"]


def test_a_message_received_too_often_goes_to_the_dead_letters(queues: Queues):
    queues.create("dead", {})
    redrive = {"deadLetterTargetArn": queues.arn("dead"), "maxReceiveCount": 2}
    queues.set_attributes("inbox", {"RedrivePolicy": orjson.dumps(redrive).decode()})
    queues.send("inbox", "poison", now=0.0)
    assert [bodies(queues, now=instant) for instant in (0.0, 30.0)] == [["poison"], ["poison"]]
    assert bodies(queues, now=60.0) == []
    assert queues.statistics("inbox", now=60.0) == QueueStatistics(visible=0, in_flight=0, sent=1)
    assert bodies(queues, now=60.0, name="dead") == ["poison"]


def test_past_the_cap_on_what_is_in_flight_nothing_is_received(
    queues: Queues, monkeypatch: pytest.MonkeyPatch
):
    assert one_queue.MAX_IN_FLIGHT == 120_000
    monkeypatch.setattr(one_queue, "MAX_IN_FLIGHT", 3)
    for number in range(5):
        queues.send("inbox", f"m{number}", now=0.0)
    received = queues.receive("inbox", max_messages=10, now=0.0)
    assert [message.body for message in received] == ["m0", "m1", "m2"]
    assert bodies(queues, now=1.0) == []
    assert queues.next_visible_at("inbox", now=1.0) == 30.0
    queues.delete_message("inbox", received[1].receipt, now=2.0)
    assert bodies(queues, now=2.0) == ["m3"]


def test_alarms_of_deleted_messages_do_not_pile_up(queues: Queues):
    queues.set_attributes("inbox", {"VisibilityTimeout": "43200"})
    for number in range(5_000):
        queues.send("inbox", "m", now=float(number))
        [message] = queues.receive("inbox", now=float(number))
        queues.delete_message("inbox", message.receipt, now=float(number))
    assert len(queues._queues["inbox"]._alarms) <= 1_001


def test_a_message_may_have_a_mebibyte_counted_in_bytes(queues: Queues):
    queues.send("inbox", "é" * (512 * 1024), now=0.0)
    queues.send("inbox", "e" * 1_048_576, now=0.0)
    for body in ("e" * 1_048_577, "é" * (512 * 1024) + "e"):
        with refused("InvalidParameterValue"):
            queues.send("inbox", body, now=0.0)
    assert queues.statistics("inbox", now=0.0).sent == 2


def test_creating_again_needs_the_same_attributes(queues: Queues):
    assert queues.create("inbox", {"VisibilityTimeout": "30"}) == "inbox"
    with refused("QueueAlreadyExists"):
        queues.create("inbox", {"VisibilityTimeout": "31"})
    for name in ("", "a" * 81, "a.fifo", "a/b"):
        with refused("InvalidParameterValue"):
            queues.create(name, {})
    with refused("InvalidAttributeName"):
        queues.create("other", {"Visibility": "1"})
    for attributes in (
        {"VisibilityTimeout": "43201"},
        {"VisibilityTimeout": "x"},
        {"Policy": "[]"},
        {"Policy": "{"},
    ):
        with refused("InvalidAttributeValue"):
            queues.create("other", attributes)
    assert queues.names == ("inbox",)


def test_attributes_say_what_was_set_and_what_is_in_the_queue(queues: Queues):
    queues.send("inbox", "m", now=5.0)
    queues.send("inbox", "m", now=5.0)
    queues.receive("inbox", now=6.0)
    attributes = queues.attributes("inbox", now=6.0)
    assert attributes["QueueArn"] == "arn:aws:sqs:eu-west-1:123456789012:inbox"
    assert attributes["VisibilityTimeout"] == "30"
    assert attributes["MaximumMessageSize"] == "1048576"
    assert attributes["CreatedTimestamp"] == "5"
    assert attributes["ApproximateNumberOfMessages"] == "1"
    assert attributes["ApproximateNumberOfMessagesNotVisible"] == "1"


def test_a_deleted_queue_is_gone(queues: Queues):
    arn = queues.arn("inbox")
    assert queues.named(arn) == "inbox"
    queues.delete("inbox")
    assert queues.named(arn) is None
    for call in (
        lambda: queues.send("inbox", "m", now=0.0),
        lambda: queues.receive("inbox", now=0.0),
        lambda: queues.delete("inbox"),
        lambda: queues.delete_message("inbox", "1.1", now=0.0),
        lambda: queues.next_visible_at("inbox", now=0.0),
    ):
        with refused("AWS.SimpleQueueService.NonExistentQueue"):
            call()


def test_arns_of_other_accounts_name_no_queue_here(queues: Queues):
    assert queues.named("arn:aws:sqs:eu-west-1:999999999999:inbox") is None
    assert queues.named("inbox") is None


def test_purge_leaves_nothing(queues: Queues):
    queues.send("inbox", "a", now=0.0)
    queues.receive("inbox", now=0.0)
    queues.send("inbox", "b", now=0.0)
    queues.purge("inbox")
    assert bodies(queues, now=1_000.0) == []


@pytest.mark.parametrize("count", [0, 11])
def test_one_to_ten_messages_a_receive(queues: Queues, count: int):
    with refused("ReadCountOutOfRange"):
        queues.receive("inbox", max_messages=count, now=0.0)


def test_watchers_are_called_for_every_message_until_they_leave(queues: Queues):
    calls: list[str] = []

    def wake() -> None:
        calls.append("woken")

    queues.watch("inbox", wake)
    queues.send("inbox", "m", now=0.0)
    [message] = queues.receive("inbox", now=0.0)
    queues.change_visibility("inbox", message.receipt, 0, now=1.0)
    queues.unwatch("inbox", wake)
    queues.send("inbox", "m", now=2.0)
    assert calls == ["woken", "woken"]
