"""Fields of responses as columns, and responses as text, from the part to the output."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.parts import KEPT, RUN, outcome

from fanout.domain.response_fields import NOT_TEXT, ResponseField
from fanout.output.finish import finish
from fanout.output.large_page import LARGE_BYTES
from fanout.output.parts import Part, write_part
from fanout.output.response_columns import PATH_KEY, response_columns
from fanout.output.schema import current, derive, field_columns, gather, kept_names, passthrough_columns

FIELDS = [
    ResponseField.of("answer", path="$.a"),
    ResponseField.of(
        "pair", path="$.p", type="struct<x: int64 not null, y: list<double not null>>", optional=True
    ),
]
COLUMNS = response_columns(FIELDS)
VALUES = {0: ("yes", {"x": 1, "y": [0.5]}), 1: (), 2: ("no", None)}


def part(directory: Path, number: int, rows: list[int], **responses: bytes) -> Part:
    outcomes = []
    for row in rows:
        each = outcome(row)
        each.fields = VALUES[row]
        each.response = responses.get(f"r{row}", each.response)
        outcomes.append(each)
    return write_part(directory, number, derive(gather(outcomes, KEPT, COLUMNS), KEPT, COLUMNS))


def finished(tmp_path: Path, parts: list[Part], **options: object) -> pa.Table:
    output = tmp_path / "out.parquet"
    wanted = {"run_id": RUN, "passthrough_schema": KEPT, "fields": COLUMNS, "expected_rows": 3} | options
    finish(parts, output, **wanted)
    return pq.read_table(output)


def test_fields_are_the_last_columns_and_null_where_a_row_has_none(tmp_path):
    table = finished(tmp_path, [part(tmp_path / "p", 0, [2, 0]), part(tmp_path / "p", 1, [1])])
    assert table.schema.names[-3:] == ["noticed_by", "answer", "pair"]
    assert table["answer"].to_pylist() == ["yes", None, "no"]
    assert table["pair"].to_pylist() == [{"x": 1, "y": [0.5]}, None, None]
    assert table.schema.field("answer").metadata[PATH_KEY] == b"$.a"
    assert table.schema.field("pair").type == COLUMNS.field("pair").type
    table.validate(full=True)


def test_a_part_tells_which_columns_are_fields(tmp_path):
    schema = pq.read_schema(part(tmp_path / "p", 0, [0]).path)
    assert field_columns(schema).equals(COLUMNS, check_metadata=False)
    assert passthrough_columns(schema).names == KEPT.names


def test_a_part_of_an_earlier_version_keeps_its_fields(tmp_path):
    table = pq.read_table(part(tmp_path / "p", 0, [0]).path)
    older = table.drop(["ended_at"]).replace_schema_metadata({b"fanout:schema_version": b"1"})
    batch = current(older.combine_chunks().to_batches()[0])
    assert batch.schema.names[-3:] == ["noticed_by", "answer", "pair"]
    assert batch.column("answer").to_pylist() == ["yes"]
    assert batch.column("ended_at").to_pylist() == [None]


def test_a_passthrough_column_gives_way_to_a_field():
    passthrough = pa.schema([("status", pa.string()), ("Answer", pa.string())])
    assert kept_names(passthrough, COLUMNS) == ["input_status", "input_Answer"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_responses_are_text_on_request_and_no_byte_of_an_invalid_one_is_lost(tmp_path, form):
    rows = part(tmp_path / "p", 0, [0, 1, 2], r0="±".encode(), r1=b"a\xffb")
    table = finished(tmp_path, [rows], form=form)
    assert table.schema.field("response").type == pa.large_string()
    assert table["response"].to_pylist() == ["±", "a\\xffb", "response 2"]


def test_responses_are_bytes_by_default(tmp_path):
    table = finished(tmp_path, [part(tmp_path / "p", 0, [0, 1, 2], r1=b"a\xffb")])
    assert table.schema.field("response").type == pa.large_binary()
    assert table["response"][1].as_py() == b"a\xffb"


@pytest.fixture
def umask():
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize(
    ("mode", "file", "directory"),
    [(None, 0o640, 0o750), (0o644, 0o644, 0o755), (0o600, 0o600, 0o700), (0o660, 0o660, 0o770)],
)
def test_permissions_are_what_the_umask_leaves_unless_they_are_said(tmp_path, mode, file, directory):
    parts = [part(tmp_path / "p", 0, [0, 1, 2])]
    assert stat.S_IMODE(parts[0].path.stat().st_mode) == 0o600, "a run's own files are its owner's"
    for output in (tmp_path / "out.parquet", tmp_path / "out"):
        path = str(output) if output.suffix else f"{output}/"
        finish(parts, path, run_id=RUN, passthrough_schema=KEPT, fields=COLUMNS, expected_rows=3, mode=mode)
    modes = [
        stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "out.parquet", tmp_path / "out", tmp_path / "out" / "part-00000.parquet")
    ]
    assert modes == [file, directory, file]


def test_a_large_response_that_is_no_text_is_let_go_of_and_one_that_is_stays(tmp_path):
    large = {1: b"\xff" * LARGE_BYTES, 2: b"a" * LARGE_BYTES}
    outcomes = []
    for row in range(3):
        each = outcome(row)
        each.fields, each.response = VALUES[row], large.get(row, b"small")
        outcomes.append(each)
    outcomes[1].status, outcomes[1].error_code = "invalid", NOT_TEXT
    whole = write_part(tmp_path / "p", 0, derive(gather(outcomes, KEPT, COLUMNS), KEPT, COLUMNS))
    table = finished(tmp_path, [whole], form="text")
    assert table["response"][0].as_py() == "small"
    assert table["response"][1].as_py() is None
    assert table["response"][2].as_py() == "a" * LARGE_BYTES
