"""The whole engine on virtual time: every way of a record, every fault that needs no crash, one audit."""

from __future__ import annotations

from collections import Counter

import anyio
import pyarrow.parquet as pq
import pytest
from support.audit import audit, busiest_second
from support.engine import random_payloads, records, run_engine
from support.faults import QUICK
from support.faults import settings as fault
from support.settings import engine_limits, part_limits

from fanout.config.model import Config
from fanout.domain.records import Options, Record, Rejected
from fanout.domain.row_state import RowRecord, RowState
from fanout.errors import RunError, TooManyFailures
from fanout.rundir.recovery import Recovered
from fanout.runtime import settings as compose
from fanout.simulator.errors import ServiceError
from fanout.simulator.faults import InvokeFault
from fanout.simulator.settings import SimulatorSettings


def settings(**changes):
    return SimulatorSettings.model_validate(QUICK | changes)


def test_small_rows_go_inline_and_large_ones_by_s3(tmp_path):
    payloads = random_payloads(300, seed=1, large_share=0.1)
    ran = run_engine(records(payloads), tmp_path, simulator=settings())
    audit(ran.table, payloads, accepted=ran.accepted, statuses={"succeeded": 300})
    large = sum(len(payload) > 128_000 for payload in payloads)
    assert 10 < large < 60
    assert Counter(ran.table["transport"].to_pylist()) == {"inline": 300 - large, "s3": large}
    assert Counter(line["transport"] for line in ran.accepted) == {"inline": 300 - large, "s3": large}
    assert set(ran.table["noticed_by"].to_pylist()) == {"sqs"}


def test_uploaded_inputs_are_deleted_and_messages_too(tmp_path):
    payloads = [b"x" * 128_001] * 5
    ran = run_engine(records(payloads), tmp_path, simulator=settings())
    audit(ran.table, payloads, accepted=ran.accepted, statuses={"succeeded": 5})
    listing = ran.world.objects.list("simulated", "inputs/", start_after="", max_keys=100)
    assert list(listing.entries) == []
    assert ran.statistics.open_rows.undurable == 0


@pytest.mark.parametrize(
    ("size", "way"), [(0, "inline"), (1, "inline"), (127_999, "inline"), (128_000, "inline"), (128_001, "s3")]
)
def test_the_limit_is_counted_in_bytes(tmp_path, size, way):
    payloads = [b"a" * size]
    ran = run_engine(records(payloads), tmp_path, simulator=settings())
    audit(ran.table, payloads, accepted=ran.accepted, statuses={"succeeded": 1})
    assert ran.table["transport"].to_pylist() == [way]


def test_rejected_rows_are_rows(tmp_path):
    payloads = random_payloads(50, seed=2)
    rows = records(payloads)
    rows[7] = Rejected(7, "seven", "InvalidJSON", "in.jsonl:8: not JSON")
    rows[49] = Rejected(49, None, "InvalidJSON", "in.jsonl:50: not JSON")
    payloads[7] = payloads[49] = None
    ran = run_engine(rows, tmp_path, simulator=settings())
    audit(ran.table, payloads, accepted=ran.accepted, statuses={"succeeded": 48, "rejected": 2})
    assert ran.table["id"].to_pylist()[7] == "seven"
    assert ran.table["error_message"].to_pylist()[7] == "in.jsonl:8: not JSON"


def test_without_notifications_results_are_found_by_listing(tmp_path):
    payloads = random_payloads(300, seed=3)
    ran = run_engine(records(payloads), tmp_path, simulator=settings(notifications={"enabled": False}))
    audit(ran.table, payloads, accepted=ran.accepted, statuses={"succeeded": 300})
    assert set(ran.table["noticed_by"].to_pylist()) == {"list"}


