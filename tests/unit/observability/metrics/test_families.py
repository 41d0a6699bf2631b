"""Which figure arrives under which name, and which are absent."""

from __future__ import annotations

from fanout.engine.flow import SinkStatistics
from fanout.engine.journal_writer import JournalWriterStatistics
from fanout.engine.pacing import PacerStatistics
from fanout.engine.reconcile.reconciler import ReconcilerStatistics
from fanout.engine.row_counts import OpenRowsStatistics
from fanout.engine.snapshot import Snapshot
from fanout.engine.stages.poll import PollStatistics
from fanout.engine.statistics import PipelineStatistics
from fanout.observability.metrics.families import COUNTERS, GAUGES, families, slug
from fanout.observability.metrics.fold import Fold

from .conftest import T0, facts, samples


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
            possible_resends=25,
        ),
        PacerStatistics(configured, rate, 10, 11, 0.125),
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
            "fanout_possible_resends_total": 25,
        "fanout_pacing_rate": 3.5, "fanout_pacing_configured_rate": 4.5, "fanout_throttles_total": 10,
        "fanout_pacing_cuts_total": 11, "fanout_pacing_tolerated_ratio": 0.125,
        "fanout_sink_buffered_rows": 12, "fanout_sink_buffered_bytes": 13,
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
