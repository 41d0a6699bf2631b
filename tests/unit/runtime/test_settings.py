"""The configuration alone has defaults: what it sets of the parts' settings has none of its own."""

from __future__ import annotations

import ast
import inspect
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path

import pytest
from support.stdin import piped

from fanout.aws.settings import AwsSettings
from fanout.config.model import Config
from fanout.domain.retry_policy import PATTERNS, ModelRetry
from fanout.engine.settings import EngineLimits
from fanout.engine.stages.write import PartLimits
from fanout.errors import UsageError
from fanout.runtime import settings
from fanout.source.settings import InputSettings


def made() -> dict[type, set[str]]:
    """The dataclasses that `runtime/settings.py` makes, each with the fields that it sets."""
    found: dict[type, set[str]] = {}
    for call in ast.walk(ast.parse(inspect.getsource(settings))):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            continue
        kind = getattr(settings, call.func.id, None)
        if isinstance(kind, type) and is_dataclass(kind):
            in_order = [field.name for field in fields(kind)][: len(call.args)]
            found.setdefault(kind, set()).update(in_order, (str(each.arg) for each in call.keywords))
    return found


def says_something(field: Field) -> bool:
    """Whether the field's default chooses something: None, False and empty leave it unsaid."""
    if field.default is not MISSING:
        return bool(field.default) or (field.default == 0 and field.default is not False)
    if field.default_factory is MISSING:
        return False
    value = field.default_factory()
    return any(map(says_something, fields(value))) if is_dataclass(value) else bool(value)


def test_the_makers_are_found():
    assert made().keys() >= {AwsSettings, EngineLimits, InputSettings, ModelRetry, PartLimits}
    assert made()[PartLimits] == {"rows", "size_bytes", "age_s"}


@pytest.mark.parametrize("kind", made(), ids=lambda kind: kind.__name__)
def test_what_the_configuration_sets_has_no_default_of_its_own(kind):
    twice = [field.name for field in fields(kind) if field.name in made()[kind] and says_something(field)]
    assert twice == [], "the default stands in config/model.py"


def test_the_defaults_arrive():
    config = Config()
    assert settings.limits(config) == EngineLimits(
        concurrency=64, window=10_000, held_bytes=40 << 20, response_max_bytes=1 << 30,
        uploads=16, fetches=64, pollers=8, poll_s=20.0,
        grace_s=20.0, parts=PartLimits(rows=5_000, size_bytes=64 << 20, age_s=10.0),
    )  # fmt: skip
    assert settings.model_retry(config) == ModelRetry(1, PATTERNS)
    read = settings.input_settings(config)
    assert (read.format, read.compression, read.line_cap_bytes, read.batch_bytes) == (
        "auto", "auto", 64 << 20, 8 << 20,
    )  # fmt: skip
    policy = settings.lookup_policy(config, notified=True)
    assert (policy.quiet_s, policy.unknown_s, policy.unknown) == (10.0, None, "resend")
    aws = settings.aws_settings(config, None)
    assert (aws.client, aws.connect_timeout_s, aws.call_timeout_s, aws.max_connections) == (
        "wire",
        5.0,
        60.0,
        72,
    )


def test_patterns_of_ones_own_replace_the_built_in_ones():
    config = Config.model_validate({"retry": {"patterns": [], "generations": 0}})
    assert settings.model_retry(config) == ModelRetry(0, ())


def test_a_run_can_be_resumed_from_elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    config = Config.model_validate(
        {
            "input": {"paths": ["in.jsonl", "-", "s3://bucket/in", "/data/"]},
            "output": {"path": "out/"},
            "metrics": {"textfile": "m.prom"},
        }
    )
    here = settings.absolute(config)
    assert here.input.paths == (str(tmp_path / "in.jsonl"), "-", "s3://bucket/in", "/data/")
    assert here.output.path == f"{tmp_path}/out/"
    assert here.metrics.textfile == str(Path(tmp_path / "m.prom"))
    assert settings.absolute(here) == here


def routed(*, inline=True, **sections):
    return settings.routing(Config.model_validate(sections), "aaaaaaaaaa", inline=inline, simulator=None)


S3 = {"transport": {"mode": "s3"}}
PLACE = {"transport": {"mode": "s3", "input_prefix": "s3://b/p"}}


@pytest.mark.parametrize(("inline", "sections"), [(True, S3), (False, S3), (False, {})])
def test_payloads_that_all_need_a_place_are_refused_without_one(inline, sections):
    with pytest.raises(
        UsageError, match=r"every payload has to go via S3: .* --input-prefix s3://bucket/prefix"
    ):
        routed(inline=inline, **sections)


@pytest.mark.parametrize("inline", [True, False])
def test_a_place_or_objects_that_are_there_already_are_enough(inline):
    assert routed(inline=inline, **PLACE).uploads == ("b", "p")
    assert routed(inline=inline, columns={"location": "uri"}, **S3).uploads is None
    assert routed(inline=True).uploads is None


def test_standard_input_under_another_name_is_standard_input():
    with piped(b""):
        config = Config.model_validate({"input": {"paths": ["/dev/stdin", "a", "s3://b/c"]}})
        assert settings.absolute(config).input.paths == ("-", str(Path("a").absolute()), "s3://b/c")
