"""All shards together read the input once: what S3 is asked for is at most 1.02 times the dataset, however many."""

from __future__ import annotations

import io
import json
from functools import cache

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.remote import DictRemote

from fanout.source.selection import Selection
from fanout.source.settings import InputSettings
from fanout.source.source import open_part, open_source
from fanout.source.units import InputPart

LINE = json.dumps({"n": 1, "text": "x" * 9_970}).encode() + b"\n"
SETTINGS = InputSettings(
    paths=["s3://b/in/"], format="auto", compression="auto", line_cap_bytes=1 << 20, batch_bytes=1 << 20
)


def parquet(rows=8_000):
    out = io.BytesIO()
    text = pa.array([b"%05d" % row * 1_000 for row in range(rows)])
    pq.write_table(
        pa.table({"n": range(rows), "text": text}),
        out,
        row_group_size=50,
        write_statistics=["n"],
        use_dictionary=False,
        compression="none",
    )
    return out.getvalue()


def objects(kind):
    if kind == "jsonl":
        return {("b", f"in/{number}.jsonl"): LINE * 3_200 for number in range(2)}
    if kind.startswith("small files"):
        return {("b", f"in/{number:04d}.jsonl"): LINE * 6 for number in range(1_000)}
    if kind == "small parquet":
        return {("b", f"in/{number:03d}.parquet"): parquet(80) for number in range(100)}
    return {("b", "in/a.parquet"): parquet()}


SELECTIONS = {
    "parquet": Selection(payload_column="text"),
    "small parquet": Selection(payload_column="text"),
    "small files that need fields": Selection(keep=("n",)),
}


@pytest.mark.campaign
@pytest.mark.parametrize(
    "kind", ["jsonl", "small files", "small files that need fields", "parquet", "small parquet"]
)
def test_it_is_read_once_by_all_shards_together(kind):
    given = objects(kind)
    selection = SELECTIONS.get(kind, Selection())
    size = sum(map(len, given.values()))
    for shards in (1, 8, 64):
        remote = DictRemote(given)
        remote._info = cache(remote._info)
        source = open_source(SETTINGS, selection, remote=remote)
        rows = 0
        for index, units in enumerate(source.units(shards)):
            part = open_part(
                InputPart(index, shards, units, source.known), SETTINGS, selection, remote=remote
            )
            rows += sum(len(chunk) for chunk in part.read())
        ends = {key: len(body) for (_, key), body in given.items()}
        asked = sum(min(length, ends[key] - start) for key, start, length in remote.reads)
        assert rows == {"jsonl": 6_400, "parquet": 8_000, "small parquet": 8_000}.get(kind, 6_000)
        assert asked <= 1.02 * size, f"{asked / size:.4f} of the dataset by {shards} shards"
