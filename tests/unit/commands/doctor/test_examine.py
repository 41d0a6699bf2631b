"""Set-ups in which one thing is wrong: the right line says so, nothing is sent, and nothing stays behind."""

from __future__ import annotations

import json
import socket
import time
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from types import SimpleNamespace

import anyio
import pytest
from botocore import auth
from support.cli import write_jsonl
from support.stalls import watched

from fanout.commands.doctor import asking, here
from fanout.commands.doctor.examine import examine
from fanout.config.load import load_config
from fanout.domain.ids import new_run
from fanout.errors import Exit
from fanout.output.object_place import is_remote, object_place
from fanout.rundir.claim import Owner, claimed
from fanout.rundir.journal import Journal
from fanout.rundir.manifest import Manifest
from fanout.rundir.paths import RunDirectory
from fanout.runtime.claim_note import Note
from fanout.runtime.claim_object import claim_location

from .conftest import NOTHING


def denying(*operations):
    return {"faults": {"denied": list(operations)}}


def nothing(_setup):
    pass


def flags(**sections):
    return lambda setup: setup.change(**sections)


def lacking(section, key):
    return lambda setup: setup.flags[section].pop(key)


def exists(setup):
    (setup.folder / "out.parquet").write_bytes(b"of another program")


def stands_in_s3(setup):
    setup.world.objects.put("simulated", "out.parquet", b"x", content_type=None, now=0.0)
    setup.change(output={"path": "s3://simulated/out.parquet"})


def bad_rows(setup):
    (setup.folder / "in.jsonl").write_bytes(b"not json\n[1]\n")


def one_bad_row(setup):
    (setup.folder / "in.jsonl").write_bytes(b'{"n": 1}\nnot json\n')


def large_row(setup):
    write_jsonl(setup.folder / "in.jsonl", [{"n": 1}, {"n": "x" * 128_001}])
    del setup.flags["transport"]["input_prefix"]


def shared(name="shared", **attributes):
    return lambda setup: setup.change(collect={"queue_url": setup.queue(name, **attributes)})


def gone_queue(setup):
    setup.change(collect={"queue_url": f"{setup.served.url}/123456789012/nowhere"})


def foreign_queue(setup):
    setup.change(collect={"queue_url": "https://sqs.eu-central-1.amazonaws.com/123456789012/shared"})


def small_disk(setup):
    setup.monkeypatch.setattr(here.shutil, "disk_usage", lambda _: here.shutil._ntuple_diskusage(9, 8, 1))


def wrong_clock(setup):
    setup.monkeypatch.setattr("fanout.aws.control.time", SimpleNamespace(time=lambda: time.time() - 600.0))


def wrong_secret(setup):
    setup.set(AWS_SECRET_ACCESS_KEY="wrong")


def no_keys(setup):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        setup.without(name)


