from __future__ import annotations

import datetime as dt
import decimal
import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.parts import EPOCH, NOTHING_KEPT, to_table

from fanout.domain.records import Outcome
from fanout.output.finish import finish
from fanout.output.merge import merge, narrow
from fanout.output.parts import read_parts, write_part
from fanout.output.schema import CLOCK_KEY, JSON_KEY, VERSION_KEY, derive, gather, kept_names, output_schema

INSTANT = pa.timestamp("us", tz="UTC")


def schema_of(*names: str) -> pa.Schema:
    return pa.schema([pa.field(name, pa.string()) for name in names])


def row_of(outcome: Outcome) -> dict[str, object]:
    return to_table([outcome], NOTHING_KEPT).to_pylist()[0]


def stored(
    passthrough: list[tuple[object, ...]], passthrough_schema: pa.Schema, directory: Path
) -> pa.ChunkedArray:
    """Return the first passthrough column as a part has it whose rows came one by one, the first one last."""
    outcomes = [
        Outcome(row=row, id=None, passthrough=values, status="succeeded")
        for row, values in enumerate(passthrough)
    ]
    batches = [gather([outcome], passthrough_schema) for outcome in [*outcomes[1:], outcomes[0]]]
    part = write_part(directory, 0, derive(pa.concat_tables(batches), passthrough_schema))
    return pq.read_table(part.path).column(passthrough_schema.names[0])


def test_columns_are_those_of_the_design_in_its_order() -> None:
    schema = output_schema(schema_of("label"))
    assert dict(zip(schema.names, schema.types, strict=True)) == {
        "row": pa.int64(),
        "id": pa.string(),
        "label": pa.string(),
        "status": pa.string(),
        "transport": pa.string(),
        "payload_bytes": pa.int64(),
        "attempts": pa.int32(),
        "possible_attempts": pa.int32(),
        "resends": pa.int32(),
        "inference_id": pa.string(),
        "input_location": pa.string(),
        "output_location": pa.string(),
        "failure_location": pa.string(),
        "response": pa.large_binary(),
        "response_content_type": pa.string(),
        "error_code": pa.string(),
        "error_message": pa.string(),
        "due_at": INSTANT,
        "sent_at": INSTANT,
        "accepted_at": INSTANT,
        "received_at": INSTANT,
        "completed_at": INSTANT,
        "notified_at": INSTANT,
        "collected_at": INSTANT,
        "fetched_at": INSTANT,
        "ended_at": INSTANT,
        "wait_ms": pa.float64(),
        "upload_ms": pa.float64(),
        "invoke_ms": pa.float64(),
        "service_ms": pa.float64(),
        "notify_ms": pa.float64(),
        "fetch_ms": pa.float64(),
        "total_ms": pa.float64(),
        "noticed_by": pa.string(),
    }
    assert schema.names[:4] == ["row", "id", "label", "status"]
    assert schema.names[-2:] == ["total_ms", "noticed_by"]
    assert [field.name for field in schema if not field.nullable] == ["row"]
    assert schema.metadata[VERSION_KEY] == b"2"
    assert b"SageMaker's clock" in schema.metadata[CLOCK_KEY]


@pytest.mark.parametrize("shape", ["column", "list", "struct", "map"])
def test_uuids_are_written_as_uuids_at_every_level(shape: str, tmp_path: Path) -> None:
    ids = [uuid.UUID(int=number + 1) for number in range(2)]
    shapes: dict[str, tuple[pa.DataType, object, object]] = {
        "column": (pa.uuid(), ids[0].bytes, ids[0]),
        "list": (pa.list_(pa.uuid()), [one.bytes for one in ids], ids),
        "struct": (pa.struct([("u", pa.uuid())]), {"u": ids[0].bytes}, {"u": ids[0]}),
        "map": (pa.map_(pa.string(), pa.uuid()), [("k", ids[0].bytes)], [("k", ids[0])]),
    }
    kind, carried, value = shapes[shape]
    column = stored([(carried,), (None,)], pa.schema([("u", kind)]), tmp_path)
    assert "arrow.uuid" in str(column.type)
    assert column.to_pylist() in (
        [value, None],
        [carried, None],
    )  # pyarrow 18 shows the bytes of those in maps