@pytest.mark.parametrize("denied", [frozenset(), frozenset({"ListObjectsV2"})], ids=["listing", "head"])
def test_looks_do_not_wait_for_one_another(tmp_path, denied):
    """1,000 rows whose replies and notices were lost, 100 ms a call: one after the other would take 100 s."""
    payloads = random_payloads(1_000, seed=21)
    ran = run_engine(
        records(payloads),
        tmp_path,
        simulator=settings(
            latency={"s3": {"median_s": 0.1}},
            notifications={"loss_share": 1.0},
            faults={
                "reset_after_accept_share": 1.0,
                "denied": denied,
                "s3_forbidden_for_missing": bool(denied),
            },
            instances=100,
        ),
    )
    audit(ran.table, payloads, accepted=ran.accepted, statuses={"succeeded": 1_000})
    assert ran.statistics.open_rows.resends == 0
    assert ran.seconds < 40


def test_results_are_downloaded_as_fast_as_rows_are_sent(tmp_path):
    """With the bounds that a run has by default, and the same 50 ms for every call, nothing piles up."""
    payloads = [b"x"] * 3_000
    quick = {"median_s": 0.05, "sigma": 0.0}
    model = settings(
        instances=100,
        concurrency_per_instance=100,
        service_time={"median_s": 0.1, "sigma": 0.0},
        latency=dict.fromkeys(("runtime", "s3", "sqs", "sns"), quick),
    )
    ran = run_engine(records(payloads), tmp_path, simulator=model, limits=compose.limits(Config()))
    audit(ran.table, payloads, accepted=ran.accepted, statuses={"succeeded": 3_000})
    assert max(ran.table["notify_ms"].to_pylist()) < 500


@pytest.mark.parametrize("share", [0.001, 0.1, 1.0])
def test_lost_notifications_cost_time_not_rows(tmp_path, share):
    payloads = random_payloads(400, seed=4)
    ran = run_engine(records(payloads), tmp_path, simulator=settings(notifications={"loss_share": share}))
    audit(ran.table, payloads, accepted=ran.accepted, statuses={"succeeded": 400})
    assert ran.seconds < 120


def test_doubled_and_shuffled_notifications(tmp_path):
    payloads = random_payloads(200, seed=5)
    noisy = {"duplicate_share": 1.0, "copies": 3, "spread_s": 5.0}
    ran = run_engine(records(payloads), tmp_path, simulator=settings(notifications=noisy))
    audit(ran.table, payloads, accepted=ran.accepted, statuses={"succeeded": 200})
    assert ran.statistics.open_rows.duplicates > 200


def test_notifications_before_the_202(tmp_path):
    payloads = random_payloads(200, seed=6)
    ran = run_engine(
        records(payloads),
        tmp_path,
        simulator=settings(notifications={"early": True}, latency={"runtime": {"median_s": 1.0}}),
    )
    audit(ran.table, payloads, accepted=ran.accepted, statuses={"succeeded": 200})


@pytest.mark.parametrize(
    "name",
    [
        "throttled above 20 a second",
        "connection refused, 30 %",
        "reset before acceptance, 5 %",
        "reset after acceptance, 10 %",
        "500 before acceptance, 20 %",
        "500 after acceptance, 5 %",
        "202 without a location, 5 %",
        "202 with a foreign location, 5 %",
        "messages that become visible again after 2 s",
        "deletions that partly fail, 50 %",
        "S3: SlowDown, 20 %",
        "S3: truncated GET, 20 %",
        "S3: 403 for missing objects",
        "foreign messages, 50 %",
        "forged and malformed messages, 50 %",
        "outputs named by inference id",
    ],
)
def test_faults_lose_no_row(tmp_path, name):
    """The rest of `support.faults` is what `faults.py` runs, by hand."""
    payloads = random_payloads(150, seed=7, large_share=0.05)
    ran = run_engine(records(payloads), tmp_path, simulator=fault(name))
    audit(ran.table, payloads, accepted=ran.accepted, statuses={"succeeded": 150})


