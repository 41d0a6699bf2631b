"""The JSON Schema of the configuration takes what the program takes, and an editor sees what each key means."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from fanout.commands.schema import attribute_texts, config_schema
from fanout.config.load import load_config
from fanout.config.model import Config
from fanout.errors import UsageError
from fanout.simulator.settings import SimulatorSettings, ThrottleSettings

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted(ROOT.glob("configs/*.toml"))
FITTING = (
    "",
    '[input]\npaths = ["a.jsonl", "s3://bucket/b/"]\nlimit = 10',
    '[payload]\ntemplate = "$text"',
    "[payload.template]\nprompt = { text = '$question' }\nn = [1, 2]",
    "[pacing]\nrate = 200\nburst = 0.5",
    '[prices.instances]\n"ml.g5.xlarge" = 1.41',
    '[transport]\nkms_key_id = "alias/key"\ninput_tags = { team = "search" }',
    "[local]\nenabled = true\n[local.simulator]\nservice_time = { median_s = 0.05 }\nfaults.denied = ['PutObject']",
    '[run]\ndate = "2026-11-30"\nprocesses = 4',
    """[output.fields]\nanswer = "$[0].text"\nscore = { path = "$.score", type = "double", optional = true }""",
)
UNFITTING = (
    "[pacing]\nrates = 200",
    "[pacings]\nrate = 200",
    '[pacing]\nrate = "quick"',
    "[pacing]\nrate = 0",
    "[payload]\nttl_s = 59",
    "[payload]\nttl_s = 21601",
    '[transport]\nmode = "queue"',
    "[run]\nprocesses = 65",
    '[endpoint]\nname = "-no-"',
    '[endpoint]\nbucket_owner = "12"',
    "[prices.instances]\nml.g5.xlarge = 1.41",
    '[transport]\ninput_tags = { "k" = "%" }',
    "[output.fields]\nanswer = 3",
    "[output.fields]\nanswer = { type = 'string' }",
    "[local.simulator]\nfailur_share = 0.1",
    "[local.simulator]\nfailure_share = 1.1",
)


@pytest.fixture(scope="module")
def judge():
    schema = config_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def loads(tmp_path, text):
    path = tmp_path / "job.toml"
    path.write_text(text)
    config = load_config(path)
    SimulatorSettings.model_validate(config.local.simulator)  # as a local run does


def test_there_are_examples():
    assert [path.name for path in EXAMPLES] == ["local.toml", "nightly.toml"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_fits(judge, path):
    judge.validate(tomllib.loads(path.read_text()))


@pytest.mark.parametrize("text", FITTING)
def test_what_the_program_takes_fits(judge, tmp_path, text):
    loads(tmp_path, text)
    judge.validate(tomllib.loads(text))


@pytest.mark.parametrize("text", UNFITTING)
def test_what_the_program_refuses_does_not(judge, tmp_path, text):
    with pytest.raises((UsageError, ValueError)):
        loads(tmp_path, text)
    assert not judge.is_valid(tomllib.loads(text))


def test_each_key_has_its_default_and_a_sentence(judge):
    definitions = judge.schema["$defs"]
    for section, field in Config.model_fields.items():
        properties = definitions[field.annotation.__name__]["properties"]
        assert all(known["description"].strip() for known in properties.values()), section
        for name, known in properties.items():
            value = field.annotation.model_fields[name].get_default(call_default_factory=True)
            expected = json.loads(json.dumps(value, default=list)) or None
            assert (known.get("default") or None) == expected, (section, name)


def test_a_setting_of_the_local_aws_has_the_words_of_its_docstring(judge):
    properties = judge.schema["$defs"]["SimulatorSettings"]["properties"]
    assert properties["concurrency_per_instance"]["description"] == "MaxConcurrentInvocationsPerInstance."


def test_the_first_line_of_an_example_leads_to_the_schema_of_the_repository():
    first = (ROOT / "configs" / "local.toml").read_text().partition("\n")[0]
    assert first.startswith("#:schema ")
    named = ROOT / "configs" / first.removeprefix("#:schema ")
    assert json.loads(named.read_text()) == config_schema()


def test_the_words_of_an_attribute_may_take_several_lines():
    class Documented:
        """One.

        Attributes:
            first: It begins
                and ends.
            second: All of it.
        """

    assert attribute_texts(Documented) == {"first": "It begins and ends.", "second": "All of it."}
    assert set(attribute_texts(ThrottleSettings)) == set(ThrottleSettings.model_fields)