@pytest.mark.parametrize(
    ("names", "written"),
    [
        (("label", "score"), ["label", "score"]),
        (("row", "status"), ["input_row", "input_status"]),
        (("ID", "Status"), ["input_ID", "input_Status"]),
        (("row", "input_row"), ["input_input_row", "input_row"]),
        (("input_row", "row"), ["input_row", "input_input_row"]),
        (("a", "A", "a"), ["a", "input_A", "input_input_a"]),
        ((), []),
    ],
)
def test_kept_columns_never_share_a_name(names: tuple[str, ...], written: list[str]) -> None:
    assert kept_names(schema_of(*names)) == written
    folded = [name.casefold() for name in output_schema(schema_of(*names)).names]
    assert len(set(folded)) == len(folded)


def test_durations_of_an_uploaded_row() -> None:
    row = row_of(
        Outcome(
            row=0,
            id="a",
            passthrough=(),
            status="succeeded",
            transport="s3",
            upload_started_at=EPOCH,
            uploaded_at=EPOCH + 0.5,
            due_at=EPOCH + 1,
            sent_at=EPOCH + 1.25,
            accepted_at=EPOCH + 1.375,
            received_at=EPOCH + 1.5,
            completed_at=EPOCH + 4.5,
            notified_at=EPOCH + 4.25,
            collected_at=EPOCH + 4.75,
            fetched_at=EPOCH + 5,
            noticed_by="sqs",
        )
    )
    durations = {name: value for name, value in row.items() if name.endswith("_ms")}
    assert durations == {
        "wait_ms": 250.0,
        "upload_ms": 500.0,
        "invoke_ms": 125.0,
        "service_ms": 3000.0,
        "notify_ms": -250.0,  # two clocks: kept as it is
        "fetch_ms": 250.0,
        "total_ms": 4500.0,  # the upload, and from when it was due: not the half second in which it lay ready
    }


def test_total_begins_when_due_even_if_the_upload_began_later() -> None:
    instants = {"due_at": EPOCH, "upload_started_at": EPOCH + 1, "fetched_at": EPOCH + 3}
    row = row_of(Outcome(row=0, id=None, passthrough=(), status="succeeded", **instants))
    assert row["total_ms"] == 3000.0


def test_an_upload_that_begins_when_the_row_is_due_is_not_part_of_its_wait() -> None:
    instants = {
        "due_at": EPOCH,
        "upload_started_at": EPOCH + 0.25,
        "uploaded_at": EPOCH + 1,
        "sent_at": EPOCH + 1.5,
    }
    row = row_of(Outcome(row=0, id=None, passthrough=(), status="succeeded", **instants))
    assert (row["wait_ms"], row["upload_ms"]) == (750.0, 750.0)


