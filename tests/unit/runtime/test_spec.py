"""What a run is before anything is opened, and whether the input that is there is its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanout.config.model import Config
from fanout.domain.row_ranges import Stripe
from fanout.errors import THEN_RESUME, UsageError
from fanout.rundir.manifest import read_manifest
from fanout.rundir.paths import RunDirectory
from fanout.runtime.spec import RunSpec

RUN = "abcdefghij"


def spec(*, directory="/data/.fanout/run", sections=None, **more):
    config = Config.model_validate({"input": {"paths": ["/data/in.jsonl"]}} | (sections or {}))
    return RunSpec(run_id=RUN, config=config, directory=RunDirectory(Path(directory)), **more)


@pytest.mark.parametrize("rows", [None, ((3, 7), (9, 10))])
@pytest.mark.parametrize("stripe", [None, Stripe(1, 4)])
def test_a_later_process_finds_the_run_as_it_was_written_down(tmp_path, rows, stripe):
    first = spec(directory=tmp_path, rows=rows, stripe=stripe, retry_of="bcdefghijk")
    first.manifest(fingerprint="f", endpoint="e").write(first.directory.manifest)
    manifest = read_manifest(first.directory)
    assert manifest.endpoint == "e"
    later = RunSpec.resumed(manifest, first.directory, config=first.config)
    assert later == spec(
        directory=tmp_path, rows=rows, stripe=stripe, retry_of="bcdefghijk", fingerprint="f", begun=True
    )
    assert later.wanted == first.wanted == manifest.wanted


def test_the_rows_of_a_retry_are_cut_already_when_a_process_has_a_stripe_of_them():
    assert spec().wanted is None
    assert spec(stripe=Stripe(0, 2)).wanted == Stripe(0, 2)
    assert spec(stripe=Stripe(0, 2), rows=((0, 5),)).wanted == ((0, 5),)


def test_a_new_run_takes_the_input_that_is_there():
    spec().check_input("any")
    spec(sections={"input": {"paths": ["-"]}}).check_input("any")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (spec(fingerprint="before"), "changed since the earlier run: its rows could not be told apart"),
        (
            spec(fingerprint="before", begun=True),
            "changed since the run began .*: put it back, or start a new",
        ),
        (
            spec(fingerprint="now", begun=True, sections={"input": {"paths": ["-"]}}),
            "standard input cannot be read again",
        ),
    ],
)
def test_rows_of_another_input_are_refused(given, words):
    with pytest.raises(UsageError, match=words):
        given.check_input("now")


@pytest.mark.parametrize("begun", [False, True])
def test_the_same_input_is_accepted(begun):
    spec(fingerprint="same", begun=begun).check_input("same")


@pytest.mark.parametrize(
    ("sections", "step"),
    [
        ({}, "`fanout resume /data/.fanout/run` goes on"),
        (
            {"run": {"journal": False}},
            "it kept no journal and cannot be resumed: start a new run",
        ),
        (
            {"local": {"enabled": True}},
            "the local AWS ends with it; `fanout export /data/.fanout/run -o FILE` writes what it has",
        ),
        (
            {"input": {"paths": ["-"]}},
            "standard input cannot be read again; `fanout export /data/.fanout/run -o FILE` writes what there is",
        ),
    ],
)
def test_what_to_do_next_is_said_of_the_whole_run(sections, step):
    assert spec(sections=sections).next_step == step
    assert spec(sections=sections).can_be_resumed == step.endswith("goes on")
    shard = spec(directory="/data/.fanout/run/shards/01", sections=sections, stripe=Stripe(1, 2))
    assert shard.next_step == step


PLACE = "/data/.fanout/run"
THEN = (
    f"`fanout resume {PLACE} --max-failures N` goes on, "
    f"`fanout export {PLACE} -o FILE` writes the rows that have ended"
)


@pytest.mark.parametrize(
    ("sections", "step"),
    [
        ({}, THEN),
        ({"run": {"journal": False}}, "it kept no journal and cannot be resumed: start a new run"),
    ],
)
def test_after_too_many_failures_a_resume_can_raise_how_many_may_fail(sections, step):
    assert spec(sections=sections).after_failures == step
    assert spec(sections=sections, directory="/data/run/shards/01", stripe=Stripe(1, 2)).after_failures == ""


def test_of_a_run_that_sent_nothing_no_message_says_resume():
    given = spec()
    text = f"SIGTERM: stopped; {given.next_step}"
    assert given.unsent(text) == "SIGTERM: stopped; nothing was sent: start it again"
    assert given.unsent(f"the disk is full, {THEN_RESUME}") == "the disk is full, then start it again"


def test_all_processes_of_a_run_read_the_files_that_it_chose(tmp_path):
    alone = spec(directory=str(tmp_path))
    shard = spec(directory=str(tmp_path / "shards" / "01"), stripe=Stripe(1, 2))
    assert alone.inputs == shard.inputs == tmp_path / "inputs.json"
