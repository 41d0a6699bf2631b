"""What `infra iam --for gc` grants is enough to clean up, and nothing of it can be left out.

Over HTTP against the simulator, which denies what no statement allows; `test_policy.py` does the same for runs.
"""

from __future__ import annotations

import json
import os
import re
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import anyio
import pytest
from support.left_behind import LeftBehind
from support.segments import segment
from support.simulator_http import serving

from fanout.commands import leftovers
from fanout.commands.gc import collect_garbage
from fanout.commands.infra.described import Described
from fanout.commands.infra.iam import grant
from fanout.commands.infra.uses import Verb
from fanout.concurrency.clock import SystemClock
from fanout.config.load import load_config
from fanout.domain.ids import new_run
from fanout.domain.queues import queue_name
from fanout.output.object_place import object_place
from fanout.rundir.claim import Owner
from fanout.runtime.claim_note import Note
from fanout.runtime.claim_object import claim_location
from fanout.runtime.place.run_place import run_place
from fanout.runtime.place.segment import Purpose, encode
from fanout.simulator.authorization import Authorization
from fanout.simulator.ports.cloud import MemoryCloud

DAY = 86_400.0
KINDS = {"queue", "subscription", "inputs", "upload", "claim", "place"}
NEEDED = [
    ("FindQueues", "unseen", "sqs:ListQueues"),
    ("ReadTagsOfQueues", "unseen", "sqs:ListQueueTags"),
    ("FindSubscriptions", "unseen", "sns:ListSubscriptions"),
    ("FindSubscriptionsOfTheEndpoint", "unseen", "sns:ListSubscriptionsByTopic"),
    ("ReadFiltersOfSubscriptions", "unseen", "sns:GetSubscriptionAttributes"),
    ("FindUploadedPayloads", "unseen", "s3:ListBucket"),
    ("FindUnfinishedUploads", "unseen", "s3:ListBucketMultipartUploads"),
    ("FindClaims", "unseen", "s3:ListBucket"),
    ("ReadClaims", "unseen", "s3:GetObject"),
    ("FindPlaces", "unseen", "s3:ListBucket"),
    ("ReadPlaces", "unseen", "s3:GetObject"),
    ("RemoveQueues", "stays", "sqs:DeleteQueue"),
    ("RemoveSubscriptions", "stays", "sns:Unsubscribe"),
    ("RemoveUploadedPayloads", "stays", "s3:DeleteObject"),
    ("AbortUnfinishedUploads", "stays", "s3:AbortMultipartUpload"),
    ("RemoveClaims", "stays", "s3:PutObject"),
    ("FencePlaces", "stays", "s3:PutObject"),
    ("RemovePlaces", "stays", "s3:DeleteObject"),
]
"""The statement that is taken out, what becomes of it, and the right that is named."""


class Litter:
    """An account over HTTP in which runs have left something of each kind, and the clean-up of it."""

    def __init__(self, served, tmp_path):
        self.world = served.world
        clock = SystemClock()
        account = SimpleNamespace(world=self.world, clock=clock, cloud=MemoryCloud(self.world, clock))
        self.left = LeftBehind(account, tmp_path)
        # Of one run the directory is in sight; of another the queue is gone, but not its subscription.
        self.runs = [
            self.left.run(endpoint="Simulated"),
            self.left.run(endpoint="Simulated", silent_s=2 * DAY, directory=False),
        ]
        gone = new_run()
        self.left.subscribe(
            gone, f"arn:aws:sqs:{served.server.identity.region}:123456789012:{queue_name(gone)}"
        )
        self.left.put(f"inputs/00/{gone}/0", age_s=2 * DAY)
        note = Note(Owner(self.runs[1], "/elsewhere", "h", 1, 0.0, True), "t", "stopped")
        claim = claim_location(object_place("s3://simulated/outputs/old.parquet"))
        self.world.objects.put(*claim, note.encode(), content_type=None, now=clock.now() - 2 * DAY)
        # Of two nothing but their places are left: one was killed before it began, the other has finished.
        began, finished = new_run(), run_place("s3://state/runs/two")
        told = self.left.directory(self.runs[0]).manifest.read_bytes()
        for location, body in (
            (
                run_place("s3://state/runs/one").segment(1),
                encode(segment(1, Purpose.FIRST, run_id=new_run())),
            ),
            (finished.manifest, told.replace(self.runs[0].encode(), began.encode())),
            (finished.summary, json.dumps({"run": began}).encode()),
        ):
            self.world.objects.put(*location, body, content_type=None, now=clock.now() - 2 * DAY)

    def clean(self, *, without=None, endpoint=None):
        flags = {
            "endpoint": {"name": endpoint},
            "transport": {"input_prefix": "s3://simulated/inputs"},
            "output": {"path": "s3://simulated/outputs/"},
            "run": {"dir": "s3://state/runs/"},
        }
        config = load_config(flags=flags)
        described = Described(self.world.describe("Simulated") if endpoint else None, "us-east-1")
        granted = grant(config, Verb.GC, described, account_id="123456789012")
        document = json.loads(json.dumps(granted.content))
        sids = [each["Sid"] for each in document["Statement"]]
        assert without is None or without in sids
        document["Statement"] = [each for each in document["Statement"] if each["Sid"] != without]
        self.world.authorization = Authorization(document)
        return anyio.run(
            partial(collect_garbage, config, run_dirs=[], older_than_s=0.0, mode="delete")
        ), granted


