"""Outputs in S3: what a report takes of a prefix, what is not whole, and how little of an object is fetched."""

from __future__ import annotations

import os
from dataclasses import replace

import pyarrow.dataset as ds
import pytest
from support.outputs import outcome, writer
from support.remote import DictRemote

from fanout.analysis.outputs import open_outputs
from fanout.domain.prices import Prices
from fanout.errors import Exit, InputError, RunError, UsageError
from fanout.output.object_place import RUN
from fanout.report.build import report_of
from fanout.report.json_form import as_dict


@pytest.fixture
def make_output(tmp_path):
    return writer(tmp_path)


class Marked(DictRemote):
    """Objects that name the run that wrote them, as a HEAD tells."""

    def find(self, location):
        found = super().find(location)
        return None if found is None else replace(found, metadata={RUN: "r"})


@pytest.fixture
def output(make_output):
    def made(*rows, name="x.parquet", **more):
        return make_output([outcome(row, **more) for row in rows], name).read_bytes()

    return made


def test_an_object_and_a_file_say_the_same_in_one_report(make_output, output, tmp_path):
    rows = [outcome(row, way=("inline", "s3")[row % 2]) for row in range(50)]
    here = as_dict(report_of([make_output(rows)], Prices()))
    remote = DictRemote({("b", "k/out.parquet"): (tmp_path / "out.parquet").read_bytes()})
    there = as_dict(report_of(["s3://b/k/out.parquet"], Prices(), remote=remote))
    assert there.pop("files")[0] == here.pop("files")[0] | {"path": "s3://b/k/out.parquet"}
    assert there == here
    other = make_output([outcome(0)], "other.parquet", run="bbbbbbbbbb")
    both = open_outputs(["s3://b/k/out.parquet", other, "s3://b/k/"], remote=remote)
    assert (both.rows, [file.path for file in both.files]) == (51, ["s3://b/k/out.parquet", str(other)])
    assert sorted(both.latencies(["row"])["row"].to_pylist()) == [0, *range(50)]


def test_responses_are_not_fetched(make_output):
    rows = [replace(outcome(row), response=os.urandom(100_000)) for row in range(100)]
    body = make_output(rows).read_bytes()
    assert len(body) > 10_000_000
    remote = DictRemote({("b", "out.parquet"): body})
    assert report_of(["s3://b/out.parquet"], Prices(), remote=remote).counts.rows == 100
    assert sum(size for _, _, size in remote.reads) < 1_000_000
    assert max(size for _, _, size in remote.reads) <= 64 << 10


def test_of_a_prefix_that_is_taken_which_an_output_is_called(output):
    remote = DictRemote(
        {
            ("b", "k/ds/_SUCCESS"): b"",
            ("b", "k/ds/_manifest.json"): b"{}",
            ("b", "k/ds/part-00000.parquet"): output(0, 1),
            ("b", "k/ds/part-00001.parquet"): output(2, name="y.parquet"),
            ("b", "k/rows.jsonl"): b"PAR1",
            ("b", "k/.hidden/x.parquet"): b"",
            ("b", "k/"): b"",
            ("b", "k2/part-00002.parquet"): output(3, name="z.parquet"),
        }
    )
    for uri in ("s3://b/k", "s3://b/k/", "s3://b/k/ds/"):
        found = open_outputs([uri], remote=remote)
        assert [(file.path, file.rows) for file in found.files] == [("s3://b/k/ds", 3)]
        assert (found.left_out, found.count(ds.field("row") > 0)) == ((), 2)


@pytest.mark.parametrize("marks", [(), ("_manifest.json",)])
@pytest.mark.parametrize("kind", [Marked, DictRemote])
def test_a_dataset_that_is_being_written_or_replaced_is_refused(output, marks, kind):
    objects = {("b", "ds/part-00000.parquet"): output(0)} | {("b", f"ds/{name}"): b"" for name in marks}
    if (
        kind is DictRemote and not marks
    ):  # a copy of one that was made on a machine: it had no marks there either
        assert open_outputs(["s3://b/ds/"], remote=kind(objects)).rows == 1
        return
    with pytest.raises(UsageError, match=r"^s3://b/ds/ is not whole, as it has no _SUCCESS"):
        open_outputs(["s3://b/ds/"], remote=kind(objects))


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("s3://b/nothing.parquet", r"^s3://b/nothing\.parquet: no such object or prefix$"),
        ("s3://b/k", r"^s3://b/k: no such object or prefix$"),
        ("s3://", "names no bucket"),
        ("s3://b/rows/", r"^s3://b/rows/: holds no output of fanout$"),
        ("s3://b/text.parquet", "it is not a Parquet file, or its end is missing"),
    ],
)
def test_what_is_no_output_is_said_by_its_name(uri, said):
    remote = DictRemote({("b", "kk"): b"", ("b", "rows/a.jsonl"): b"{}", ("b", "text.parquet"): b"text" * 9})
    with pytest.raises(UsageError, match=said) as caught:
        open_outputs([uri], remote=remote)
    assert caught.value.exit is Exit.USAGE


class Denied(DictRemote):
    """Calls that S3 does not permit."""

    denied: tuple[str, ...] = ()

    def find(self, location):
        return None if "find" in self.denied else super().find(location)

    def list(self, bucket, prefix):
        if "list" in self.denied:
            raise RunError("ListBucket is denied")
        return super().list(bucket, prefix)

    def begin(self, location, **more):
        if "begin" in self.denied:
            raise RunError("GetObject is denied")
        return super().begin(location, **more)


@pytest.mark.parametrize(
    ("denied", "said"),
    [
        (("find", "begin"), "^GetObject is denied$"),
        (("begin",), "^GetObject is denied$"),
        (("find", "list"), "or this role may not read it: ListBucket is denied"),
    ],
)
def test_what_is_denied_is_no_mistake_of_the_command(output, denied, said):
    remote = Denied({("b", "out.parquet"): output(0)})
    remote.denied = denied
    with pytest.raises(RunError, match=said) as caught:
        open_outputs(["s3://b/out.parquet"], remote=remote)
    assert caught.value.exit is Exit.PRECONDITION


def test_an_object_that_is_replaced_under_way_gives_no_wrong_figure(output):
    remote = DictRemote({("b", "out.parquet"): output(*range(2_000))})
    found = open_outputs(["s3://b/out.parquet"], remote=remote)
    remote.objects["b", "out.parquet"] = output(*range(2_000, 4_000), name="y.parquet")
    with pytest.raises(InputError, match="changed while it was being read"):
        found.latencies(["total_ms"])


def test_an_experiment_is_copied_first(make_output):
    body = make_output([outcome(0)], bench="{}").read_bytes()
    with pytest.raises(UsageError, match="is an experiment of `fanout bench`: copy it here"):
        report_of(["s3://b/x.parquet"], Prices(), remote=DictRemote({("b", "x.parquet"): body}))