REDRIVE = json.dumps(
    {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:dead", "maxReceiveCount": "3"}
)
OPEN = json.dumps(
    {
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:sns:us-east-1:123456789012:simulated-*"}},
        }
    }
)
BROKEN = {
    "no output": ({}, lacking("output", "path"), "configuration fail", "no output: name a file with -o"),
    "no input": ({}, lacking("input", "paths"), "configuration fail", "no input: name files"),
    "an output among the inputs": (
        {},
        lambda setup: setup.change(input={"paths": [str(setup.folder)]}),
        "configuration fail",
        "is among the inputs",
    ),
    "a date that is none": (
        {},
        lambda setup: setup.change(output={"path": str(setup.folder / "{day}.parquet")}),
        "configuration fail",
        "output.path: ",
    ),
    "a disk that goes with its task": (
        {},
        lambda setup: (
            setup.set(AWS_BATCH_JOB_ID="1"),
            setup.change(output={"path": "s3://simulated/out.parquet"}),
        ),
        "configuration fail",
        "(AWS_BATCH_JOB_ID is set)",
    ),
    "more processes than rows at once": (
        {},
        flags(run={"processes": 8}, pacing={"window": 4}),
        "configuration fail",
        "window",
    ),
    "more connections than may be open": (
        {},
        flags(transport={"concurrency": 10**9}),
        "descriptors fail",
        "ulimit -n",
    ),
    "authorities that are not there": (
        {},
        lambda setup: setup.set(AWS_CA_BUNDLE="/nowhere/ca.pem"),
        "network fail",
        "/nowhere/ca.pem, which cannot be used",
    ),
    "settings of the local AWS that it does not know": (
        {},
        flags(local={"enabled": True, "simulator": {"failur_share": 1}}),
        "configuration fail",
        "[local.simulator] unknown key 'failur_share'",
    ),
    "no credentials": ({}, no_keys, "credentials fail", "No AWS credentials: set AWS_PROFILE"),
    "no such profile": (
        {},
        flags(endpoint={"profile": "nobodys"}),
        "credentials fail",
        "profile 'nobodys' does not exist",
    ),
    "no region": (
        {},
        lambda setup: setup.without("AWS_REGION"),
        "credentials fail",
        "No AWS region: set --region",
    ),
    "inline where it is not offered": (
        {},
        flags(transport={"mode": "inline", "inline_regions": ["eu-west-1"]}),
        "transport fail",
        "use --transport auto",
    ),
    "inline where it may be done without": (
        {},
        flags(transport={"inline_regions": ["eu-west-1"]}),
        "transport warn",
        "every payload goes via S3",
    ),
    "via S3 without a place": (
        {},
        lambda setup: (setup.change(transport={"mode": "s3"}), lacking("transport", "input_prefix")(setup)),
        "transport fail",
        "--input-prefix",
    ),
    "a clock that is ten minutes off": (
        {},
        wrong_clock,
        "clock fail",
        "behind AWS's, and AWS refuses what is signed with it",
    ),
    "who calls may not be asked": (
        denying("GetCallerIdentity"),
        nothing,
        "identity warn",
        "grant sts:GetCallerIdentity",
    ),
    "no such endpoint": ({}, flags(endpoint={"name": "another"}), "endpoint fail", "endpoint 'another'"),
    "an endpoint that is not asynchronous": (
        {"asynchronous": False},
        nothing,
        "endpoint fail",
        "is not asynchronous",
    ),
    "an endpoint that is being created": (
        {"status": "Creating"},
        nothing,
        "endpoint fail",
        "is Creating, not InService: wait",
    ),
    "an endpoint that failed": ({"status": "Failed"}, nothing, "endpoint fail", "look at its FailureReason"),
    "an endpoint at zero": ({"instances": 0}, nothing, "endpoint warn", "has no instance now"),
    "no right to describe": (
        denying("DescribeEndpoint"),
        nothing,
        "endpoint warn",
        "grant sagemaker:DescribeEndpoint and sagemaker:DescribeEndpointConfig",
    ),
    "no topics": ({"notifications": {"enabled": False}}, nothing, "notifications warn", "notifies no topic"),
    "no failure path": ({"failure_prefix": None}, nothing, "failures warn", "has no S3FailurePath"),
    "no response in notifications": (
        {},
        flags(collect={"trust_responses": True}),
        "responses warn",
        "IncludeInferenceResponseIn",
    ),
    "no right to ask for the backlog": (
        denying("GetMetricStatistics"),
        nothing,
        "backlog warn",
        "grant cloudwatch:GetMetricStatistics",
    ),
    "no right to make a queue": (denying("CreateQueue"), nothing, "queue fail", "Grant sqs:CreateQueue"),
    "no right to open the queue to topics": (
        denying("SetQueueAttributes"),
        nothing,
        "queue fail",
        "sqs:SetQueueAttributes",
    ),
    "no right to subscribe": (denying("Subscribe"), nothing, "queue fail", "sns:Subscribe"),
    "no right to receive": (denying("ReceiveMessage"), nothing, "queue fail", "Grant sqs:ReceiveMessage"),
    "no right to delete messages": (
        denying("DeleteMessageBatch"),
        nothing,
        "queue fail",
        "Grant sqs:DeleteMessage",
    ),
    "no right to tag": (denying("TagQueue"), nothing, "queue warn", "grant sqs:TagQueue"),
    "no such queue": ({}, gone_queue, "queue fail", "check --queue-url"),
    "a queue elsewhere": ({}, foreign_queue, "queue fail", "is in eu-central-1"),
    "a queue that makes dead letters": (
        {},
        shared(RedrivePolicy=REDRIVE),
        "queue fail",
        "has a redrive policy",
    ),
    "a queue that topics may not send to": ({}, shared(), "queue warn", "Allow sqs:SendMessage"),
    "a queue that delivers too soon": (
        {},
        shared(Policy=OPEN, VisibilityTimeout="29"),
        "queue warn",
        "delivers a message again after 29 s",
    ),
    "a queue that may not be looked at": (
        denying("GetQueueAttributes"),
        shared(Policy=OPEN),
        "queue warn",
        "grant sqs:GetQueueAttributes",
    ),
    "no right to list results": (denying("ListObjectsV2"), nothing, "results warn", "s3:ListBucket"),
    "no right to read results": (denying("GetObject"), nothing, "results fail", "Grant s3:GetObject"),
    "no such bucket for uploads": (
        {},
        flags(transport={"input_prefix": "s3://nowhere/x"}),
        "uploads fail",
        "There is no bucket nowhere",
    ),
    "no right to upload": (
        denying("PutObject"),
        nothing,
        "uploads fail",
        "Grant s3:PutObject on s3://simulated/",
    ),
    "a key that is disabled": (
        {"faults": {"disabled_kms_keys": ["k-1"]}},
        flags(transport={"kms_key_id": "k-1"}),
        "uploads fail",
        "have it enabled",
    ),
    "no such input": ({}, lambda setup: (setup.folder / "in.jsonl").unlink(), "input fail", "in.jsonl"),
    "no such column": ({}, flags(payload={"column": "prompt"}), "input fail", "prompt"),
    "no such input in S3": (
        {},
        flags(input={"paths": ["s3://nowhere/in.jsonl"]}),
        "input fail",
        "s3://nowhere",
    ),
    "rows that are all bad": ({}, bad_rows, "rows fail", "all 2 rows would be rejected"),
    "a row that is bad": ({}, one_bad_row, "rows warn", "1 of all 2 rows would be rejected"),
    "a row too large to go inline": ({}, large_row, "rows warn", "NoInputPrefix"),
    "an output that exists": ({}, exists, "output fail", "replace it with --overwrite"),
    "an output below a file": (
        {},
        lambda setup: setup.change(output={"path": str(setup.folder / "in.jsonl/out.parquet")}),
        "output fail",
        "cannot be made",
    ),
    "an output that exists in S3": ({}, stands_in_s3, "output fail", "s3://simulated/out.parquet exists"),
    "an output in no bucket": (
        {},
        flags(output={"path": "s3://nowhere/out.parquet"}),
        "output fail",
        "s3://nowhere/out.parquet",
    ),
    "a disk that is full": ({}, small_disk, "disk warn", "free space there"),
}


