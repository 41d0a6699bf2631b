"""The output's name: claimed before a run costs anything, and given to the content in one step at the end."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.parts import NOTHING_KEPT, RUN

from fanout.errors import UsageError
from fanout.output.destination import OUTPUT, Target, check_name, claim, place, workspace
from fanout.output.schema import RUN_KEY, output_schema

OTHER = "zyxwvutsrq"


def write_output(path: Path, run_id: str) -> None:
    schema = output_schema(NOTHING_KEPT)
    pq.write_table(schema.with_metadata({RUN_KEY: run_id.encode()}).empty_table(), path)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("gs://bucket/out.parquet", "outputs are files here or in S3, not gs://"),
        ("HTTPS://example.com/out.parquet", "not HTTPS://"),
        ("here/gs:/out.parquet", "not gs://"),
        ("out\udcff.parquet", "a name that is not UTF-8"),
    ],
)
def test_a_path_that_cannot_be_written_is_refused_at_the_start(path, words):
    with pytest.raises(UsageError, match=words):
        check_name(Path(path))


@pytest.mark.parametrize("path", ["out.parquet", "s3/out.parquet", "a:b/out.parquet", "é/ü.parquet"])
def test_any_other_name_will_do(path):
    check_name(Path(path))


def test_a_name_that_is_free_is_claimed_and_nothing_is_made(tmp_path):
    assert claim(tmp_path / "out.parquet", run_id=RUN, overwrite=True) == Target(
        tmp_path / "out.parquet", RUN, dataset=False, replace=False
    )
    assert claim(f"{tmp_path}/out/", run_id=RUN, overwrite=False) == Target(
        tmp_path / "out", RUN, dataset=True, replace=False
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dataset", [False, True])
def test_an_output_is_replaced_if_it_is_the_runs_own_or_if_it_may_be(tmp_path, dataset):
    name = tmp_path / "out"
    if dataset:
        name.mkdir()
    write_output(name / "part-00000.parquet" if dataset else name, RUN)
    output = f"{name}/" if dataset else name
    assert claim(output, run_id=RUN, overwrite=False).replace
    assert claim(output, run_id=OTHER, overwrite=True).replace
    with pytest.raises(UsageError, match="exists: do this instead"):
        claim(output, run_id=OTHER, overwrite=False, remedy="do this instead")


def test_a_directory_with_anything_else_is_never_replaced(tmp_path):
    write_output(tmp_path / "part-00000.parquet", RUN)
    (tmp_path / "notes.txt").write_text("precious")
    with pytest.raises(UsageError, match=r"holds more than an earlier output \(notes.txt\)"):
        claim(f"{tmp_path}/", run_id=RUN, overwrite=True)


def test_an_empty_directory_is_free(tmp_path):
    assert not claim(f"{tmp_path}/", run_id=RUN, overwrite=False).replace


def test_the_workspace_is_gone_whatever_happens_in_it(tmp_path):
    target = Target(tmp_path / "out.parquet", RUN, dataset=False, replace=False)
    stale = tmp_path / f"out.parquet.{RUN}.tmp"
    stale.mkdir()
    (stale / OUTPUT).write_text("half")

    def fail_inside():
        with workspace(target) as directory:
            assert (directory, list(directory.iterdir())) == (stale, []), "what a killed run left is cleared"
            raise KeyError

    with pytest.raises(KeyError):
        fail_inside()
    assert list(tmp_path.iterdir()) == []


def test_a_dataset_takes_the_place_of_the_old_one_after_a_kill_between_the_renames(tmp_path):
    target = Target(tmp_path / "out", RUN, dataset=True, replace=True)
    for name in ("out", f"out.{RUN}.old"):  # the latter of a run that was killed before it removed it
        (tmp_path / name).mkdir()
        (tmp_path / name / "part-00000.parquet").write_text("old")
    with workspace(target) as directory:
        (directory / OUTPUT).mkdir()
        (directory / OUTPUT / "part-00000.parquet").write_text("new")
        place(directory, target)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "part-00000.parquet").read_text() == "new"


def test_a_name_that_was_taken_meanwhile_stays_as_it_is(tmp_path):
    target = Target(tmp_path / "out.parquet", RUN, dataset=False, replace=False)
    with workspace(target) as directory:
        (directory / OUTPUT).write_text("ours")
        target.path.write_text("rival")
        with pytest.raises(UsageError, match="appeared while it was being written"):
            place(directory, target)
    assert target.path.read_text() == "rival"


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_link_to_nothing_is_found_before_anything_is_sent(tmp_path, slash):
    (tmp_path / "out").symlink_to("nowhere.parquet")
    said = r"out is a link to nowhere\.parquet, which is not there: remove it, or name another output"
    with pytest.raises(UsageError, match=said):
        claim(f"{tmp_path}/out{slash}", run_id=RUN, overwrite=False)


def test_a_link_to_nothing_is_replaced_where_it_may_be(tmp_path):
    (tmp_path / "out").symlink_to("nowhere.parquet")
    assert claim(f"{tmp_path}/out", run_id=RUN, overwrite=True).replace


def test_a_name_that_no_file_can_have_is_the_person_s_mistake_and_no_fault_of_the_disk(tmp_path):
    with pytest.raises(UsageError, match=r"cannot be made \(File name too long\): choose another name"):
        claim(tmp_path / f"{'x' * 300}.parquet", run_id=RUN, overwrite=False)
