"""The configuration of one night: its date in its paths, and where its watermark stands."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fanout.config.model import Config
from fanout.errors import UsageError
from fanout.runtime.schedule import same_night, scheduled

LATE = datetime(2026, 11, 30, 23, 30, tzinfo=UTC).timestamp()


def config(*paths, output="/out/{date}.parquet", run=None, **more):
    return Config.model_validate(
        {"input": {"paths": paths, **more}, "output": {"path": output}, "run": run or {}}
    )


def test_every_path_of_a_run_is_dated_and_the_date_is_kept():
    given = config(
        "s3://b/{date:%Y/%m/%d}/", "/in/{date:%d}.jsonl", run={"dir": "/runs/{date}"}, since="last",
        watermark="s3://b/{date:%Y}.json",
    )  # fmt: skip
    night = scheduled(given, now=LATE)
    assert night.input.paths == ("s3://b/2026/11/30/", "/in/30.jsonl")
    assert night.input.watermark == "s3://b/2026.json"
    assert (night.output.path, night.run.dir) == ("/out/2026-11-30.parquet", "/runs/2026-11-30")
    assert night.run.date == "2026-11-30"
    assert scheduled(night, now=LATE + 1e6) == night


def test_the_day_is_that_of_the_zone_or_the_one_that_is_given():
    berlin = scheduled(config("a", run={"timezone": "Europe/Berlin"}), now=LATE)
    assert berlin.output.path == "/out/2026-12-01.parquet"
    named = scheduled(config("a", run={"timezone": "Europe/Berlin", "date": "2024-02-29"}), now=LATE)
    assert named.output.path == "/out/2024-02-29.parquet"


def test_a_run_that_names_no_date_has_none():
    assert scheduled(config("a", output="/out.parquet"), now=LATE).run.date is None


def test_a_resume_on_another_day_is_of_the_same_night():
    given = config("/in/{date}/", since="last")
    night = scheduled(given, now=LATE)
    assert same_night(given, night, now=LATE + 86_400) == night


@pytest.mark.parametrize(
    ("more", "key"),
    [({"output": "/out/{day}.parquet"}, "output.path"), ({"run": {"dir": "/{Date}"}}, "run.dir")],
)
def test_a_placeholder_that_is_none_is_said_with_its_key(more, key):
    with pytest.raises(UsageError, match=rf"^{key}: \{{\w+\}} is not a placeholder"):
        scheduled(config("a", **more), now=LATE)


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("s3://b/q/{date:%Y}/x*", "s3://b/q/"),
        ("s3://b/q-{date}.jsonl", "s3://b/"),
        ("s3://b/q/part-*", "s3://b/q/"),
        ("s3://b/q/", "s3://b/q/"),
        ("s3://b/q", "s3://b/"),
        ("s3://b", "s3://b/"),
        ("/in/{date}/", "/in/"),
        ("/in/[ab]*/x", "/in/"),
    ],
)
def test_a_watermark_that_is_not_named_lies_where_the_input_begins(path, folder):
    place = scheduled(config(path, since="last"), now=LATE).input.watermark
    assert place.startswith(f"{folder}_fanout_watermark-")
    assert place == scheduled(config(path, since="last"), now=LATE + 1e6).input.watermark
    assert scheduled(config(path), now=LATE).input.watermark is None
