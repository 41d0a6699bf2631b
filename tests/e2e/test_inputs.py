"""Files as people have them, from the command line to the output: what is sent, what is kept, and what is said once."""

from __future__ import annotations

import json
import uuid

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.cli import fanout, write_jsonl


def run(folder, *arguments, env=None, code=0):
    done = fanout("run", *arguments, "--local", "-o", "out.parquet", "--json", cwd=folder, env=env)
    assert done.returncode == code, done.stderr
    return done


@pytest.mark.parametrize("processes", [1, 2])
def test_what_a_directory_leaves_out_is_said_once(tmp_path, processes):
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", [{"n": n} for n in range(6)])
    write_jsonl(tmp_path / "in" / "b.json", [{"n": 7}])
    done = run(tmp_path, "in", "--processes", processes)
    said = f"{tmp_path}/in: not read: b.json; to have them read, name them or a glob that they match"
    assert done.stderr.count("not read: b.json") == 1
    assert json.loads(done.stdout)["warnings"] == [said]
    assert pq.read_metadata(tmp_path / "out.parquet").num_rows == 6


def test_columns_of_two_files_are_one_and_uuids_stay_uuids(tmp_path):
    ids = [uuid.UUID(int=number + 1) for number in range(2)]
    for number, kind in enumerate((pa.string(), pa.large_string())):
        (tmp_path / f"day={number}").mkdir()
        raw = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([ids[number].bytes], pa.binary(16)))
        table = pa.table({"key": raw, "k": pa.array([str(number)], kind), "s": [{"text": f"t{number}"}]})
        pq.write_table(table, tmp_path / f"day={number}" / "p.parquet")
    run(
        tmp_path,
        "day=0",
        "day=1",
        "--payload-column",
        "s.text",
        "--id-column",
        "key",
        "--keep",
        "key,k,day,none?",
    )
    out = pq.read_table(tmp_path / "out.parquet")
    assert out["id"].to_pylist() == [str(one) for one in ids]
    assert out.select(["key", "k", "day", "none"]).to_pylist() == [
        {"key": one, "k": str(number), "day": str(number), "none": None} for number, one in enumerate(ids)
    ]
    assert out["payload_bytes"].to_pylist() == [2, 2]


@pytest.mark.parametrize(
    ("arguments", "env", "words"),
    [
        (["--id-column", "txt"], {}, "no field 'txt' in the first 100 rows (did you mean 'text'?)"),
        ([], {"FANOUT_PAYLOAD_TEMPLATE": '{"inputs":"$txet"}'}, "no field 'txet' in the first 100 rows"),
        ([], {"FANOUT_PAYLOAD_TEMPLATE": '{"inputs":1}'}, "template: uses no column"),
        ([], {"FANOUT_PAYLOAD_CUSTOM_ATTRIBUTES": "caf\u00e9"}, "characters other than visible US-ASCII"),
    ],
)
def test_what_would_go_wrong_in_every_row_ends_the_run_before_the_first(tmp_path, arguments, env, words):
    write_jsonl(tmp_path / "in.jsonl", [{"text": "x"}] * 3)
    done = run(tmp_path, "in.jsonl", *arguments, env=env, code=2)
    assert words in done.stderr
    assert not (tmp_path / "out.parquet").exists()