@pytest.mark.parametrize("name", ["500 after acceptance, 5 %", "reset after acceptance, 10 %"])
def test_a_row_that_was_taken_without_a_word_of_it_is_not_served_twice(tmp_path, name):
    """Its result has the time to show before it would be sent again."""
    payloads = random_payloads(300, seed=7, large_share=0.05)
    ran = run_engine(records(payloads), tmp_path, simulator=fault(name))
    audit(ran.table, payloads, accepted=ran.accepted, statuses={"succeeded": 300})
    assert len(ran.accepted) == 300
    assert ran.statistics.open_rows.resends == 0


def test_a_failed_row_is_a_row(tmp_path):
    payloads = random_payloads(300, seed=8)
    ran = run_engine(records(payloads), tmp_path, simulator=settings(failure_share=0.2))
    audit(ran.table, payloads, accepted=ran.accepted)
    statuses = Counter(ran.table["status"].to_pylist())
    assert set(statuses) == {"succeeded", "failed"}
    assert 3 < statuses["failed"] < 40  # 4 %: each failure was tried once more
    messages = [line["error_message"] for line in ran.table.to_pylist() if line["status"] == "failed"]
    assert all(messages)


def test_expired_rows_say_so(tmp_path):
    payloads = random_payloads(100, seed=9)
    ran = run_engine(records(payloads, ttl_s=60), tmp_path, simulator=settings(faults={"expired_share": 0.1}))
    audit(ran.table, payloads, accepted=ran.accepted)
    assert set(ran.table["status"].to_pylist()) == {"succeeded", "expired"}


def test_an_announced_output_that_never_comes_ends_in_a_row(tmp_path):
    payloads = random_payloads(60, seed=10)
    ran = run_engine(
        records(payloads), tmp_path, simulator=settings(faults={"complete_without_object_share": 0.1})
    )
    audit(ran.table, payloads, accepted=ran.accepted)
    statuses = Counter(ran.table["status"].to_pylist())
    assert statuses["unsettled"] > 0
    assert statuses["succeeded"] + statuses["unsettled"] == 60
    assert set(ran.table["error_code"].to_pylist()) == {None, "OutputMissing"}


def test_a_storm_of_throttling_fails_no_row_and_lowers_the_rate(tmp_path):
    payloads = random_payloads(500, seed=11)
    ran = run_engine(records(payloads), tmp_path, simulator=settings(throttle={"rate_per_s": 20, "burst": 5}))
    audit(ran.table, payloads, accepted=ran.accepted, statuses={"succeeded": 500})
    assert ran.statistics.pacer.cuts > 0
    assert ran.seconds < 60  # 25 s at the endpoint's own rate: AIMD keeps near it
    # a request that is refused costs as much as one that is taken
    assert ran.statistics.pacer.throttles < 500


def test_the_rate_holds_from_the_first_second(tmp_path):
    payloads = random_payloads(1_000, seed=12)
    ran = run_engine(records(payloads), tmp_path, rate=200, simulator=settings(concurrency_per_instance=200))
    audit(ran.table, payloads, accepted=ran.accepted, statuses={"succeeded": 1_000}, rate_per_s=200)
    arrivals = [line["arrived_at"] for line in ran.accepted]
    assert max(arrivals) - min(arrivals) == pytest.approx(1_000 / 200, rel=0.03)
    assert busiest_second(arrivals) >= 195


def test_the_window_bounds_open_rows(tmp_path):
    payloads = random_payloads(60, seed=13)
    slow = settings(instances=1, concurrency_per_instance=1, service_time={"median_s": 0.5})
    ran = run_engine(
        records(payloads), tmp_path, simulator=slow, limits=engine_limits(window=10, concurrency=50)
    )
    audit(ran.table, payloads, accepted=ran.accepted, statuses={"succeeded": 60})
    arrivals = [line["arrived_at"] for line in ran.accepted]
    assert arrivals[10] - arrivals[0] >= 0.5  # the eleventh waited for the first to end