def problems(report):
    """Return what is not ok, but for what is true of every set-up here: it is simulated."""
    return [each for each in report.findings if each.status != "ok" and "it is simulated" not in each.text]


@pytest.mark.parametrize("name", BROKEN)
def test_a_set_up_in_which_one_thing_is_wrong(setting_up, name):
    settings, break_it, line, text = BROKEN[name]
    with setting_up(**settings) as setup:
        break_it(setup)
        before = setup.left_behind()
        report = setup.examine()
        assert {f"{each.check} {each.status}" for each in problems(report)} == {line}
        assert text in " ".join(each.text for each in problems(report))
        check, _, status = line.partition(" ")
        wanted = Exit.USAGE if check == "configuration" else Exit.PRECONDITION
        assert report.exit is (wanted if status == "fail" else Exit.OK)
        assert setup.world.log == [], "nothing is sent"
        assert setup.left_behind() == before


@pytest.mark.parametrize(
    "name",
    [
        "no right to receive",
        "no right to upload",
        "who calls may not be asked",
        "no such endpoint",
        "a key that is disabled",
        "no right to list results",
    ],
)
def test_the_sdk_s_client_finds_the_same(setting_up, name):
    settings, break_it, line, text = BROKEN[name]
    with setting_up("aiobotocore", **settings) as setup:
        break_it(setup)
        report = setup.examine()
        assert {f"{each.check} {each.status}" for each in problems(report)} == {line}
        assert text in " ".join(each.text for each in problems(report))
        assert setup.left_behind() == NOTHING