@pytest.fixture
def litter(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(leftovers, "NEW_QUEUE_S", 0.0)
    for name in [name for name in os.environ if name.startswith(("AWS_", "FANOUT_"))]:
        monkeypatch.delenv(name)
    with serving(endpoint_name="Simulated", buckets=["simulated", "state"]) as served:
        identity = served.server.identity
        monkeypatch.setenv("AWS_ENDPOINT_URL", served.url)
        monkeypatch.setenv("AWS_REGION", identity.region)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", identity.access_key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", identity.secret_access_key)
        monkeypatch.setenv("AWS_SESSION_TOKEN", identity.session_token)
        yield Litter(served, tmp_path)


@pytest.mark.parametrize("endpoint", [None, "Simulated"])
def test_the_policy_is_enough_to_find_and_remove_and_grants_what_is_used(litter, endpoint):
    cleared, granted = litter.clean(endpoint=endpoint)
    assert (cleared.unseen, cleared.exit, granted.placeholders) == ([], 0, ())
    assert {each.kind for each in cleared.leftovers if each.outcome == "removed"} == KINDS
    assert sum(litter.left.remains(run) for run in litter.runs) == 1, (
        "an upload to the output's place of a run that is out of sight may be another program's"
    )
    actions = {action for each in granted.content["Statement"] for action in each["Action"]}
    assert actions - litter.world.authorization.used <= {"sagemaker:DescribeEndpointConfig"}


EVERY_DAY = {"ReadTagsOfQueues", "FindClaims", "RemoveSubscriptions", "RemovePlaces"}
"""One that is read and one that is removed of each kind of denial; the campaign takes out each."""


@pytest.mark.parametrize(
    ("sid", "becomes", "right"),
    [pytest.param(*each, marks=[] if each[0] in EVERY_DAY else pytest.mark.campaign) for each in NEEDED],
)
def test_without_any_one_statement_what_it_is_for_is_named(litter, sid, becomes, right):
    cleared, _ = litter.clean(without=sid, endpoint="Simulated" if sid.endswith("OfTheEndpoint") else None)
    if becomes == "unseen":
        assert cleared.exit == 0
        assert [said for said in cleared.unseen if f"grant {right}" in said], cleared.unseen
    else:
        assert cleared.exit == 4
        stays = [each for each in cleared.leftovers if each.outcome == "left" and each.verdict.gone]
        assert stays
        assert all(right in (each.problem or "") for each in stays), [each.problem for each in stays]


def test_every_statement_is_taken_out_once():
    page = (Path(__file__).parents[2] / "docs" / "infra.md").read_text()
    _, _, of_gc = page.partition("And of `--for gc`")
    assert set(re.findall(r"^\| `([A-Z]\w+)` \|", of_gc, re.MULTILINE)) == {sid for sid, _, _ in NEEDED}
