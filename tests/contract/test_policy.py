"""What `infra iam` grants is enough for every documented way of its verb, and nothing of it can be left out.

Each way is a real run in this process against the simulator over HTTP, which denies what no statement allows.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.settings import model_retry
from support.simulator_http import serving
from support.templates import resolved

import fanout
from fanout.aws.parts import aborting
from fanout.bench.run import run_bench
from fanout.commands.doctor.examine import examine
from fanout.commands.infra.described import Described
from fanout.commands.infra.iam import grant
from fanout.commands.infra.permissions import statements
from fanout.commands.infra.queue import shared_queue
from fanout.commands.infra.stack import StackOptions, stack
from fanout.commands.infra.uses import Verb, uses_of
from fanout.commands.s3_scan import scan
from fanout.concurrency.clock import SystemClock
from fanout.config.load import load_config
from fanout.config.model import BenchSection, InputSection
from fanout.domain.location import Location
from fanout.domain.output_paths import OutputPaths
from fanout.engine import result_objects
from fanout.engine.snapshot import Quiet
from fanout.errors import RunError
from fanout.runtime.session import open_session
from fanout.simulator.authorization import Authorization

KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
OUTPUT_KEY = "arn:aws:kms:us-east-1:123456789012:key/66666666-7777-8888-9999-000000000000"
BUCKETS = ["results", "lake", "uploads", "outputs", "state"]


@dataclass(frozen=True)
class Way:
    """One documented way of a run: its configuration, and the account that it meets."""

    config: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    account: Mapping[str, Any] = field(default_factory=dict)
    rows: int = 3
    payload_bytes: int = 10
    uses: frozenset[str] = frozenset()


UPLOADS = {"input_prefix": "s3://uploads/in"}
WAYS = {
    "inline": Way(),
    "via S3": Way({"transport": {**UPLOADS, "mode": "s3"}}),
    "via S3, tagged, with a key": Way(
        {"transport": {**UPLOADS, "mode": "s3", "kms_key_id": KEY, "input_tags": {"team": "a"}}}
    ),
    "via S3, in parts, with a key's alias": Way(
        {"transport": {**UPLOADS, "mode": "s3", "kms_key_id": "alias/payloads"}},
        rows=1,
        payload_bytes=33 * 2**20,
        uses=frozenset({"kms:Decrypt"}),
    ),
    "kept inputs": Way({"transport": {**UPLOADS, "mode": "s3", "keep_inputs": True}}),
    "input: an object": Way({"input": {"paths": ["s3://lake/day/rows.jsonl"]}}),
    "input: a prefix": Way({"input": {"paths": ["s3://lake/day"]}}),
    "input: a glob": Way({"input": {"paths": ["s3://lake/d*/row[s].json?"]}}),
    "output: an object": Way(
        {"output": {"path": "s3://outputs/answers.parquet"}}, uses=frozenset({"s3:AbortMultipartUpload"})
    ),
    "output: a dataset": Way({"output": {"path": "s3://outputs/answers/"}}),
    "output: a dataset that is replaced": Way(
        {"output": {"path": "s3://outputs/old/", "overwrite": True}}, uses=frozenset({"s3:DeleteObject"})
    ),
    "state in S3": Way(
        {"run": {"dir": "s3://state/runs/"}}, uses=frozenset({"s3:DeleteObject", "s3:ListBucket"})
    ),
    "shared queue": Way({"collect": {"queue_url": "QUEUE"}}),
    "without notifications": Way({"collect": {"notifications": False}}, uses=frozenset({"s3:ListBucket"})),
    "no topics": Way(account={"notifications": {"enabled": False}}),
    "one topic": Way(account={"notifications": {"separate_topics": False}}),
    "outputs with a key": Way(account={"output_kms_key": OUTPUT_KEY}),
    "rows that fail": Way(account={"failure_share": 1.0}),
    "by aiobotocore": Way(
        {
            "transport": {**UPLOADS, "mode": "s3", "client": "aiobotocore"},
            "input": {"paths": ["s3://lake/day/"]},
            "output": {"path": "s3://outputs/answers/"},
        }
    ),
}


CONTINGENT = frozenset(
    {
        "cloudwatch:GetMetricStatistics",  # where a failure leaves no trace
        "s3:ListBucket",  # where messages do not come, or the journal is lost
        "s3:AbortMultipartUpload",  # where an upload in parts breaks off; an output's is proved so
        "kms:Decrypt",  # where an upload goes in parts
        "s3:DeleteObject",  # where an output is replaced
    }
)
"""Rights that not every way uses that they are granted for; `Way.uses` names one that does."""
NEEDED = [
    ("inline", "DescribeTheEndpoint", "warns", "sagemaker:DescribeEndpoint"),
    ("inline", "SendRows", "fails", "sagemaker:InvokeEndpointAsync"),
    ("input: an object", "ReadTheInput", "fails", "s3:GetObject"),
    ("input: a prefix", "ReadTheInput", "fails", "s3:GetObject"),
    ("input: a prefix", "ListTheInput", "fails", "s3:ListBucket"),
    ("input: a glob", "ListTheInput", "fails", "s3:ListBucket"),
    ("via S3", "UploadPayloads", "fails", "s3:PutObject"),
    ("via S3, tagged, with a key", "UploadPayloads", "fails", "s3:PutObjectTagging"),
    ("via S3", "DeleteUploadedPayloads", "warns", "s3:DeleteObject"),
    ("via S3, tagged, with a key", "EncryptWhatIsWritten", "fails", "kms:GenerateDataKey"),
    ("via S3, in parts, with a key's alias", "EncryptWhatIsWritten", "fails", "kms:GenerateDataKey"),
    ("shared queue", "ListenToTheSharedQueue", "fails", "sqs:ReceiveMessage"),
    ("inline", "MakeAQueueForTheRun", "fails", "sqs:CreateQueue"),
    ("inline", "SubscribeTheQueue", "fails", "sns:Subscribe"),
    ("one topic", "SubscribeTheQueue", "fails", "sns:Subscribe"),
    ("inline", "ReadResults", "fails", "s3:GetObject"),
    ("without notifications", "TellMissingFromDenied", "warns", "s3:ListBucket"),
    ("outputs with a key", "DecryptResults", "fails", "kms:Decrypt"),
    ("output: an object", "WriteTheOutput", "fails", "s3:PutObject"),
    ("output: an object", "ClaimTheOutput", "fails", "s3:PutObject"),
    ("state in S3", "KeepTheStateOfTheRun", "fails", "s3:GetObject"),
    ("state in S3", "TellWhatIsAtThePlace", "fails", "s3:ListBucket"),
    ("output: a dataset", "WriteTheOutput", "fails", "s3:PutObject"),
    ("output: a dataset", "ListTheOutput", "fails", "s3:ListBucket"),
]
"""Way, the statement that is taken out, and how the run tells which right it lacks."""


class Account:
    """A simulated account whose caller has a policy, and the run that it is asked for."""

    def __init__(self, served, way, monkeypatch, tmp_path):
        self.world, self.served, self.way = served.world, served, way
        identity = served.server.identity
        for name in [name for name in os.environ if name.startswith(("AWS_", "FANOUT_"))]:
            monkeypatch.delenv(name)
        for name, value in {
            "AWS_ENDPOINT_URL": served.url,
            "AWS_REGION": identity.region,
            "AWS_ACCESS_KEY_ID": identity.access_key_id,
            "AWS_SECRET_ACCESS_KEY": identity.secret_access_key,
            "AWS_SESSION_TOKEN": identity.session_token,
        }.items():
            monkeypatch.setenv(name, value)
        self.config = self._configured(tmp_path)
        self.uses = uses_of(
            self.config,
            Verb.RUN,
            endpoint=self.world.describe("Simulated"),
            region=identity.region,
            account_id=None,
        )
        self.statements = {each.sid: each for each in statements(self.uses)}

    def _configured(self, tmp_path):
        sections = {name: dict(section) for name, section in self.way.config.items()}
        lines = [json.dumps({"n": n, "text": "x" * self.way.payload_bytes}) for n in range(self.way.rows)]
        rows = "\n".join(lines).encode()
        (tmp_path / "rows.jsonl").write_bytes(rows)
        objects = self.world.objects
        objects.put("lake", "day/rows.jsonl", rows, content_type=None, now=0.0)
        pq.write_table(pa.table({"n": [1]}), tmp_path / "old.parquet")
        old = (tmp_path / "old.parquet").read_bytes()
        for name in ("part-00000.parquet", "part-00007.parquet", "_SUCCESS"):
            objects.put("outputs", f"old/{name}", old, content_type=None, now=0.0)
        sections.setdefault("input", {}).setdefault("paths", [str(tmp_path / "rows.jsonl")])
        sections.setdefault("output", {}).setdefault("path", str(tmp_path / "out.parquet"))
        sections["run"] = {"dir": str(tmp_path / "run"), "grace_s": 1.0, **sections.get("run", {})}
        sections["run"]["scratch"] = str(tmp_path / "scratch")
        sections.setdefault("collect", {}).setdefault("quiet_s", 0.2)
        sections["endpoint"] = {"name": "Simulated"}
        if sections["collect"].get("queue_url"):
            sections["collect"]["queue_url"] = self.served.subscribe("shared", RawMessageDelivery="true")
        return load_config(flags=sections)

    def granted(self, verb=Verb.RUN, *, without=None, lacking=None):
        """Have the caller be allowed what `infra iam` says, but for one statement, or one right of it."""
        described = Described(self.world.describe("Simulated"), "us-east-1")
        document = json.loads(json.dumps(grant(self.config, verb, described, account_id=None).content))
        document["Statement"] = [each for each in document["Statement"] if each["Sid"] != without]
        for each in document["Statement"]:
            each["Action"] = [action for action in each["Action"] if action != lacking]
        self.world.authorization = Authorization(document)
        return document

    def run(self):
        return fanout.run(self.config)


@pytest.fixture
def account(request, monkeypatch, tmp_path):
    way = WAYS[request.param]
    settings = {"endpoint_name": "Simulated", "buckets": BUCKETS, **way.account}
    with serving(**settings) as served:
        yield Account(served, way, monkeypatch, tmp_path)


@pytest.mark.parametrize("account", WAYS, indirect=True)
def test_the_policy_is_enough_for_every_way_and_grants_what_it_uses(account, caplog):
    document = account.granted()
    summary = account.run()
    way = account.way
    status = "failed" if way.account.get("failure_share") else "succeeded"
    assert summary.by_status == {status: way.rows}
    assert not re.search("grant|denied|permi", " ".join((*summary.warnings, caplog.text)), re.IGNORECASE)
    granted = {action for each in document["Statement"] for action in each["Action"]}
    assert granted - account.world.authorization.used <= CONTINGENT - way.uses


def outcome(account, caplog):
    """Return what a person is told by a run: its error, or its warnings and its log."""
    try:
        summary = account.run()
    except RunError as error:
        return "fails", str(error)
    return "warns", " ".join((*summary.warnings, caplog.text))


@pytest.mark.campaign
@pytest.mark.parametrize(("account", "sid", "how", "right"), NEEDED, indirect=["account"])
def test_without_any_one_statement_something_fails_by_name(account, sid, how, right, caplog, monkeypatch):
    monkeypatch.setattr(
        result_objects, "DENIED_S", 0.2
    )  # how long refusals go on until the run believes them,
    monkeypatch.setattr(result_objects, "LOOKS", 2)  # and how many there must be of each object
    assert sid in account.statements
    account.granted(without=sid)
    found, said = outcome(account, caplog)
    assert (found, right in said) == (how, True), said


def test_every_statement_is_taken_out_once():
    """By the page, which has every statement (`tests/unit/commands/infra/test_permissions.py`)."""
    page = Path(__file__).parents[2] / "docs" / "infra.md"
    below = {"AskForTheBacklog", "FindUploadsForARebuild"}
    of_runs, _, _ = page.read_text().partition("And of `--for gc`")
    assert set(re.findall(r"^\| `([A-Z]\w+)` \|", of_runs, re.MULTILINE)) == below | {
        sid for _, sid, _, _ in NEEDED
    }


RIGHTS = [
    ("via S3, tagged, with a key", "s3:PutObjectTagging", "fails"),
    ("inline", "sagemaker:DescribeEndpointConfig", "warns"),
    ("inline", "sqs:TagQueue", "warns"),
    ("inline", "sqs:GetQueueAttributes", "fails"),
    ("inline", "sqs:SetQueueAttributes", "fails"),
    ("inline", "sqs:ReceiveMessage", "fails"),
    ("inline", "sqs:DeleteMessage", "warns"),
    ("inline", "sqs:DeleteQueue", "warns"),
    ("inline", "sns:Unsubscribe", "warns"),
    ("shared queue", "sqs:GetQueueAttributes", "warns"),
    ("shared queue", "sqs:DeleteMessage", "warns"),
    ("output: an object", "s3:AbortMultipartUpload", "warns"),
    ("output: a dataset that is replaced", "s3:DeleteObject", "fails"),
    ("via S3, in parts, with a key's alias", "kms:Decrypt", "fails"),
]


EVERY_DAY = {
    "sagemaker:DescribeEndpointConfig",
    "sqs:SetQueueAttributes",
    "sns:Unsubscribe",
    "s3:PutObjectTagging",
}
"""One of each service but KMS, two without which a run fails; the campaign takes out each."""


@pytest.mark.parametrize(
    ("account", "right", "how"),
    [pytest.param(*each, marks=[] if each[1] in EVERY_DAY else pytest.mark.campaign) for each in RIGHTS],
    indirect=["account"],
)
def test_without_any_one_right_it_is_named(account, right, how, caplog):
    account.granted(lacking=right)
    found, said = outcome(account, caplog)
    assert (found, right in said) == (how, True), said


# What `infra cfn` and `infra queue` make.


def names_of(account):
    settings = account.world.settings
    return {
        "AWS::Partition": "aws",
        "AWS::Region": settings.region,
        "AWS::AccountId": settings.account_id,
        "Inputs": "uploads",
        "Results": "results",
        "Endpoint": f"arn:aws:sagemaker:{settings.region}:{settings.account_id}:endpoint/simulated",
        "CompletedTopic": settings.success_topic,
        "FailedTopic": settings.error_topic,
        "KmsKeyArn": KEY,
        "SharedQueue.Arn": f"arn:aws:sqs:{settings.region}:{settings.account_id}:shared",
    }


def deploy_queue(account, template):
    """Make what a template says of a queue, and return its url."""
    names = names_of(account)
    resources = {name: each for name, each in template["Resources"].items() if name.startswith("SharedQueue")}
    sqs, sns = account.served.client("sqs"), account.served.client("sns")
    url = ""
    for resource in resources.values():
        properties = resolved(resource["Properties"], names | {"SharedQueue": url})
        if resource["Type"] == "AWS::SQS::Queue":
            name = properties.pop("QueueName", "shared")
            attributes = {key: str(value).lower() for key, value in properties.items()}
            url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        elif resource["Type"] == "AWS::SQS::QueuePolicy":
            policy = json.dumps(properties["PolicyDocument"])
            sqs.set_queue_attributes(QueueUrl=properties["Queues"][0], Attributes={"Policy": policy})
        elif resource["Type"] == "AWS::SNS::Subscription":
            attributes = {
                "RawMessageDelivery": str(properties["RawMessageDelivery"]).lower(),
                "FilterPolicyScope": properties["FilterPolicyScope"],
                "FilterPolicy": json.dumps(properties["FilterPolicy"]),
            }
            topic, arn = properties["TopicArn"], properties["Endpoint"]
            sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
    return url


IN_THE_STACK = Way(
    {
        "transport": {"input_prefix": "s3://uploads/uploads", "mode": "s3", "kms_key_id": KEY},
        "output": {"path": "s3://results/answers/today/"},
    },
    {"output_prefix": "outputs", "failure_prefix": "failures", "output_kms_key": KEY},
)
WAYS["in the stack"] = IN_THE_STACK


@pytest.mark.parametrize("account", ["in the stack"], indirect=True)
@pytest.mark.parametrize("shared", [False, True], ids=["own queue", "shared queue"])
def test_the_role_of_the_stack_is_enough_for_a_run_in_it(account, shared, caplog):
    options = StackOptions(
        endpoint="simulated", instance_type="ml.m5.xlarge", min_instances=0, max_instances=1, concurrency=1,
        backlog=1.0, expire_days=1, kms_key=KEY, s3_output=True, shared_queue=shared,
    )  # fmt: skip
    template = stack(options)
    if shared:
        collect = account.config.collect.model_copy(update={"queue_url": deploy_queue(account, template)})
        account.config = account.config.model_copy(update={"collect": collect})
    (inline,) = template["Resources"]["RunRole"]["Properties"]["Policies"]
    account.world.authorization = Authorization(resolved(inline["PolicyDocument"], names_of(account)))
    summary = account.run()
    assert (summary.by_status, summary.warnings) == ({"succeeded": 3}, ())
    assert "grant" not in caplog.text
    assert account.world.topics.counts["delivered"] == 3


@pytest.mark.parametrize("account", ["inline"], indirect=True)
def test_a_shared_queue_gets_results_alone_and_runs_collect_them(account):
    topics = (account.world.settings.success_topic, account.world.settings.error_topic)
    template = shared_queue(topics, None, name="shared").content
    collect = account.config.collect.model_copy(update={"queue_url": deploy_queue(account, template)})
    account.config = account.config.model_copy(update={"collect": collect})
    account.world.publish_test_notification(now=SystemClock().now())
    account.granted()
    assert account.run().by_status == {"succeeded": 3}
    counts = account.world.topics.counts
    assert (counts["delivered"], counts["filtered"]) == (3, 2), "no TestNotification, which stays for 14 days"
    attributes = account.world.queues.attributes("shared", now=SystemClock().now() + 3600.0)
    assert attributes["ApproximateNumberOfMessages"] == "0"


# What no short run comes to.


def in_session(account, call):
    async def main():
        async with open_session(account.config) as session:
            return await call(session)

    return anyio.run(main)


@pytest.mark.parametrize("account", ["inline"], indirect=True)
@pytest.mark.parametrize(("without", "told"), [(None, []), ("AskForTheBacklog", None)])
def test_the_backlog_is_asked_for_or_is_known_not_to_be_told(account, without, told):
    account.granted(without=without)

    async def ask(session):
        return await session.cloud.control.backlog("Simulated", since=0.0, until=60.0)

    assert in_session(account, ask) == told


@pytest.mark.parametrize("account", ["via S3"], indirect=True)
@pytest.mark.parametrize("lacking", [None, "s3:AbortMultipartUpload"])
def test_an_upload_that_breaks_off_is_aborted_or_named(account, lacking, caplog):
    account.granted(lacking=lacking)

    async def break_off(session):
        async with aborting(await session.cloud.objects.begin_upload(Location("uploads", "in/00/run/0"))):
            raise ValueError("it breaks off")

    with pytest.raises(ValueError, match="it breaks off"):
        in_session(account, break_off)
    assert account.world.objects.statistics()["open_uploads"] == (lacking is not None)
    assert ("s3:AbortMultipartUpload" in caplog.text) is (lacking is not None)


@pytest.mark.parametrize("account", ["via S3"], indirect=True)
@pytest.mark.parametrize("without", [None, "FindUploadsForARebuild"])
def test_a_rebuild_finds_uploads_or_says_what_it_lacks(account, without, caplog):
    account.granted(without=without)
    run_id = "abcdefghij"
    account.world.objects.put("uploads", f"in/07/{run_id}/7", b"x", content_type=None, now=0.0)
    layouts = {name: OutputPaths(run_id, path=None) for name in ("outputs", "failures")}

    async def look(session):
        return await scan(
            session.cloud.objects,
            run_id,
            uploads=Location("uploads", "in"),
            retry=model_retry(),
            durable=set(),
            **layouts,
        )

    found = in_session(account, look).inputs
    assert found == ({} if without else {7: Location("uploads", f"in/07/{run_id}/7")})
    assert ("s3:ListBucket" in caplog.text) is (without is not None)


DOCTORED = ["inline", "via S3", "input: a prefix", "output: a dataset", "shared queue", "outputs with a key"]


@pytest.mark.parametrize("account", DOCTORED, indirect=True)
def test_the_policy_of_a_doctor_is_enough_for_one(account):
    account.granted(verb=Verb.DOCTOR)
    report = anyio.run(partial(examine, account.config, environ=dict(os.environ)))
    told = " ".join(finding.text for finding in report.findings)
    assert (report.exit, re.findall("grant \\S+|denied", told, re.IGNORECASE)) == (0, []), told


@pytest.mark.parametrize("account", ["via S3, tagged, with a key"], indirect=True)
def test_the_policy_of_a_bench_is_enough_for_one(account, tmp_path):
    account.granted(verb=Verb.BENCH)
    bench = {"rate": 400, "pairs": 8, "warmup": 2, "sizes": ("100B",)}
    transport = account.config.transport.model_copy(update={"mode": "auto"})
    changes = {"bench": BenchSection(**bench), "transport": transport, "input": InputSection()}
    config = account.config.model_copy(update=changes)
    result = anyio.run(partial(run_bench, config, tmp_path, seed=1, observer=Quiet()))
    assert (result.errors, result.warnings) == ({}, ())
    assert pq.read_metadata(result.output).num_rows == 20
