"""Names of inputs and outputs that cannot be meant, refused before anything is made."""

from __future__ import annotations

import re

import pytest
from support.raw_server import bare_environment

from fanout.commands.paths import (
    NO_INPUT,
    check_complete,
    check_host,
    check_names,
    check_paths,
    is_same_file,
    lacking,
)
from fanout.config.load import load_config
from fanout.config.model import Config
from fanout.errors import Exit, UsageError

NO_OUTPUT = "no output: name a file with -o out.parquet"
NO_ENDPOINT = "no endpoint: name it with --endpoint, or try --local"
NO_REGION = "No AWS region: set --region, AWS_REGION, AWS_DEFAULT_REGION, or `region` in the profile"
NAMED = {"output": {"path": "o.parquet"}, "input": {"paths": ("i",)}, "endpoint": {"name": "e"}}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, [NO_OUTPUT, NO_INPUT, NO_ENDPOINT, NO_REGION]),
        (NAMED, []),  # whether a region is named, opening AWS finds out
        (NAMED | {"endpoint": {"region": "eu-west-1"}}, [NO_ENDPOINT]),
        (NAMED | {"output": {}}, [NO_OUTPUT, NO_REGION]),
        (NAMED | {"output": {}, "endpoint": {}, "local": {"enabled": True}}, [NO_OUTPUT]),
        (
            {"output": "nonsense", "input": 5, "endpoint": {"region": 7}},
            [NO_OUTPUT, NO_INPUT, NO_ENDPOINT, NO_REGION],
        ),
    ],
    ids=str,
)
def test_what_every_run_must_be_told_is_asked_for_at_once(monkeypatch, tmp_path, values, said):
    bare_environment(monkeypatch, tmp_path)
    assert lacking(values) == said


def test_a_configuration_of_a_program_is_asked_for_the_same(monkeypatch, tmp_path):
    bare_environment(monkeypatch, tmp_path)
    with pytest.raises(UsageError) as caught:
        check_complete(Config())
    assert str(caught.value) == f"{NO_OUTPUT}\n{NO_INPUT}\n{NO_ENDPOINT}\n{NO_REGION}"
    check_complete(Config.model_validate(NAMED))


def test_what_is_lacking_in_a_toml_file_is_told_with_its_lines(monkeypatch, tmp_path):
    bare_environment(monkeypatch, tmp_path)
    (tmp_path / "job.toml").write_text("[pacing]\nrate = 0\n\n[output]\n\n[endpoint]\nname = 'e'\n")
    with pytest.raises(UsageError) as caught:
        load_config(tmp_path / "job.toml", also=lacking)
    file = tmp_path / "job.toml"
    assert str(caught.value).splitlines() == [
        f"{file}:2: pacing.rate = 0: should be greater than 0",
        f"{NO_OUTPUT} (or `path` in [output], {file}:4)",
        f"{NO_INPUT} (or `paths` in [input], in {file})",
        NO_REGION,
    ]