@pytest.mark.parametrize("due", [None, 0.0, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("uploaded", [None, (0.5, 1.5), (0.5, 2.0), (2.0, 2.5), (1.0, None)])
def test_the_table_counts_from_where_the_outcome_says(due, uploaded) -> None:
    began, ended = uploaded or (None, None)
    at = {"due_at": due, "upload_started_at": began, "uploaded_at": ended, "fetched_at": 9.0}
    outcome = Outcome(
        row=0,
        id=None,
        passthrough=(),
        status="succeeded",
        **{name: value if value is None else EPOCH + value for name, value in at.items()},
    )
    begin = outcome.began_at
    assert row_of(outcome)["total_ms"] == (None if begin is None else (EPOCH + 9.0 - begin) * 1e3)


def test_total_of_a_failure_ends_with_its_notice() -> None:
    row = row_of(
        Outcome(row=0, id=None, passthrough=(), status="failed", due_at=EPOCH, notified_at=EPOCH + 2)
    )
    assert (row["total_ms"], row["fetch_ms"]) == (2000.0, None)


def test_a_row_that_was_given_up_took_until_then() -> None:
    """It had no notice and no result; without an instant of its own it was in no figure."""
    row = row_of(
        Outcome(row=0, id=None, passthrough=(), status="unsettled", due_at=EPOCH, ended_at=EPOCH + 180)
    )
    assert (row["total_ms"], row["ended_at"].timestamp()) == (180_000.0, EPOCH + 180)


def test_a_rejected_row_has_no_phases_and_no_kept_values() -> None:
    rejected = Outcome(
        row=7, id=None, passthrough=(), status="rejected", error_code="InvalidJSON", error_message="no"
    )
    passthrough = pa.schema([pa.field("label", pa.int64(), nullable=False)])
    row = to_table([rejected], passthrough).to_pylist()[0]
    given = {"row": 7, "status": "rejected", "error_code": "InvalidJSON", "error_message": "no"}
    zeros = {"payload_bytes": 0, "attempts": 0, "possible_attempts": 0, "resends": 0}
    assert {name: value for name, value in row.items() if value is not None} == given | zeros


def test_instants_are_rounded_to_the_microsecond_and_durations_follow_them() -> None:
    row = row_of(
        Outcome(
            row=0,
            id=None,
            passthrough=(),
            status="failed",
            due_at=1_760_000_000.1234567,
            sent_at=1_760_000_000.1239996,
        )
    )
    utc = dt.UTC
    assert row["due_at"] == dt.datetime(2025, 10, 9, 8, 53, 20, 123457, tzinfo=utc)
    assert row["sent_at"] == dt.datetime(2025, 10, 9, 8, 53, 20, 124000, tzinfo=utc)
    assert row["wait_ms"] == 0.543


def test_what_is_gathered_in_batches_makes_the_same_table() -> None:
    passthrough = pa.schema([pa.field("n", pa.int64())])
    outcomes = [
        Outcome(
            row=row, id=str(row), passthrough=(row,), status="succeeded", due_at=EPOCH, fetched_at=EPOCH + row
        )
        for row in (5, 1, 3)
    ]
    batches = [gather(outcomes[:2], passthrough), gather(outcomes[2:], passthrough)]
    table = derive(pa.concat_tables(batches), passthrough)
    assert table.select(["row", "id", "n", "total_ms"]).to_pydict() == {
        "row": [5, 1, 3],
        "id": ["5", "1", "3"],
        "n": [5, 1, 3],
        "total_ms": [5000.0, 1000.0, 3000.0],
    }
    assert table.equals(to_table(outcomes, passthrough))


def test_a_kept_column_may_have_the_name_of_an_instant_that_is_not_written() -> None:
    passthrough = schema_of("uploaded_at", "upload_started_at")
    uploaded = Outcome(
        row=0,
        id=None,
        passthrough=("then", "now"),
        status="succeeded",
        upload_started_at=EPOCH,
        uploaded_at=EPOCH + 1,
    )
    row = to_table([uploaded], passthrough).to_pylist()[0]
    assert (row["uploaded_at"], row["upload_started_at"], row["upload_ms"]) == ("then", "now", 1000.0)


def test_no_outcomes_make_an_empty_table_of_the_whole_schema() -> None:
    table = to_table([], schema_of("label"))
    assert table.num_rows == 0
    assert table.schema.equals(output_schema(schema_of("label")))


def test_a_lone_surrogate_costs_a_character_and_no_row() -> None:
    outcomes = [
        Outcome(row=0, id="é", passthrough=(), status="failed", error_message="bad \ud800 text"),
        Outcome(row=1, id=None, passthrough=(), status="failed", error_message=None),
    ]
    table = to_table(outcomes, NOTHING_KEPT)
    assert table.column("error_message").to_pylist() == ["bad ? text", None]
    assert table.column("id").to_pylist() == ["é", None]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.decimal128(9, 2), [decimal.Decimal("1.25"), None]),
        (pa.decimal256(50, 1), [decimal.Decimal("-0.5"), None]),
        (
            pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
            [{"bytes": b"\xff", "path": None}, None],
        ),
        (pa.list_(pa.list_(pa.int8())), [[[1], None, []], None]),
        (pa.map_(pa.string(), pa.int64()), [[("a", 1)], None]),
        (pa.timestamp("ns", tz="Europe/Rome"), [1_760_000_000_123_456_789, None]),
        (pa.date32(), [20_000, None]),
        (pa.uint64(), [2**64 - 1, None]),
        (pa.large_string(), ["x", None]),
        (pa.null(), [None, None]),
    ],
    ids=str,
)
def test_kept_columns_of_every_type_keep_type_and_values(
    kind: pa.DataType, values: list[object], tmp_path: Path
) -> None:
    passthrough = pa.schema([pa.field("k", kind)])
    column = stored([(value,) for value in values], passthrough, tmp_path)
    assert column.type == kind
    assert column.equals(pa.chunked_array([values], type=kind))