@pytest.mark.parametrize("client", ["wire", "aiobotocore"])
@pytest.mark.parametrize("mode", ["auto", "s3"])
def test_a_set_up_that_lacks_nothing(setting_up, client, mode):
    with setting_up(client) as setup:
        setup.change(transport={"mode": mode})
        report = setup.examine()
        assert problems(report) == []
        assert report.exit is Exit.OK
        texts = {each.check: each.text for each in report.findings}
        assert texts["identity"] == "arn:aws:iam::123456789012:user/simulated, account 123456789012"
        assert texts["rows"] == f"all 3 rows are valid: 3 {'inline' if mode == 'auto' else 'via S3'}"
        assert texts["input"] == "1 file of JSON Lines, 27 bytes"
        assert setup.world.log == []
        assert setup.left_behind() == NOTHING
        told = report.as_dict()
        assert (told["version"], told["exit_code"]) == (1, 0)
        assert [each["check"] for each in told["checks"]] == [each.check for each in report.findings]


def test_a_named_queue_is_looked_at_and_nothing_is_received_from_it(setting_up):
    with setting_up() as setup:
        shared(Policy=OPEN)(setup)
        setup.world.queues.send("shared", "another program's", now=time.time())
        report = setup.examine()
        assert problems(report) == []
        [text] = [each.text for each in report.findings if each.check == "queue"]
        assert "nothing is received from it here" in text
        assert setup.world.queues.statistics("shared", now=time.time()).visible == 1


def test_an_output_and_an_input_in_s3_are_proved_there(setting_up):
    with setting_up() as setup:
        setup.world.objects.put("simulated", "in/rows.jsonl", b'{"n": 1}\n', content_type=None, now=0.0)
        setup.change(input={"paths": ["s3://simulated/in/"]}, output={"path": "s3://simulated/out/"})
        setup.change(run={"dir": str(setup.folder / "run")})
        report = setup.examine()
        assert problems(report) == []
        said = [each.text for each in report.findings if each.check == "output"]
        assert said == ["s3://simulated/out/: an upload was begun and aborted"]
        assert setup.left_behind() == NOTHING


def test_an_upload_that_may_not_be_aborted_is_named_and_so_is_where_it_stays(setting_up):
    with setting_up(**denying("AbortMultipartUpload")) as setup:
        report = setup.examine()
        [found] = problems(report)
        assert (found.check, found.status) == ("uploads", "warn")
        assert "begun to see whether it may be stays" in found.text
        assert "s3://simulated/inputs/00/" in found.text
        assert "s3:AbortMultipartUpload" in found.text


def test_a_secret_that_does_not_fit_is_said_of_the_credentials(setting_up):
    with setting_up() as setup:
        wrong_secret(setup)
        report = setup.examine()
        assert report.exit is Exit.PRECONDITION
        [text] = [
            each.text for each in report.findings if each.check == "credentials" and each.status == "fail"
        ]
        assert "The secret key does not belong to the access key" in text
        assert setup.left_behind() == NOTHING