@pytest.fixture
def given(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text("{}\n")
    return path


@pytest.mark.parametrize("name", ["out.parquet", "deep/er/out.parquet", "dataset/"])
def test_the_output_s_directory_is_made(given, tmp_path, name):
    output = f"{tmp_path}/{name}"
    check_paths([str(given), "s3://bucket/rows/", "-"], output)
    parent = tmp_path / name.rstrip("/").rpartition("/")[0]
    assert parent.is_dir()
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize(
    ("inputs", "output", "words"),
    [
        ([], "out.parquet", "no input: name files"),
        (["in.jsonl"], "-", "cannot go to standard output"),
        (["in.jsonl"], "in.jsonl", "is the input: choose another name"),
        (["other.jsonl", "link.jsonl"], "in.jsonl", "is the input: choose another name"),
        (["in.jsonl"], "in.jsonl/out.parquet", r"in\.jsonl cannot be made"),
        (["s3://b/k.parquet"], "s3://b/k.parquet", "is the input: choose another name"),
        (["in.jsonl"], "s3://bucket", "names no object"),
        (["in.jsonl"], "gs://bucket/out.parquet", "outputs are files here or in S3, not gs://"),
    ],
)
def test_what_cannot_be_meant(given, tmp_path, monkeypatch, inputs, output, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.jsonl").symlink_to(given)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UsageError, match=words):
        check_paths(inputs, output)
    assert sorted(tmp_path.iterdir()) == before


def test_looking_at_names_alone_makes_nothing(given, tmp_path):
    check_names([str(given)], f"{tmp_path}/deep/out.parquet")
    assert not (tmp_path / "deep").exists()


def test_a_file_that_is_not_there_is_no_other_file(given, tmp_path):
    assert is_same_file(given, tmp_path / "." / given.name)
    assert not is_same_file(given, tmp_path / "nowhere")
    assert not is_same_file(tmp_path / "nowhere", tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("path", "output"),
    [
        ("in", "in/out.parquet"),
        ("in/", "in/deep/out.parquet"),
        ("in", "in/out/"),
        ("in/../in", "in/out.parquet"),
        ("link", "in/out.parquet"),
        ("in/*.parquet", "in/out.parquet"),
        ("i*", "in/out.parquet"),
        ("**/*.parquet", "in/deep/out.parquet"),
    ],
)
def test_an_output_among_the_inputs_is_refused(tmp_path, path, output):
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to("in")
    with pytest.raises(UsageError, match=r"is among the inputs .* choose another place for it"):
        check_paths([f"{tmp_path}/{path}"], f"{tmp_path}/{output}")


@pytest.mark.parametrize(
    ("path", "output"),
    [
        ("in", "out.parquet"),
        ("in", "in.parquet"),
        ("in/*.jsonl", "in/out.parquet"),
        ("in/*.parquet", "in/deep/out.parquet"),
        ("in/x.jsonl", "in/out.parquet"),
        ("-", "in/out.parquet"),
    ],
)
def test_an_output_beside_the_inputs_is_not(tmp_path, path, output):
    (tmp_path / "in").mkdir()
    check_paths([f"{tmp_path}/{path}"], f"{tmp_path}/{output}")


@pytest.mark.parametrize(
    ("path", "output", "is_read"),
    [
        ("s3://b/q/", "s3://b/q/out.parquet", True),
        ("s3://b/q", "s3://b/q/deep/out.parquet", True),
        ("s3://b/q/*", "s3://b/q/out.parquet", True),
        ("s3://b/q/**/*.parquet", "s3://b/q/ds/", True),
        ("s3://b", "s3://b/out.parquet", True),
        ("s3://b/q/", "s3://b/q/_out/out.parquet", False),
        ("s3://b/q/", "s3://b/q2/out.parquet", False),
        ("s3://b/q/", "s3://c/q/out.parquet", False),
        ("s3://b/q/*.jsonl", "s3://b/q/out.parquet", False),
        ("s3://b/q/2026/", "s3://b/q/answers/2026/", False),
    ],
)
def test_an_output_in_s3_that_a_later_run_would_read_is_refused(path, output, is_read):
    if not is_read:
        check_paths([path], output)
        return
    with pytest.raises(UsageError, match="is among the inputs"):
        check_paths([path], output)


HOSTS = [
    "ECS_CONTAINER_METADATA_URI_V4",
    "ECS_CONTAINER_METADATA_URI",
    "AWS_BATCH_JOB_ID",
    "KUBERNETES_SERVICE_HOST",
]


@pytest.mark.parametrize("name", HOSTS)
def test_a_run_whose_disk_goes_with_its_task_names_what_there_is_instead(name):
    given = {"output": {"path": "s3://b/out.parquet"}}
    with pytest.raises(UsageError, match=rf"\({name} is set\)") as caught:
        check_host(Config.model_validate(given), {name: "x"})
    assert caught.value.exit is Exit.USAGE
    choices = [
        re.escape(choice) for choice in ("--run-dir s3://", "a mounted volume with --run-dir", "--ephemeral")
    ]
    assert re.search(".*".join(choices), str(caught.value)), "the three of them"
    for run in ({"dir": "/mnt/runs/tonight"}, {"ephemeral": True}, {"journal": False}):
        check_host(Config.model_validate({**given, "run": run}), {name: "x"})
    check_host(Config.model_validate(given), {name: "", "HOME": "/"})
    check_host(Config.model_validate({"output": {"path": "/mnt/out.parquet"}}), {name: "x"})
