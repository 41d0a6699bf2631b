"""The table of rights: its statements are IAM's, and each says one thing."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from fanout.commands.infra.permissions import policy, statements
from fanout.commands.infra.uses import Key, Place, Uses
from fanout.domain.arns import Account
from fanout.simulator.authorization import Authorization

HERE = Account("aws", "eu-west-1", "123456789012")
PAGE = Path(__file__).parents[4] / "docs" / "infra.md"


def place(bucket, prefix):
    return Place(f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/{prefix}", prefix)


ALL = Uses(
    account=HERE,
    endpoint=HERE.endpoint("mine"),
    inputs=(place("lake", "a/*"), place("pond", "b/*")),
    listed_inputs=(place("pond", "b/*"), place("lake", "a/*"), place("lake", "c/*")),
    uploads=place("up", "in/*"),
    tags=True,
    key=Key(HERE.arn("kms", "key/1")),
    results=(place("results", "out/*"), place("results", "bad/*")),
    results_key=Key(HERE.arn("kms", "key/*"), "alias/results"),
    topics=(HERE.arn("sns", "ok"),),
    shared_queue=HERE.arn("sqs", "shared"),
    output=place("outputs", "x/*"),
    dataset=True,
    run_place=place("runs", "runs/*"),
)

CLEAN_UP = Uses(
    account=HERE,
    endpoint=HERE.endpoint("mine"),
    uploads=place("up", "in/*"),
    topics=(HERE.arn("sns", "ok"),),
    left_below=place("outputs", "x/*"),
    run_place=place("state", "runs/*"),
    cleans=True,
)


def by_sid(uses):
    return {each.sid: each for each in statements(uses)}


def test_the_document_is_one_that_iam_takes():
    document = json.loads(json.dumps(policy(ALL)))
    Authorization(
        document
    )  # raises on a Sid with other characters, on one that comes twice, on members of its own
    sids = [each["Sid"] for each in document["Statement"]]
    assert len(sids) == len(set(sids)) == 20
    assert (
        len(json.dumps(document, separators=(",", ":"))) < 6_144
    )  # IAM's quota of a managed policy, in characters


def test_a_clean_up_may_remove_nothing_but_what_is_a_run_s():
    removing = {
        action: resource
        for each in statements(CLEAN_UP)
        for action in each.actions
        for resource in each.resources
        if re.search("Delete|Unsubscribe|Abort|Put", action)
    }
    assert removing == {
        "sqs:DeleteQueue": HERE.arn("sqs", "fanout-*"),
        "sns:Unsubscribe": HERE.arn("sns", "ok"),
        "s3:AbortMultipartUpload": "arn:aws:s3:::outputs/x/*",
        "s3:PutObject": "arn:aws:s3:::state/runs/*journal/*.zst",
        "s3:DeleteObject": "arn:aws:s3:::state/runs/*uploads.jsonl",
    }, (
        "the last of each; those before are below the prefix of uploads, claims, and names that a run has at its place"
    )
    bare = by_sid(replace(CLEAN_UP, topics=(), endpoint="", uploads=None, left_below=None, run_place=None))
    assert list(bare) == [
        "FindQueues", "ReadTagsOfQueues", "FindSubscriptions", "ReadFiltersOfSubscriptions", "RemoveQueues",
        "RemoveSubscriptions",
    ]  # fmt: skip


def test_what_is_not_used_is_not_granted():
    bare = replace(
        ALL,
        inputs=(),
        listed_inputs=(),
        uploads=None,
        results_key=None,
        topics=(),
        shared_queue=None,
        output=None,
        run_place=None,
    )
    assert list(by_sid(bare)) == [
        "DescribeTheEndpoint",
        "SendRows",
        "AskForTheBacklog",
        "ReadResults",
        "TellMissingFromDenied",
    ]


def test_prefixes_of_one_bucket_are_not_listed_in_another():
    lists = {sid: each for sid, each in by_sid(ALL).items() if sid.startswith("ListTheInput")}
    assert [(each.resources, each.condition) for each in lists.values()] == [
        (["arn:aws:s3:::lake"], {"StringLike": {"s3:prefix": ["a/*", "c/*"]}}),
        (["arn:aws:s3:::pond"], {"StringLike": {"s3:prefix": ["b/*"]}}),
    ]


def test_nothing_is_granted_twice():
    same = place("results", "out/*")
    alike = replace(
        ALL,
        listed_inputs=(place("results", "in/*"),),
        uploads=place("results", "up/*"),
        output=same,
        results_key=ALL.key,
    )
    found = by_sid(alike)
    assert not {sid for sid in found if sid.startswith(("List", "Find"))} - {"ListenToTheSharedQueue"}
    assert "DecryptResults" not in found


def test_a_whole_bucket_is_listed_without_a_condition():
    assert by_sid(replace(ALL, uploads=place("up", "*")))["FindUploadsForARebuild"].condition == {}


def test_a_key_that_is_known_by_an_alias_is_allowed_by_it():
    found = by_sid(ALL)["DecryptResults"]
    assert found.condition == {"ForAnyValue:StringEquals": {"kms:ResourceAliases": ["alias/results"]}}
    assert by_sid(ALL)["EncryptWhatIsWritten"].condition == {}


@pytest.mark.parametrize("uses", [ALL, CLEAN_UP, replace(CLEAN_UP, topics=(), endpoint="")])
def test_every_right_exists_and_is_about_such_a_resource(uses):
    """Judged by AWS's service authorization reference, as cfn-lint ships it."""
    import cfnlint  # its import takes a second, of each worker if it were at the top

    reference = Path(cfnlint.__file__).parent / "data" / "AdditionalSpecs" / "Policies.json"
    services = json.loads(reference.read_text())
    for statement in statements(uses):
        kinds = {action: _kinds(action, services) for action in statement.actions}
        if list(statement.resources) == ["*"]:
            assert not any(kinds.values())
            continue
        for action, forms in kinds.items():
            assert any(re.fullmatch(form, arn) for form in forms for arn in statement.resources), action
        for arn in statement.resources:
            assert any(re.fullmatch(form, arn) for forms in kinds.values() for form in forms), arn


def _kinds(action, services):
    """Return patterns of the ARNs that an action is about; raises KeyError where there is no such action."""
    service, _, name = action.partition(":")
    known = {each.lower(): value for each, value in services[service]["Actions"].items()}[name.lower()]
    return [
        re.sub(r"\$\{\w+\}", "[^:]+", form)
        for kind in known.get("Resources", ())
        for form in services[service]["Resources"][kind]["ARNFormats"]
    ]


def test_the_page_has_every_statement_and_every_right():
    page = PAGE.read_text()
    for statement in (*statements(ALL), *statements(CLEAN_UP), *statements(replace(CLEAN_UP, topics=()))):
        sid = statement.sid.rstrip("0123456789")
        row = next(line for line in page.splitlines() if line.startswith(f"| `{sid}` |"))
        assert set(re.findall(r"`(\w+:\w+)`", row.split("|")[2])) == set(statement.actions), sid