def test_a_clock_for_which_every_call_is_refused_has_its_line_too(setting_up, monkeypatch):
    true_now = auth.get_current_datetime
    monkeypatch.setattr(auth, "get_current_datetime", lambda: true_now() - timedelta(minutes=16))
    ours = SimpleNamespace(time=lambda: time.time() - 960.0)  # not the simulator's, in this process
    monkeypatch.setattr("fanout.aws.call_errors.time", ours)
    with setting_up("aiobotocore") as setup:
        report = setup.examine()
        [text] = [each.text for each in report.findings if each.check == "clock"]
        assert "The clock of this machine is 16 minutes behind AWS's: set it (chronyc makestep)" in text
        assert report.exit is Exit.PRECONDITION


def test_standard_input_is_left_to_the_run(setting_up, monkeypatch):
    with setting_up() as setup:
        setup.change(input={"paths": ["-"]})
        monkeypatch.setattr("fanout.runtime.session.kept_stdin", lambda: pytest.fail("it was taken"))
        [found] = problems(setup.examine())
        assert (found.check, found.status) == ("input", "warn")


def test_nothing_is_made_on_the_disk_for_an_output_whose_directory_is_still_to_be_made(setting_up):
    with setting_up() as setup:
        setup.change(output={"path": str(setup.folder / "new/deep/out.parquet")})
        assert problems(setup.examine()) == []
        assert setup.left_behind() == NOTHING


def test_paths_have_the_date_that_a_run_gives_them(setting_up):
    with setting_up() as setup:
        (setup.folder / "in.jsonl").rename(setup.folder / "in-2026-11-30.jsonl")
        setup.change(input={"paths": [str(setup.folder / "in-{date}.jsonl")]}, run={"date": "2026-11-30"})
        setup.change(output={"path": str(setup.folder / "out-{date:%Y}.parquet")})
        report = setup.examine()
        assert problems(report) == []
        [said] = [each.text for each in report.findings if each.check == "output"]
        assert said.startswith(f"{setup.folder}/out-2026.parquet can be written")


@pytest.mark.parametrize("output", ["out.parquet", "s3://simulated/out.parquet", "s3://simulated/out/"])
def test_an_output_that_another_run_has_is_not_free(setting_up, output):
    with setting_up() as setup:
        path = output if is_remote(output) else str(setup.folder / output)
        setup.change(output={"path": path}, run={"dir": str(setup.folder / "mine")})
        run_id, directory = new_run(), RunDirectory(setup.folder / "theirs")
        owner = Owner.here(run_id, run_dir=directory.path, now=time.time(), begun=True)
        if is_remote(path):
            place = claim_location(object_place(path))
            body = Note(owner, "theirs").encode()
            setup.world.objects.put(*place, body, content_type=None, now=time.time())
        else:
            with claimed(path) as held:
                held.note(owner)
        directory.create()
        with closing(Journal(directory.journal)):
            [live] = problems(setup.examine())
        assert (live.check, live.status) == ("output", "fail")
        assert f"is in use by another process, run {run_id}" in live.text

        Manifest(run_id, load_config(flags=setup.flags), "", "simulated").write(directory.manifest)
        before = setup.left_behind()
        [unfinished] = problems(setup.examine())
        assert (unfinished.check, unfinished.status) == ("output", "fail")
        assert f"`fanout resume {directory.path}` goes on" in unfinished.text
        setup.change(run={"resume": True})
        assert problems(setup.examine()) == []
        assert setup.left_behind() == before


