"""The summary of a finished run, read back from its directory, is the one that was printed when it ended."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.domain.tally import Tally
from fanout.errors import JournalError
from fanout.rundir.summary import PHASES, read_summary, summarize, write_summary

codes = st.sampled_from(["ModelError", "NotJson", "ThrottlingException", "TooLarge"])


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    path = tmp_path_factory.mktemp("output") / "out.parquet"
    pq.write_table(pa.table({phase: pa.array([1.23456, 2.0, None]) for phase in PHASES}), path)
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


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version": 0}', '{"version": 1}'])
def test_a_summary_that_is_damaged_or_of_another_version_is_an_error_that_names_the_file(tmp_path, content):
    path = tmp_path / "summary.json"
    path.write_text(content)
    with pytest.raises(JournalError, match=r"summary\.json"):
        read_summary(path)