def test_lists_of_fixed_size_are_written_as_lists_that_every_reader_knows(tmp_path: Path) -> None:
    passthrough = pa.schema([pa.field("k", pa.list_(pa.float32(), 2))])
    column = stored([([1.0, 2.0],), ()], passthrough, tmp_path)
    assert (column.type, column.to_pylist()) == (pa.list_(pa.float32()), [[1.0, 2.0], None])


def test_json_columns_are_marked_in_the_parts_schema() -> None:
    passthrough = pa.schema(
        [pa.field("a", pa.string(), metadata={JSON_KEY: b"1", b"other": b"x"}), ("b", pa.string())]
    )
    schema = output_schema(passthrough)
    assert schema.field("a").metadata == {JSON_KEY: b"1"}
    assert schema.field("b").metadata is None


def as_version_1(table: pa.Table, names: dict[str, str]) -> pa.Table:
    """Return a part as version 1 wrote it: without the columns of version 2, whose names it gave to others."""
    added = ["possible_attempts", "input_location", "ended_at"]
    table = table.drop_columns(added)
    metadata = {**table.schema.metadata, VERSION_KEY: b"1"}
    return table.rename_columns(
        [names.get(name, name) for name in table.column_names]
    ).replace_schema_metadata(metadata)


def test_parts_of_version_1_and_2_make_one_output(tmp_path: Path) -> None:
    """A run that an earlier version began is finished by this one; what was not recorded then is null."""
    passthrough = pa.schema([pa.field("ended_at", pa.string(), metadata={JSON_KEY: b"1"})])
    old, new = (
        to_table(
            [
                Outcome(
                    row=row, id=None, passthrough=(f'"{row}"',), status="failed", ended_at=EPOCH, attempts=1
                )
            ],
            passthrough,
        )
        for row in (1, 0)
    )
    old = as_version_1(old, {"input_ended_at": "ended_at"})
    assert old.column_names[2] == "ended_at"
    for number, table in enumerate((old, new)):
        write_part(tmp_path, number, table)
    finish(
        read_parts(tmp_path),
        tmp_path / "out.parquet",
        run_id="abcdefghij",
        passthrough_schema=passthrough,
        expected_rows=2,
    )
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.schema.metadata[VERSION_KEY] == b"2"
    assert found["input_ended_at"].to_pylist() == ["0", "1"]
    assert found["attempts"].to_pylist() == [1, 1]
    assert [None if at is None else at.timestamp() for at in found["ended_at"].to_pylist()] == [EPOCH, None]
    assert found["possible_attempts"].to_pylist() == [0, None]


def test_parts_of_version_1_are_merged_in_several_steps(tmp_path: Path) -> None:
    tables = [
        to_table([Outcome(row=row, id=None, passthrough=(), status="failed") for row in rows], NOTHING_KEPT)
        for rows in ((0, 3), (1, 4), (2, 5))
    ]
    for number, table in enumerate(tables):
        write_part(tmp_path, number, as_version_1(table, {}) if number < 2 else table)
    (tmp_path / "work").mkdir()
    merged = pa.concat_tables(merge(narrow(read_parts(tmp_path), tmp_path / "work", fan_in=2)))
    assert merged["row"].to_pylist() == list(range(6))
    assert merged["possible_attempts"].to_pylist() == [None, None, 0, None, None, 0]
