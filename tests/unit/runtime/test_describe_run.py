"""A run's output says who ran it: the command that began it, the one that finished it, where, and with what."""

from __future__ import annotations

from contextvars import Context, copy_context

from fanout.config.model import Config
from fanout.ports import Endpoint
from fanout.rundir.manifest import Manifest
from fanout.runtime.command_line import command, note_command
from fanout.runtime.describe_run import describe_run

ENDPOINT = Endpoint(
    name="e", status="InService", output_path=None, failure_path=None, success_topic=None, error_topic=None,
    includes_response=False, kms_key_id=None, instances=3, concurrency_per_instance=None,
    instance_types={"ml.g5.xlarge": 3}, arn="arn:aws:sagemaker:eu-west-1:123456789012:endpoint/e",
)  # fmt: skip
CONFIG = Config.model_validate({"endpoint": {"name": "e", "account_alias": "ml-prod"}, "pacing": {"rate": 5}})


def described(*words):
    def go():
        if words:
            note_command(words)
        begun = ("fanout", "run", "in.jsonl")
        manifest = Manifest("abcdefghij", CONFIG, "f", "e", command=begun)
        return describe_run(
            CONFIG, manifest=manifest, endpoint=ENDPOINT, region="eu-west-1", started_at=1_760_000_000.0
        )

    return copy_context().run(go)


def test_all_that_is_known_of_a_run_is_said():
    found = described("resume", "last", "--rate", "5")
    assert found.commands == (("fanout", "run", "in.jsonl"), ("fanout", "resume", "last", "--rate", "5"))
    assert (found.account, found.account_alias, found.region) == ("123456789012", "ml-prod", "eu-west-1")
    assert (found.instances, found.instance_types) == (3, {"ml.g5.xlarge": 3})
    assert found.started_at == "2025-10-09T08:53:20.000Z"
    assert found.settings == {"endpoint": {"name": "e", "account_alias": "ml-prod"}, "pacing": {"rate": 5.0}}
    assert found.fingerprint == "f"


def test_a_run_that_one_command_began_and_finished_has_one():
    assert described("run", "in.jsonl").commands == (("fanout", "run", "in.jsonl"),)


def test_a_program_has_no_command():
    none = Context()  # this process may have been given one by another test
    assert none.run(command) is None
    found = none.run(describe_run, CONFIG)
    assert (found.commands, found.account) == ((), None)
