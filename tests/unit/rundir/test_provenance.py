"""What an output says of its run survives its metadata; what is of another version says nothing."""

from __future__ import annotations

import json

import pytest

from fanout.rundir.provenance import PROVENANCE_KEY, Provenance, read_provenance

ALL = Provenance(
    fanout="0.1.0",
    python="3.12.1",
    commands=(("fanout", "run", "a b.jsonl"), ("fanout", "resume", "last")),
    started_at="2026-11-20T09:00:00.000Z",
    account="123456789012",
    account_alias="ml-prod",
    region="eu-west-1",
    instances=3,
    instance_types={"ml.g5.xlarge": 3},
    settings={"pacing": {"rate": 5.0}},
    in_force={"pacing.window": 10},
    fingerprint="f",
    retry_of="abcdefghij",
)


def test_what_is_written_is_what_is_read():
    assert read_provenance(ALL.as_metadata()[PROVENANCE_KEY]) == ALL


def test_keys_of_a_later_release_are_ignored():
    content = json.loads(ALL.as_metadata()[PROVENANCE_KEY]) | {"cloud": "other"}
    assert read_provenance(json.dumps(content)) == ALL


@pytest.mark.parametrize(
    "said", [None, "", "[]", "{}", "3", '{"version": 2, "fanout": "9"}', '{"version": 1}', "{"]
)
def test_what_is_not_understood_says_nothing(said):
    assert read_provenance(said) is None
