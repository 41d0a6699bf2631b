"""What metrics count, against the output file's own arithmetic, and what they call it."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter

import botocore
import prometheus_client
import pyarrow as pa
import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.parts import to_table

import fanout
from fanout.domain.records import Outcome
from fanout.engine.flow import SinkStatistics
from fanout.engine.journal_writer import JournalWriterStatistics
from fanout.engine.open_row import OpenRowsStatistics
from fanout.engine.pacing import PacerStatistics
from fanout.engine.reconcile.reconciler import ReconcilerStatistics
from fanout.engine.snapshot import Snapshot
from fanout.engine.stages.poll import PollStatistics
from fanout.engine.statistics import PipelineStatistics
from fanout.errors import Exit, Interrupted, RunError
from fanout.observability.metrics.facts import Facts, build
from fanout.observability.metrics.families import COUNTERS, GAUGES, families, slug
from fanout.observability.metrics.fold import PHASES, Fold
from fanout.observability.metrics.histogram import BUCKETS_S, Histogram
from fanout.observability.metrics.registry import registry

T0 = 1_700_000_000.0


def facts(**more):
    return Facts(window_rows=77, held_bytes=1_000, started_at=T0, build={"version": "9"}, **more)


def statistics(*, collect=None, rate=None, configured=None):
    """Every figure is another, so that none can stand in for its neighbour."""
    return PipelineStatistics(
        OpenRowsStatistics(
            open=1,
            in_flight=2,
            accepted=3,
            claimed=4,
            unknown=5,
            undurable=6,
            resends=7,
            duplicates=8,
            strangers=9,
        ),
        PacerStatistics(configured, rate, 10, 11),
        SinkStatistics(12, 13, 14, 15),
        JournalWriterStatistics(16, 17, 18),
        ReconcilerStatistics(19, 20, 21, 22),
        collect,
        23,
        24,
    )


def snapshot(**more):
    known = {
        "ended": 30, "succeeded": 29, "total": None, "share": None, "in_flight": 2, "accepted": 3, "throttles": 10,
        "resends": 7, "rate_limit_per_s": None,
    }  # fmt: skip
    return Snapshot(**known | more)


def samples(found):
    """(name, labels) -> value of every sample."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in found
        for sample in family.samples
    }


