"""`fanout doctor` as a person and a program meet it: lines, JSON, exit codes, and a row that is sent through."""

from __future__ import annotations

import json

import pytest
from support.cli import fanout, local_aws, write_jsonl


@pytest.fixture(scope="module")
def aws():
    with local_aws() as running:
        yield running


@pytest.fixture
def doctor(aws, tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [{"n": 1}])

    def run(*arguments, endpoint=aws.endpoint):
        words = ("doctor", "in.jsonl", "--endpoint", endpoint, "-o", "out.parquet", *arguments)
        return fanout(*words, env=aws.env, cwd=tmp_path)

    return run


def test_a_good_set_up_is_a_line_a_check_and_exit_0(doctor, aws, tmp_path):
    done = doctor("--send", "1")
    assert (done.returncode, done.stderr) == (0, "")
    *lines, last = done.stdout.splitlines()
    checks = [line.split()[1] for line in lines]
    assert [checks[0], checks[-1]] == ["configuration", "send"]
    assert last.startswith(f"{len(lines) - 1} ok, 1 warning, 0 failures in ")
    assert len(aws.log()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_what_fails_is_one_line_and_exit_4_and_mistakes_in_words_are_exit_2(doctor, aws):
    sent = len(aws.log())
    done = doctor("-q", endpoint="another")
    assert done.returncode == 4
    [line] = done.stdout.splitlines()
    assert line.startswith("fail  endpoint       endpoint 'another'")
    told = json.loads(doctor("--json", "--processes", "8", "--window", "4").stdout)
    assert told["exit_code"] == 2
    assert {each["check"] for each in told["checks"] if each["status"] == "fail"} == {"configuration"}
    assert doctor("--transport", "pigeon").returncode == 2
    assert len(aws.log()) == sent