@contextmanager
def black_hole():
    """Yield the url of a server that takes connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("client", ["wire", "aiobotocore"])
def test_hosts_that_a_run_does_without_cost_no_time(setting_up, client, monkeypatch):
    bound_s = asking.OPTIONAL_WITHIN_S
    with setting_up(client) as setup, black_hole() as url:
        monkeypatch.setattr(asking, "OPTIONAL_WITHIN_S", bound_s)
        setup.set(AWS_ENDPOINT_URL_STS=url, AWS_ENDPOINT_URL_CLOUDWATCH=url)
        with watched() as machine:
            report = setup.examine()
        assert {f"{each.check} {each.status}" for each in problems(report)} == {
            "identity warn",
            "backlog warn",
        }
        assert report.exit is Exit.OK
        assert report.seconds < 3.0 + machine.late_s
        assert setup.left_behind() == NOTHING


def test_nothing_stays_behind_when_it_is_interrupted(setting_up, monkeypatch):
    with setting_up() as setup:
        seen = []

        async def main():
            asked = anyio.Event()

            async def wait(_queue):
                asked.set()
                await anyio.sleep_forever()

            monkeypatch.setattr("fanout.commands.doctor.queue._refusals", wait)
            async with anyio.create_task_group() as tasks:
                config = load_config(flags=setup.flags)
                tasks.start_soon(partial(examine, config, environ=setup.environ))
                await asked.wait()
                seen.append(setup.left_behind()["queues"])
                tasks.cancel_scope.cancel()

        anyio.run(main)
        assert [len(queues) for queues in seen] == [1], "it was there"
        assert setup.left_behind() == NOTHING


@pytest.mark.parametrize("payload", [10, 200_000])
def test_a_row_is_sent_through_where_that_is_asked_for(setting_up, payload):
    with setting_up() as setup:
        write_jsonl(setup.folder / "in.jsonl", [{"n": "x" * payload}, {"n": 2}])
        report = setup.examine(send=1)
        assert problems(report) == []
        [sent] = [each for each in report.findings if each.check == "send"]
        way = "row 0 succeeded, inline" if payload == 10 else "row 0 succeeded, s3"
        assert sent.text.startswith(way)
        assert "accepted in" in sent.text
        assert sent.text.endswith("ms in all")
        assert len(setup.world.log) == 1
        assert setup.left_behind() == NOTHING


def test_a_row_that_the_model_fails_is_a_failure_with_its_words(setting_up):
    with setting_up(failure_share=1.0) as setup:
        setup.change(retry={"generations": 0})
        report = setup.examine(send=1)
        [sent] = [each for each in report.findings if each.check == "send"]
        assert sent.status == "fail"
        assert "row 0 failed" in sent.text
        assert report.exit is Exit.PRECONDITION


@pytest.mark.parametrize(
    ("break_it", "text"),
    [
        (exists, "since a check failed"),
        (lambda setup: setup.change(input={"paths": ["-"]}), "no valid row was read"),
    ],
)
def test_nothing_is_sent_from_a_set_up_that_fails(setting_up, break_it, text):
    with setting_up() as setup:
        break_it(setup)
        report = setup.examine(send=1)
        [said] = [each for each in report.findings if each.check == "send"]
        assert (said.status, text in said.text) == ("warn", True)
        assert setup.world.log == []


def test_a_place_for_the_state_of_a_run_is_proved_and_nothing_stays(setting_up):
    with setting_up() as setup:
        setup.change(run={"dir": "s3://simulated/runs/"})
        report = setup.examine()
        [place] = [each for each in report.findings if each.check == "place"]
        assert (place.status, "no run is there; an upload was begun" in place.text) == ("ok", True)
        assert setup.left_behind() == NOTHING


@pytest.mark.parametrize(("resume", "status"), [(False, "fail"), (True, "ok")])
def test_a_place_that_holds_a_run_is_said_to(setting_up, resume, status):
    with setting_up() as setup:
        setup.world.objects.put("simulated", "runs/tonight/run.json", b"{}", content_type=None, now=0.0)
        setup.change(run={"dir": "s3://simulated/runs/tonight", "resume": resume})
        [place] = [each for each in setup.examine().findings if each.check == "place"]
    assert place.status == status
    assert ("`fanout resume s3://simulated/runs/tonight`" in place.text) is not resume


def test_a_place_that_may_not_be_written_is_said_to(setting_up):
    with setting_up(**denying("CreateMultipartUpload")) as setup:
        setup.change(run={"dir": "s3://simulated/runs/"})
        [place] = [each for each in setup.examine().findings if each.check == "place"]
    assert (place.status, "s3:PutObject" in place.text) == ("fail", True)
