"""Messages are hints: none is deleted before its row is durable, and what one says of places is not believed."""

from __future__ import annotations

import orjson
from support.audit import audit
from support.engine import random_payloads, records, run_engine
from support.settings import engine_limits, part_limits

from fanout.domain.ids import parse_inference_id
from fanout.rundir.journal import Journal
from fanout.simulator.ports import cloud as memory
from fanout.simulator.settings import SimulatorSettings

QUICK = {"instances": 2, "concurrency_per_instance": 8, "service_time": {"median_s": 0.2, "sigma": 0.5}}


def test_no_message_is_deleted_before_its_row_is_durable(tmp_path, monkeypatch):
    events = []
    rows_by_receipt = {}
    commit, receive, delete = (
        Journal.commit_part,
        memory._MemoryQueue.receive,
        memory._MemoryQueue.delete,
    )

    def committing(journal, number, rows):
        commit(journal, number, rows)
        events.extend(("durable", row) for row in rows)

    async def receiving(queue, **options):
        messages = await receive(queue, **options)
        for message in messages:
            rows_by_receipt[message.receipt] = parse_inference_id(
                orjson.loads(message.body)["inferenceId"]
            ).row
        return messages

    async def deleting(queue, receipts):
        events.extend(("deleted", rows_by_receipt[receipt]) for receipt in receipts)
        return await delete(queue, receipts)

    monkeypatch.setattr(Journal, "commit_part", committing)
    monkeypatch.setattr(memory._MemoryQueue, "receive", receiving)
    monkeypatch.setattr(memory._MemoryQueue, "delete", deleting)
    payloads = random_payloads(300, seed=1)
    noisy = {"duplicate_share": 0.3, "spread_s": 3.0}
    ran = run_engine(
        records(payloads),
        tmp_path,
        simulator=SimulatorSettings.model_validate(QUICK | {"notifications": noisy}),
        limits=engine_limits(parts=part_limits(rows=40)),
    )
    assert sum(what == "deleted" for what, _ in events) >= 300
    audit(ran.table, payloads, accepted=ran.accepted, statuses={"succeeded": 300}, events=events)


def test_a_location_in_a_message_is_never_followed(tmp_path):
    """A forger announces each row first, with an output of his own that could be read."""

    def plant(world):
        world.objects.create_bucket("somebody-elses-bucket")
        world.objects.put("somebody-elses-bucket", "stolen.out", b'{"forged": 1}', content_type=None, now=0.0)

    payloads = random_payloads(200, seed=2)
    ran = run_engine(
        records(payloads),
        tmp_path,
        simulator=SimulatorSettings.model_validate(QUICK | {"faults": {"forged_messages": 1.0}}),
        before=plant,
    )
    audit(ran.table, payloads, accepted=ran.accepted, statuses={"succeeded": 200})
    assert all(
        uri.startswith("s3://simulated/async-outputs/") for uri in ran.table["output_location"].to_pylist()
    )


def test_a_row_that_is_announced_again_while_it_is_fetched_is_one_row(tmp_path):
    payloads = random_payloads(200, seed=3)
    settings = QUICK | {
        "notifications": {"duplicate_share": 1.0, "copies": 3, "spread_s": 0.5},
        "latency": {"s3": {"median_s": 1.0}},
    }
    ran = run_engine(records(payloads), tmp_path, simulator=SimulatorSettings.model_validate(settings))
    audit(ran.table, payloads, accepted=ran.accepted, statuses={"succeeded": 200})
    assert ran.statistics.open_rows.duplicates == 400