def test_parts_are_rolled_by_rows_and_by_age(tmp_path):
    payloads = random_payloads(300, seed=14)
    ran = run_engine(
        records(payloads),
        tmp_path,
        simulator=settings(),
        rate=10,
        limits=engine_limits(parts=part_limits(rows=40, age_s=2.0)),
    )
    audit(ran.table, payloads, accepted=ran.accepted, statuses={"succeeded": 300})
    assert 10 <= ran.statistics.sink.parts <= 16


def test_too_many_failures_stop_the_run(tmp_path):
    with pytest.raises(TooManyFailures, match="max_failures"):
        run_engine(
            records(random_payloads(300, seed=15)),
            tmp_path,
            simulator=settings(failure_share=1.0),
            limits=engine_limits(max_failures=5, window=20),
        )
    assert list((tmp_path / "parts").glob("part-*.parquet")), "what had ended is durable"


def test_a_denied_invocation_stops_the_run_and_names_the_permission(tmp_path):
    with pytest.raises(RunError, match="sagemaker:InvokeEndpointAsync"):
        run_engine(
            records(random_payloads(30)),
            tmp_path,
            simulator=settings(faults={"denied": ["InvokeEndpointAsync"]}),
        )


def test_a_denied_upload_stops_the_run_and_names_the_permission(tmp_path):
    with pytest.raises(RunError, match="s3:PutObject"):
        run_engine(
            [*records([b"x" * 200_000])], tmp_path, simulator=settings(faults={"denied": ["PutObject"]})
        )


def test_trusted_responses_save_the_fetch(tmp_path):
    payloads = random_payloads(100, seed=16)
    ran = run_engine(
        records(payloads), tmp_path, simulator=settings(notifications={"includes_response": True}), trust=True
    )
    audit(ran.table, payloads, accepted=ran.accepted, statuses={"succeeded": 100})


def test_one_seed_is_one_run(tmp_path):
    payloads = random_payloads(100, seed=17)
    faults = {"throttle_share": 0.2, "reset_after_accept_share": 0.1, "refuse_share": 0.1}
    tables = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        tables.append(
            run_engine(
                records(payloads), tmp_path / name, simulator=settings(faults=faults, seed=3), seed=3
            ).table
        )
    assert tables[0].equals(tables[1])


def test_an_outage_of_the_service_fails_no_row(tmp_path):
    """Server errors for longer than any row's own retries: no other row is accepted either, so no row is at fault."""
    payloads = random_payloads(60, seed=30)

    def breaks(world):
        world.faults = Outage(world.faults, until_s=90.0)

    ran = run_engine(records(payloads), tmp_path, simulator=settings(), before=breaks)
    audit(ran.table, payloads, accepted=ran.accepted, statuses={"succeeded": 60})
    assert ran.seconds > 90


def test_an_outage_without_end_stops_the_run_and_fails_no_row(tmp_path):
    with pytest.raises(RunError, match="sagemaker:InvokeEndpointAsync"):
        run_engine(
            records(random_payloads(60)), tmp_path, simulator=settings(faults={"server_error_share": 1.0})
        )
    assert not list((tmp_path / "parts").glob("part-*"))


def test_connections_that_always_break_stop_the_run(tmp_path):
    with pytest.raises(RunError, match="sagemaker:InvokeEndpointAsync"):
        run_engine(
            records(random_payloads(300)), tmp_path, simulator=settings(faults={"reset_before_share": 1.0})
        )


def test_what_was_accepted_is_collected_when_too_many_rows_failed(tmp_path):
    with pytest.raises(TooManyFailures):
        run_engine(
            records(random_payloads(400, seed=31)),
            tmp_path,
            simulator=settings(failure_share=0.3),
            limits=engine_limits(max_failures=0, fetches=2),
        )
    collected = sum(pq.read_metadata(part).num_rows for part in (tmp_path / "parts").glob("part-*"))
    assert collected > 16, "the workers went on after the failure that was one too many"


