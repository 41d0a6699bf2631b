"""Each key has its sentence, by its flag or of its own, and a unit by its name."""

from __future__ import annotations

import pytest

from fanout.config.key_texts import TEXTS, flag_of, text_of, unit_of
from fanout.config.model import Config

KEYS = [
    f"{section}.{name}"
    for section, field in Config.model_fields.items()
    for name in field.annotation.model_fields
]


def test_each_key_has_a_sentence():
    without = [key for key in KEYS if not (text_of(key) or "").endswith(".")]
    assert without == [], "say in config/key_texts.py what they mean"


def test_no_sentence_is_of_a_key_that_there_is_not():
    assert set(TEXTS) <= set(KEYS)


@pytest.mark.parametrize(
    ("key", "flag", "unit"),
    [
        ("pacing.rate", "--rate", "requests a second"),
        ("pacing.bytes_per_s", None, "bytes a second"),
        ("run.deadline_s", "--deadline", "seconds"),
        ("bench.until_ms", None, "milliseconds"),
        ("pacing.held_bytes", None, "bytes"),
        ("input.paths", "INPUT", None),
        ("columns.ttl_s", None, None),
        ("run.processes", "--processes", None),
        ("collect.notifications", "--no-notifications", None),
    ],
)
def test_a_key_has_the_flag_that_sets_it_and_the_unit_that_its_name_says(key, flag, unit):
    assert (flag_of(key), unit_of(key)) == (flag, unit)


def test_a_flag_that_turns_off_does_not_speak_for_its_key():
    assert (
        text_of("collect.notifications")
        == "Learn of results through SNS and SQS; false finds them by listing S3."
    )
