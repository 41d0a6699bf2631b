"""A flag sets the key that its table names, takes what the key takes, and is a keyword of the library."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import NoneType
from typing import get_args

import pytest
from pydantic import TypeAdapter

from fanout.config.flags import BENCH, REPORT, RESUME, RETRY, RUN, Flag, from_keywords, sections
from fanout.config.load import load_config
from fanout.config.model import Config
from fanout.errors import UsageError

TABLES = {"run": RUN, "resume": RESUME, "retry": RETRY, "bench": BENCH, "report": REPORT}
EVERY = [pytest.param(flag, id=f"{verb} {flag.option}") for verb, flags in TABLES.items() for flag in flags]
TAKEN = {
    "text": {"string"},
    "int": {"integer"},
    "float": {"number"},
    "names": {"array"},
    "paths": {"array"},
    "on": {"boolean"},
    "off": {"boolean"},
}
"""What a key's JSON schema says of the values that a flag of this kind can give it."""

SAMPLES: dict[str, object] = {
    "accept": "application/json",
    "arrivals": "constant",
    "date": "2026-11-30",
    "endpoint": "my-endpoint",
    "input_prefix": "s3://bucket/prefix",
    "pushgateway": "http://gateway",
    "response": "json",
    "since": "last",
    "queue_url": "https://sqs.eu-west-1.amazonaws.com/123456789012/results",
    "transport": "s3",
    "engine": "ray",
    "ttl": 60,
    "unknown": "wait",
}
BY_KIND = {
    "text": "x",
    "int": 7,
    "float": 7.5,
    "names": ("a", "b"),
    "paths": ("a", "b"),
    "on": True,
    "off": True,
}


def sample(flag: Flag) -> object:
    return SAMPLES.get(flag.name, BY_KIND[flag.kind])


def setting(config: Config, key: str) -> object:
    section, _, name = key.partition(".")
    return getattr(getattr(config, section), name)


def field(key: str):
    section, _, name = key.partition(".")
    return Config.model_fields[section].annotation.model_fields[name]


@pytest.mark.parametrize("flag", EVERY)
def test_a_flag_takes_what_its_key_takes(flag):
    annotation = field(flag.key).rebuild_annotation()
    kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
    choices = kinds if NoneType in get_args(annotation) else [annotation]
    assert {TypeAdapter(choice).json_schema()["type"] for choice in choices} == TAKEN[flag.kind]


@pytest.mark.parametrize("flag", EVERY)
def test_a_flag_sets_its_key_and_nothing_else(flag):
    given = sample(flag)
    config = load_config(flags=sections([flag], {flag.name: given}))
    assert setting(config, flag.key) == (not given if flag.kind == "off" else given)
    assert setting(config, flag.key) != setting(Config(), flag.key), "the sample is not the default"
    changed = config.model_dump(exclude_defaults=True)
    assert [f"{section}.{key}" for section, keys in changed.items() for key in keys] == [flag.key]


def test_a_flag_that_was_not_given_says_nothing():
    given = {flag.option: sections([flag], {flag.name: None}) for flags in TABLES.values() for flag in flags}
    assert {option: said for option, said in given.items() if said} == {}


@pytest.mark.parametrize("flags", TABLES.values(), ids=TABLES)
def test_no_two_flags_of_a_verb_share_a_name_or_a_key(flags):
    assert len({flag.name for flag in flags}) == len({flag.key for flag in flags}) == len(flags)


@pytest.mark.parametrize("flag", EVERY)
def test_a_default_that_a_help_names_is_the_default(flag):
    told = re.search(r"; default (\S+)\.$|; (1) by default\.$|(\w+) \(default\)", flag.help)
    if told is None:
        assert "default" not in flag.help or "by default" in flag.help, "this test does not read it"
        return
    default = setting(Config(), flag.key)
    text = ",".join(default) if isinstance(default, tuple) else f"{default or 0}".removesuffix(".0")
    assert next(filter(None, told.groups())) == text


# Keywords


def test_the_keywords_are_the_flags():
    said = from_keywords(
        inputs="rows.jsonl", endpoint="x", output=Path("out.parquet"), rate=200, payload_fields=["a", "b"],
        keep="c, d,", no_notifications=True, local=False, ttl=None, run_dir=Path("rd"),
    )  # fmt: skip
    assert said == {
        "input": {"paths": ["rows.jsonl"]},
        "endpoint": {"name": "x"},
        "output": {"path": "out.parquet"},
        "pacing": {"rate": 200},
        "payload": {"fields": ["a", "b"]},
        "columns": {"keep": ["c", "d"]},
        "collect": {"notifications": False},
        "local": {"enabled": False},
        "run": {"dir": "rd"},
    }
    assert load_config(flags=said).input.paths == ("rows.jsonl",)


@pytest.mark.parametrize(
    ("inputs", "paths"),
    [
        ("-", ["-"]),
        (Path("a/b"), ["a/b"]),
        (["a", Path("b")], ["a", "b"]),
        (("s3://bucket/a",), ["s3://bucket/a"]),
    ],
    ids=str,
)
def test_one_input_needs_no_list(inputs, paths):
    assert from_keywords(inputs=inputs) == {"input": {"paths": paths}}


@pytest.mark.parametrize("inputs", [None, [], ()], ids=str)
def test_no_inputs_leave_it_to_the_configuration(inputs):
    assert from_keywords(inputs=inputs) == {}


def test_notifications_can_be_turned_on_again():
    base = load_config(flags=from_keywords(no_notifications=True))
    assert base.collect.notifications is False
    again = load_config(flags=from_keywords(no_notifications=False), base=base)
    assert again.collect.notifications is True


def test_another_verb_has_keywords_of_its_own():
    assert from_keywords(RESUME, unknown="wait", rate=5) == {
        "collect": {"unknown": "wait"},
        "pacing": {"rate": 5},
    }
    with pytest.raises(UsageError, match="unknown keyword 'inputs'; known are 'unknown', 'rate', "):
        from_keywords(RESUME, inputs="a")
    with pytest.raises(UsageError, match="unknown keyword 'flags'; "):
        from_keywords(RESUME, flags=RUN)


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"raet": 5}, "unknown keyword 'raet'; did you mean 'rate'?"),
        ({"max_failure": 5}, "unknown keyword 'max_failure'; did you mean 'max_failures'?"),
        ({"zzz": 5}, "unknown keyword 'zzz'; known are 'inputs', 'output', "),
        ({"no_notifications": "yes"}, "no_notifications: 'yes' should be true or false"),
    ],
)
def test_a_wrong_keyword_is_named_with_the_one_that_was_meant(keywords, said):
    with pytest.raises(UsageError) as caught:
        from_keywords(**keywords)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"rate": "fast"}, 'pacing.rate (--rate) = "fast": should be a number'),
        ({"rate": True}, "pacing.rate (--rate) = true: should be a number, not true or false"),
        ({"keep": 5}, "columns.keep (--keep) = 5: should be a list"),
        ({"inputs": 5}, "input.paths = 5: should be a list"),
        ({"output": 5}, "output.path (--output) = 5: should be text"),
        ({"local": "maybe"}, 'local.enabled (--local) = "maybe": should be true or false'),
    ],
)
def test_a_value_that_does_not_fit_names_its_key(keywords, said):
    with pytest.raises(UsageError) as caught:
        load_config(flags=from_keywords(**keywords))
    assert str(caught.value) == said


def test_the_tables_load_nothing_heavy():
    script = (
        "import sys, fanout.config.flags; print({'pydantic', 'typer', 'pyarrow', 'anyio'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