def test_messages_that_cannot_be_deleted_end_no_run(tmp_path):
    payloads = random_payloads(300, seed=32)
    ran = run_engine(
        records(payloads), tmp_path, simulator=settings(faults={"partial_delete_failure_share": 1.0})
    )
    audit(ran.table, payloads, accepted=ran.accepted, statuses={"succeeded": 300})
    assert ran.seconds < 120


class Outage:
    """The faults of a world whose service answers nothing but 500 for its first seconds."""

    def __init__(self, faults, *, until_s):
        self._faults = faults
        self._until_s = until_s

    def invoke(self):
        return InvokeFault.SERVER_ERROR if anyio.current_time() < self._until_s else self._faults.invoke()

    def __getattr__(self, name):
        return getattr(self._faults, name)


@pytest.mark.parametrize("accepted", [1, 150, 300])
def test_a_queue_that_is_deleted_under_way_costs_time_and_not_the_run(tmp_path, accepted, caplog):
    """Messages are hints: what they would have told of is found by listing."""
    payloads = random_payloads(300, seed=40)

    def deletes(world):
        invoke = world.invoke

        def and_delete(request, *, now):
            reply = invoke(request, now=now)
            if len(world.log) == accepted:
                world.queues.delete(world.queues.names[0])
            return reply

        world.invoke = and_delete

    ran = run_engine(records(payloads), tmp_path, simulator=settings(), before=deletes)
    audit(ran.table, payloads, accepted=ran.accepted, statuses={"succeeded": 300})
    assert len(ran.accepted) == 300
    assert "list" in ran.table["noticed_by"].to_pylist()
    assert ran.seconds < 60
    assert [line.message for line in caplog.records if line.levelname == "WARNING"] == [
        "the queue is gone (AWS.SimpleQueueService.NonExistentQueue): results are found by listing the output path"
    ]


def test_a_region_without_inline_is_found_out_and_every_payload_goes_via_s3(tmp_path, caplog):
    payloads = random_payloads(300, seed=50, large_share=0.02)
    ran = run_engine(records(payloads), tmp_path, simulator=settings(inline=False))
    audit(ran.table, payloads, accepted=ran.accepted, statuses={"succeeded": 300})
    assert set(ran.table["transport"].to_pylist()) == {"s3"}
    assert all(
        place.startswith("s3://simulated/inputs/") for place in ran.table["input_location"].to_pylist()
    )
    assert len(ran.accepted) == 300
    assert ran.statistics.open_rows.resends == 0, "a refusal was not received: nothing is in doubt"
    assert ran.world.objects.list("simulated", "inputs/").entries == [], "uploads are deleted as any other"
    [warning] = [line.message for line in caplog.records if line.levelname == "WARNING"]
    assert warning.startswith("the endpoint refuses payloads in the request and takes them via S3")


def test_replies_that_are_lost_where_inline_is_refused_fail_no_row(tmp_path):
    """An uncertain row is looked for before it goes the other way."""
    payloads = random_payloads(200, seed=51)
    faults = {"reset_before_share": 0.2, "reset_after_accept_share": 0.1, "refuse_share": 0.1}
    ran = run_engine(records(payloads), tmp_path, simulator=settings(inline=False, faults=faults))
    audit(ran.table, payloads, accepted=ran.accepted, statuses={"succeeded": 200})
    assert set(ran.table["transport"].to_pylist()) == {"s3"}


@pytest.mark.parametrize("bad", [{0}, {0, 1, 2}, set(range(64))], ids=len)
def test_bad_rows_at_the_beginning_are_rows_and_no_region(tmp_path, bad, caplog):
    payloads = random_payloads(300, seed=52)

    def refuses(world):
        invoke = world.invoke

        def judged(request, *, now):
            if int(request.inference_id.split(".")[1]) in bad:
                raise ServiceError(400, "ValidationError", "this row is bad")
            return invoke(request, now=now)

        world.invoke = judged

    ran = run_engine(records(payloads), tmp_path, simulator=settings(), before=refuses)
    for row in bad:
        payloads[row] = None
    statuses = {"succeeded": 300 - len(bad), "rejected": len(bad)}
    audit(ran.table, payloads, accepted=ran.accepted, statuses=statuses)
    assert {line["transport"] for line in ran.accepted} == {"inline"}, "no row fell back"
    assert [line for line in caplog.records if line.levelname == "WARNING"] == []