def random_outcome(rng, row):
    """An outcome with any combination of phases, uploads before and after the row was due among them."""

    def later(instant, share=0.9):
        return None if instant is None or rng.random() > share else instant + rng.lognormvariate(-3, 2)

    due = None if rng.random() < 0.1 else T0 + rng.random()
    uploading = T0 + rng.random() if rng.random() < 0.4 else None
    uploaded = None if uploading is None else uploading + rng.random()
    sent = later(due, 0.95)
    received = later(sent)
    completed = later(received) if rng.random() < 0.8 else later(sent)
    notified = None if completed is None else completed + rng.uniform(-0.1, 1)  # two clocks
    collected = later(notified)
    return Outcome(
        row=row,
        id=None,
        passthrough=(),
        status=rng.choice(["succeeded", "failed", "expired", "rejected", "unknown"]),
        transport=rng.choice(["inline", "s3", "existing", None]),
        payload_bytes=rng.randrange(1000),
        response=rng.choice([None, b"", b"x" * rng.randrange(1000)]),
        upload_started_at=uploading,
        uploaded_at=uploaded,
        due_at=due,
        sent_at=sent,
        accepted_at=later(sent),
        received_at=received,
        completed_at=completed,
        notified_at=notified,
        collected_at=collected,
        fetched_at=later(collected),
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_fold_agrees_with_the_output_file(seed):
    rng = random.Random(seed)
    outcomes = [random_outcome(rng, row) for row in range(500)]
    fold = Fold()
    for outcome in outcomes:
        fold.add(outcome)
    table = to_table(outcomes, pa.schema([])).to_pylist()
    assert set(fold.lots) == {line["transport"] or "none" for line in table}
    for transport, lot in fold.lots.items():
        rows = [line for line in table if (line["transport"] or "none") == transport]
        assert lot.statuses == Counter(line["status"] for line in rows)
        assert lot.payload_bytes == sum(line["payload_bytes"] for line in rows)
        assert lot.response_bytes == sum(len(line["response"] or b"") for line in rows)
        for phase in PHASES:
            values = [line[f"{phase}_ms"] for line in rows]
            written = [max(value, 0.0) / 1000 for value in values if value is not None]
            seen = lot.phase(phase)
            assert seen.count == len(written), (transport, phase)
            assert seen.sum_s == pytest.approx(sum(written), abs=1e-6 * len(written)), (transport, phase)


def test_buckets_count_up_to_and_including_their_bound():
    seen = Histogram()
    for seconds in (0.0, 0.001, 0.0010001, 21_600.0, 21_600.1):
        seen.observe(seconds)
    cumulative = dict(seen.cumulative())
    assert list(cumulative) == [*map(repr, BUCKETS_S), "+Inf"]
    assert cumulative["0.001"] == 2
    assert cumulative["0.0025"] == 3
    assert cumulative["21600.0"] == 4
    assert cumulative["+Inf"] == seen.count == 5
    assert list(BUCKETS_S) == sorted(BUCKETS_S)


def test_a_histogram_is_prometheus_clients():
    """The same observations through the library's own class read the same."""
    rng = random.Random(3)
    seen = Histogram()
    theirs = prometheus_client.Histogram("h", "h", buckets=BUCKETS_S, registry=None)
    for _ in range(1000):
        seconds = rng.lognormvariate(-2, 4)
        seen.observe(seconds)
        theirs.observe(seconds)
    expected = {
        sample.labels["le"]: sample.value
        for family in theirs.collect()
        for sample in family.samples
        if sample.name == "h_bucket"
    }
    assert dict(seen.cumulative()) == expected


def test_a_negative_duration_counts_as_none():
    seen = Histogram()
    seen.observe(-5.0)
    assert (seen.count, seen.sum_s, seen.cumulative()[0]) == (1, 0.0, ("0.001", 1.0))
    assert bisect_left(BUCKETS_S, 0.0) == 0


def test_every_figure_arrives_under_its_own_name():
    collect = PollStatistics(100, T0 + 5, {"another run": 3, "done": 4})
    look = snapshot(statistics=statistics(collect=collect, rate=3.5, configured=4.5), total=40, share=0.25)
    found = samples(families(facts(), Fold(), look))
    plain = {name: value for (name, labels), value in found.items() if not labels}
    assert plain == {
        "fanout_running": 1, "fanout_window_rows": 77, "fanout_held_limit_bytes": 1_000,
        "fanout_start_timestamp_seconds": T0, "fanout_rows_ended": 30, "fanout_input_rows": 40,
        "fanout_input_read_ratio": 0.25, "fanout_rows_open": 1, "fanout_rows_in_flight": 2, "fanout_rows_accepted": 3,
        "fanout_rows_claimed": 4, "fanout_rows_unknown": 5, "fanout_rows_undurable": 6, "fanout_resends_total": 7,
        "fanout_pacing_rate": 3.5, "fanout_pacing_configured_rate": 4.5, "fanout_throttles_total": 10,
        "fanout_pacing_cuts_total": 11, "fanout_sink_buffered_rows": 12, "fanout_sink_buffered_bytes": 13,
        "fanout_durable_rows_total": 14, "fanout_journal_waiting_lines": 16, "fanout_journal_lines_total": 17,
        "fanout_journal_groups_total": 18, "fanout_looks_total": 19, "fanout_looks_found_total": 20,
        "fanout_rows_parked": 21, "fanout_given_up_total": 22, "fanout_held_bytes": 23,
        "fanout_unfounded_notices_total": 24, "fanout_last_notice_timestamp_seconds": T0 + 5,
    }  # fmt: skip
    messages = {labels: value for (name, labels), value in found.items() if name == "fanout_messages_total"}
    assert messages == {
        (("outcome", "ours"),): 93,
        (("outcome", "another_run"),): 3,
        (("outcome", "done"),): 4,
    }
    assert ("fanout_build_info", (("version", "9"),)) in found


def test_what_is_not_known_is_absent():
    names = {name for name, _ in samples(families(facts(), Fold(), snapshot(statistics=statistics())))}
    absent = {
        "fanout_pacing_rate", "fanout_pacing_configured_rate", "fanout_input_rows", "fanout_input_read_ratio",
        "fanout_last_notice_timestamp_seconds", "fanout_messages_total", "fanout_exit_code",
        "fanout_last_success_timestamp_seconds", "fanout_last_completion_timestamp_seconds",
    }  # fmt: skip
    assert not names & absent
    assert {"fanout_rows_open", "fanout_throttles_total"} <= names


def test_before_the_engine_has_started_the_run_is_known_at_least():
    found = samples(families(facts(), Fold(), None))
    assert found["fanout_running", ()] == 1
    assert not {name for name, _ in found} & (GAUGES.keys() | {f"{name}_total" for name in COUNTERS})


@pytest.mark.parametrize(("code", "succeeded"), [(Exit.OK, T0 + 9), (Exit.ROWS_FAILED, T0 - 1)])
def test_a_run_that_wrote_its_output_is_completed_and_one_without_failures_a_success(code, succeeded):
    known = facts(succeeded_at=T0 - 1, completed_at=T0 - 1)
    known.completed(code, now=T0 + 9)
    found = samples(families(known, Fold(), None))
    assert found["fanout_running", ()] == 0
    assert found["fanout_exit_code", ()] == int(code)
    assert found["fanout_last_completion_timestamp_seconds", ()] == T0 + 9
    assert found["fanout_last_success_timestamp_seconds", ()] == succeeded


@pytest.mark.parametrize(("error", "code"), [(RunError("x"), 4), (Interrupted("x"), 75), (KeyError("x"), 1)])
def test_a_run_that_failed_leaves_the_last_success_alone(error, code):
    known = facts(succeeded_at=T0 - 1, completed_at=T0 - 1)
    known.failed(error)
    found = samples(families(known, Fold(), None))
    assert found["fanout_exit_code", ()] == code
    assert found["fanout_last_completion_timestamp_seconds", ()] == T0 - 1
    assert found["fanout_last_success_timestamp_seconds", ()] == T0 - 1


def test_a_registry_asks_anew_each_time_labels_everything_and_parses():
    fold = Fold()
    made = registry(lambda: families(facts(), fold, None), labels={"job": "x"})
    for count in (1, 2):
        fold.add(Outcome(row=0, id=None, passthrough=(), status="failed", transport="s3"))
        text = prometheus_client.generate_latest(made).decode()
        parsed = samples(text_string_to_metric_families(text))
        assert all(dict(labels)["job"] == "x" for _, labels in parsed)
        assert (
            parsed["fanout_records_total", (("job", "x"), ("status", "failed"), ("transport", "s3"))] == count
        )
        assert parsed["fanout_process_cpu_seconds_total", (("job", "x"),)] > 0


def test_no_default_registry_is_used():
    before = set(prometheus_client.REGISTRY._names_to_collectors)
    tuple(registry(lambda: families(facts(), Fold(), None)).collect())
    assert set(prometheus_client.REGISTRY._names_to_collectors) == before
    assert not any(name.startswith("fanout") for name in before)


def test_names_follow_the_conventions():
    for name in [*GAUGES, *COUNTERS]:
        assert name.startswith("fanout_")
        assert not name.endswith("_total"), "the library appends it"
        assert "_ms" not in name, "base units"
    texts = [text for text, _ in (*GAUGES.values(), *COUNTERS.values())]
    assert len(set(texts)) == len(texts)
    assert all(text.endswith(".") for text in texts)


def test_reasons_become_label_values():
    assert slug("another program's inferenceId") == "another_program_s_inferenceid"
    assert slug("not a JSON object") == "not_a_json_object"


def test_the_build_names_what_goes_over_the_wire():
    assert build()["version"] == fanout.__version__
    assert build()["botocore"] == botocore.__version__
