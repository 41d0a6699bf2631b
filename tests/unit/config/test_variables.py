"""Which key a variable of the environment sets, to what, and what is said of one that sets none."""

from __future__ import annotations

import pytest

from fanout.config.load import load_config
from fanout.config.model import Config
from fanout.config.variables import known, read, value
from fanout.errors import UsageError


def load(environ):
    return load_config(None, environ=environ, flags={})


def complaint(environ):
    with pytest.raises(UsageError) as caught:
        load(environ)
    return str(caught.value)


def test_an_environment_variable_names_section_and_key():
    environ = {
        "FANOUT_ENDPOINT_NAME": "my-endpoint",
        "FANOUT_TRANSPORT_INLINE_MAX_BYTES": "1000",
        "FANOUT_COLLECT_NOTIFICATIONS": "false",
        "FANOUT_PAYLOAD_TTL_S": "60",
    }
    config = load(environ)
    assert config.endpoint.name == "my-endpoint"
    assert config.transport.inline_max_bytes == 1_000
    assert config.collect.notifications is False
    assert config.payload.ttl_s == 60


@pytest.mark.parametrize(
    ("variable", "section", "key"),
    [
        ("FANOUT_INPUT_PATHS", "input", "paths"),
        ("FANOUT_COLUMNS_KEEP", "columns", "keep"),
        ("FANOUT_PAYLOAD_FIELDS", "payload", "fields"),
        ("FANOUT_RETRY_PATTERNS", "retry", "patterns"),
    ],
)
@pytest.mark.parametrize(("text", "items"), [("a", ("a",)), ("a,b", ("a", "b")), ("a,,b,", ("a", "b"))])
def test_a_list_in_the_environment_is_separated_by_commas(variable, section, key, text, items):
    assert getattr(getattr(load({variable: text}), section), key) == items


@pytest.mark.parametrize(
    "name", ["PACING_RATE", "XFANOUT_PACING_RATE", "FANOUT", "PATH", "FANOUT_LIVE_BUCKET", "FANOUT_LOG_LEVEL"]
)
def test_other_variables_are_not_ours(name):
    assert load({name: "5"}) == Config()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("FANOUT_PACING_RAET", "FANOUT_PACING_RATE"),
        ("FANOUT_PACNG_RATE", "FANOUT_PACING_RATE"),
        ("FANOUT_RATE", "FANOUT_PACING_RATE"),
        ("FANOUT_MAX_FAILURES", "FANOUT_RUN_MAX_FAILURES"),
        ("FANOUT_NO_NOTIFICATIONS", "FANOUT_COLLECT_NOTIFICATIONS"),
        ("FANOUT_PACING", "FANOUT_PACING_RATE"),
    ],
)
def test_an_unknown_variable_names_the_nearest(name, meant):
    assert complaint({name: "5"}) == f"unknown variable {name}; did you mean {meant}?"


@pytest.mark.parametrize("name", ["FANOUT_", "FANOUT_ZZZZZZ"])
def test_an_unknown_variable_that_is_near_to_none_says_how_they_are_named(name):
    assert complaint({name: "5"}) == (
        f"unknown variable {name}: it sets nothing, so unset it "
        "(variables are FANOUT_SECTION_KEY, FANOUT_PACING_RATE for pacing.rate)"
    )


def test_every_key_has_a_variable_of_its_own():
    keys = known()
    assert keys["FANOUT_PACING_RATE"] == ("pacing", "rate")
    assert len(set(keys.values())) == len(keys)
    assert set(keys.values()) == {
        (section, key)
        for section, field in Config.model_fields.items()
        for key in getattr(field.annotation, "model_fields", ())
    }


def test_each_variable_is_told_by_its_key_and_each_mistake_once():
    found, mistakes = read(
        {"FANOUT_PACING_RATE": "1", "HOME": "/", "FANOUT_PACING_BURTS": "2", "FANOUT_XX": "3"}
    )
    assert found == {("pacing", "rate"): "FANOUT_PACING_RATE"}
    assert [mistake.partition(":")[0].partition(";")[0] for mistake in mistakes] == [
        "unknown variable FANOUT_PACING_BURTS", "unknown variable FANOUT_XX",
    ]  # fmt: skip


def test_a_text_with_a_comma_is_a_list_only_where_the_key_is_one():
    assert value(("columns", "keep"), "a,b") == ["a", "b"]
    assert value(("output", "path"), "a,b.parquet") == "a,b.parquet"