def test_without_a_place_for_payloads_a_region_without_inline_stops_the_run(tmp_path):
    with pytest.raises(RunError, match=r"refused the first 20 payloads .*--input-prefix s3://bucket/prefix"):
        run_engine(
            records(random_payloads(300, seed=53)),
            tmp_path,
            mode="inline",
            simulator=settings(inline=False),
        )
    assert not list((tmp_path / "parts").glob("part-*")), "no row has failed"


def test_a_few_rows_that_are_all_refused_may_be_bad_and_say_what_else_it_can_be(tmp_path):
    payloads = random_payloads(5, seed=54)
    ran = run_engine(records(payloads), tmp_path, mode="inline", simulator=settings(inline=False))
    audit(ran.table, [None] * 5, accepted=ran.accepted, statuses={"rejected": 5})
    assert all(
        "if this region takes none, name --input-prefix" in text
        for text in ran.table["error_message"].to_pylist()
    )


def test_a_resumed_row_that_went_via_s3_goes_on_so(tmp_path):
    """Its journal says where its payload stands; the rows of such a run are not tried in the request again."""
    payloads, place = [b"one", b"two"], "s3://simulated/inputs/00/abcdefghij/0"
    line = RowRecord(0, RowState.INTENT, 0, 2, 0, input=place)
    ran = run_engine(
        records(payloads),
        tmp_path,
        simulator=settings(inline=False),
        before=lambda world: world.objects.put("simulated", place[15:], b"one", content_type=None, now=0.0),
        recovered=Recovered(open={0: line}, last=0),
    )
    audit(ran.table, payloads, accepted=ran.accepted, statuses={"succeeded": 2})
    assert ran.table["input_location"].to_pylist()[0] == place
    assert ran.world.objects.list("simulated", "inputs/").entries == []


@pytest.mark.parametrize("size", [128_001, 1], ids=["uploaded", "refused inline"])
def test_a_run_that_is_refused_takes_its_uploads_back(tmp_path, size):
    """One a night under a scheduler: what was uploaded and never sent belongs to no run any more."""
    worlds = []

    def refuses(world):
        worlds.append(world)
        invoke = world.invoke

        def judged(request, *, now):
            if request.body is None:
                raise ServiceError(403, "AccessDeniedException", "not via S3")
            return invoke(request, now=now)

        world.invoke = judged

    with pytest.raises(RunError, match="AccessDeniedException"):
        run_engine([*records([b"x" * size] * 30)], tmp_path, simulator=settings(inline=False), before=refuses)
    assert worlds[0].log == []
    assert worlds[0].objects.list("simulated", "inputs/").entries == []


def test_the_output_tells_where_each_payload_stood(tmp_path):
    """For audit, where inputs are kept: uploaded by us, or there before; nowhere for one in the request."""
    rows = records([b"small", b"x" * 128_001, b"theirs"])
    rows[2] = Record(2, None, b"", Options(), location="s3://simulated/theirs/2")
    ran = run_engine(
        rows,
        tmp_path,
        simulator=settings(),
        before=lambda world: world.objects.put(
            "simulated", "theirs/2", b"theirs", content_type=None, now=0.0
        ),
    )
    assert ran.table["transport"].to_pylist() == ["inline", "s3", "existing"]
    none, ours, theirs = ran.table["input_location"].to_pylist()
    assert (none, theirs) == (None, "s3://simulated/theirs/2")
    assert ours.startswith("s3://simulated/inputs/")
