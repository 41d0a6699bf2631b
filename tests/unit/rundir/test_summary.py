"""The summary of a finished run, read back from its directory, is the one that was printed when it ended."""

from __future__ import annotations

import json
import random

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.analysis.quantiles import quantiles
from fanout.domain.tally import Tally
from fanout.errors import JournalError
from fanout.rundir.summary import PHASES, latencies, read_summary, rows_seconds, summarize, write_summary

codes = st.sampled_from(["ModelError", "NotJson", "ThrottlingException", "TooLarge"])


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    path = tmp_path_factory.mktemp("output") / "out.parquet"
    ended = pa.array([1_500_000_000.0, 1_700_000_000.0, None]).cast("int64")
    columns = {phase: pa.array([1.23456, 2.0, None]) for phase in PHASES if phase != "retry_ms"}
    columns["attempts"] = pa.array([1, 1, 0], pa.int32())
    columns["ended_at"] = pc.multiply(ended, 1_000_000).cast(pa.timestamp("us", "UTC"))
    columns["due_at"] = columns["sent_at"] = pc.subtract(
        columns["ended_at"], pa.scalar(10_000_000, pa.duration("us"))
    )
    pq.write_table(pa.table(columns), path)
    return path


@given(
    seconds=st.floats(0, 1e6),
    rows=st.integers(0, 10**9),
    errors=st.dictionaries(codes, st.integers(1, 10**6)),
    examples=st.dictionaries(codes, st.text(max_size=5)),
    started_at=st.floats(1.6e9, 2.5e9),
)
def test_what_is_read_back_is_what_was_printed(output, seconds, rows, errors, examples, started_at):
    tally = Tally(
        rows=rows, errors=errors, examples={code: examples[code] for code in errors if code in examples}
    )
    printed = summarize(
        built=str(output),
        run_id="fnaaaaaaaa", endpoint="e", output=str(output), run_dir=output.parent, output_bytes=1, tally=tally,
        throttles=2, started_at=started_at, seconds=seconds, simulated=True, warnings=("w",),
    )  # fmt: skip
    path = output.parent / "summary.json"
    write_summary(printed, path)
    read = read_summary(path)
    assert read == printed
    assert read.as_dict() == printed.as_dict()


def test_rows_a_second_are_those_of_the_process_that_finished_the_run(output):
    """After a resume all rows were divided by the last process's seconds."""
    summary = summarize(
        run_id="fnaaaaaaaa", endpoint="e", output="s3://bucket/out", built=str(output), run_dir=output.parent,
        output_bytes=1,
        tally=Tally(rows=3), throttles=0, started_at=1_600_000_000.0, seconds=4.0, simulated=True, warnings=(),
    )  # fmt: skip
    assert (summary.ended_here, summary.rows_per_s) == (1, 0.25)  # one ended before, of one nothing tells
    assert (summary.as_dict()["ended_here"], summary.as_dict()["rows_per_s"]) == (1, 0.2)


def test_the_rows_took_from_the_first_that_was_due_to_the_last_that_ended(output, tmp_path):
    assert rows_seconds(str(output)) == 200_000_010.0
    nothing = pa.table(
        {name: pa.nulls(2, pa.timestamp("us", "UTC")) for name in ("due_at", "sent_at", "ended_at")}
    )
    pq.write_table(nothing, tmp_path / "none.parquet")
    assert rows_seconds(str(tmp_path / "none.parquet")) is None


def test_a_summary_of_an_earlier_version_is_read(output, tmp_path):
    summary = summarize(
        run_id="fnaaaaaaaa", endpoint="e", output="s3://bucket/out", built=str(output), run_dir=output.parent,
        output_bytes=1,
        tally=Tally(rows=3, resends=2), throttles=0, started_at=1.0, seconds=2.0, simulated=True, warnings=(),
    )  # fmt: skip
    content = summary.as_dict()
    del content["ended_here"], content["possible_resends"], content["rows_seconds"]
    (tmp_path / "summary.json").write_text(json.dumps(content))
    read = read_summary(tmp_path / "summary.json")
    assert (read.ended_here, read.rows_per_s, read.possible_resends, read.resends_certain) == (
        None,
        1.5,
        0,
        2,
    )


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version": 0}', '{"version": 1}'])
def test_a_summary_that_is_damaged_or_of_another_version_is_an_error_that_names_the_file(tmp_path, content):
    path = tmp_path / "summary.json"
    path.write_text(content)
    with pytest.raises(JournalError, match=r"summary\.json"):
        read_summary(path)


def test_what_lies_before_a_second_request_is_no_wait_of_the_client(tmp_path):
    columns = {phase: pa.array([1.0, 5_000.0, 3.0]) for phase in PHASES if phase != "retry_ms"}
    columns["attempts"] = pa.array([1, 2, None], pa.int32())
    pq.write_table(pa.table(columns), tmp_path / "out.parquet")
    found = latencies(str(tmp_path / "out.parquet"))
    assert (found["wait"]["max"], found["wait"]["p50"]) == (3.0, 2.0)
    assert found["retry"] == {"p50": 5_000.0, "p90": 5_000.0, "p99": 5_000.0, "max": 5_000.0}


@pytest.mark.parametrize(("rows", "told"), [(999, None), (1_001, 999.0)])
def test_the_thousandth_slowest_is_told_of_a_thousand_rows(tmp_path, rows, told):
    columns = {
        phase: pa.array([float(row) for row in range(rows)]) for phase in PHASES if phase != "retry_ms"
    }
    columns["attempts"] = pa.array([1] * rows, pa.int32())
    pq.write_table(pa.table(columns), tmp_path / "out.parquet")
    assert latencies(str(tmp_path / "out.parquet"))["total"].get("p999") == told


def test_quantiles_are_those_of_the_report_to_the_last_digit(tmp_path):
    rng = random.Random(1)

    def delicate() -> tuple[float, float]:
        """Two values of which two ways to compute what lies a tenth of the way between them round differently."""
        share = 0.9 * 9 - 8
        while True:
            low = rng.randrange(1, 400_000) / 1_000
            high = low + rng.randrange(5, 1_000, 10) / 1_000
            if round(low + share * (high - low), 3) != round((1 - share) * low + share * high, 3):
                return low, high

    columns = {  # of ten values, p90 lies a tenth of the way from the ninth to the last
        phase: pa.array([0.0] * 8 + list(delicate())) for phase in PHASES if phase != "retry_ms"
    }
    pq.write_table(
        pa.table({**columns, "attempts": pa.array([1] * 10, pa.int32())}), tmp_path / "out.parquet"
    )
    found = latencies(str(tmp_path / "out.parquet"))
    for name, values in columns.items():
        report = quantiles(values)
        told = {key: round(getattr(report, key), 3) for key in ("p50", "p90", "p99", "max")}
        assert found[name.removesuffix("_ms")] == told
