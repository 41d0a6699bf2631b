"""What a report may show of a configuration and of a command line: nothing that could be a secret."""

from __future__ import annotations

import json

import pytest

from fanout.config.model import Config
from fanout.config.shown import WITHHELD, settings_in_force, shown_settings, shown_words

SECRETS = ("tok3n", "pa55", "AKIA", "mineOnly")
CONFIG = Config.model_validate(
    {
        "input": {"paths": ["https://bucket.example/a.jsonl?X-Amz-Credential=AKIA", "data/part-?.jsonl"]},
        "endpoint": {"name": "e", "url": "https://me:pa55@proxy.example/"},
        "payload": {"custom_attributes": "tok3n", "template": {"key": "tok3n", "q": "$q"}},
        "transport": {"input_tags": {"team": "mineOnly"}},
        "pacing": {"rate": 5},
        "prices": {"s3_put_per_1000": 1},
    }
)


def test_settings_are_what_was_changed_without_secrets():
    found = shown_settings(CONFIG)
    assert not any(secret in json.dumps(found) for secret in SECRETS)
    assert found == {
        "input": {"paths": ["https://bucket.example/a.jsonl?(not shown)", "data/part-?.jsonl"]},
        "endpoint": {"name": "e", "url": "https://proxy.example/"},
        "payload": {"custom_attributes": WITHHELD, "template": WITHHELD},
        "transport": {"input_tags": WITHHELD},
        "pacing": {"rate": 5.0},
    }


def test_what_decides_on_speed_is_told_with_its_defaults():
    found = settings_in_force(CONFIG)
    assert found["pacing.rate"] == 5.0
    assert found["transport.concurrency"] == Config().transport.concurrency


def test_a_command_line_without_secrets():
    words = [
        "run",
        "s3://b/in.jsonl",
        "--custom-attributes",
        "tok3n",
        "--rate",
        "5",
        "--custom-attributes=tok3n",
    ]
    words += ["--pushgateway", "https://me:pa55@gateway.example/x?key=AKIA"]
    found = shown_words(words)
    assert not any(secret in " ".join(found) for secret in SECRETS)
    assert found == [
        "run", "s3://b/in.jsonl", "--custom-attributes", WITHHELD, "--rate", "5", f"--custom-attributes={WITHHELD}",
        "--pushgateway", "https://gateway.example/x?(not shown)",
    ]  # fmt: skip


@pytest.mark.parametrize("url", ["http://127.0.0.1:4566", "https://host/a@b"])
def test_an_address_without_a_password_stays(url):
    assert shown_settings(Config.model_validate({"endpoint": {"url": url}})) == {"endpoint": {"url": url}}


def test_nothing_that_was_set_is_nothing_shown():
    assert shown_settings(Config()) == {}
