"""What the environment says of the way to AWS, and what the disk has left."""

from __future__ import annotations

import pytest

from fanout.commands.doctor.here import configuration, judge_disk, network, without_password
from fanout.config.model import Config


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        ({}, "no proxy, certificates or servers of your own are set"),
        ({"HTTPS_PROXY": ""}, "no proxy"),
        ({"https_proxy": "http://me:secret@proxy:3128", "NO_PROXY": "169.254.169.254"},
         "set here: https_proxy=http://...@proxy:3128; not by proxy: 169.254.169.254"),
        ({"AWS_ENDPOINT_URL_S3": "https://s3.example"}, "set here: AWS_ENDPOINT_URL_S3=https://s3.example"),
        ({"NO_PROXY": "a"}, "no proxy, certificates or servers"),
    ],
)  # fmt: skip
def test_what_is_in_force_is_named_without_passwords(environ, text):
    [found] = network(environ)
    assert (found.check, found.status) == ("network", "ok")
    assert text in found.text
    assert "secret" not in found.text


def test_a_host_whose_disk_goes_with_its_task_is_told_as_by_a_run():
    given = {
        "input": {"paths": ["in.jsonl"]},
        "endpoint": {"name": "e"},
        "output": {"path": "s3://b/out.parquet"},
    }
    [found] = configuration(Config.model_validate(given), {"AWS_BATCH_JOB_ID": "1"})
    assert found.status == "fail"
    assert "AWS_BATCH_JOB_ID is set" in found.text
    [found] = configuration(
        Config.model_validate(given | {"run": {"ephemeral": True}}), {"AWS_BATCH_JOB_ID": "1"}
    )
    assert found.status == "ok"


@pytest.mark.parametrize("url", ["http://", "https://[::1", "http://me:secret@"])
def test_a_server_without_a_name_is_a_mistake(url):
    [found] = network({"AWS_ENDPOINT_URL": url})
    assert found.status == "fail"
    assert "AWS_ENDPOINT_URL=" in found.text
    assert "secret" not in found.text


def test_a_password_may_hold_an_at():
    assert without_password("http://me:a@b@proxy:1") == "http://...@proxy:1"
    assert without_password("me:secret@proxy:1") == "...@proxy:1"


def test_parts_and_output_stand_side_by_side():
    [found] = judge_disk({"/data": 2_000_000}, input_bytes=1_000_000)
    assert (found.status, found.text) == ("ok", "2.0 MB free, the input is 1.0 MB large")
    short, other = judge_disk({"/data": 1_999_999, "/tmp": 1}, input_bytes=1_000_000)
    assert (short.status, other.status) == ("warn", "warn")
    assert short.text.startswith("/data has 2.0 MB free, and the input is 1.0 MB large")
    assert other.text.startswith("/tmp has 0.0 MB free")
    assert judge_disk({}, input_bytes=1) == []
    assert judge_disk({"/": 1}, input_bytes=None)[0].text == "0.0 MB free, the input is of unknown size"


def test_each_thing_that_a_configuration_lacks_is_a_finding_of_one_line():
    found = configuration(Config.model_validate({"input": {"paths": ["rows.jsonl"]}}), {})
    said = [each.text for each in found]
    assert said[0] == "no output: name a file with -o out.parquet"
    assert said[1] == "no endpoint: name it with --endpoint, or try --local"
    assert not [text for text in said if "\n" in text]
