"""Names by example, as `reliability` spells them."""

from __future__ import annotations

from collections import Counter

import pytest

from fanout.domain.ids import (
    Send,
    inference_id,
    input_key,
    is_run,
    new_run,
    output_extension,
    output_filename,
    parse_inference_id,
    parse_input_key,
    parse_output_key,
    shard,
)

RUN = "abcdefghij"


def test_names_are_spelled_as_documented():
    assert inference_id(RUN, 1234, generation=2, attempt=3) == "abcdefghij.1234.2.3"
    assert output_extension(RUN, 0x1F3) == "fanout/abcdefghij/f3"
    assert output_filename(1234, 2) == "1234.2"
    assert input_key("inputs", RUN, 0x1F3) == "inputs/f3/abcdefghij/499"


def test_the_longest_names_that_a_run_can_need_fit_the_api():
    row, generation, attempt = 10**12 - 1, 999, 10**6
    assert len(inference_id(RUN, row, generation=generation, attempt=attempt)) <= 64
    assert len(output_filename(row, generation)) <= 32


def test_a_run_is_ten_random_base32_characters():
    runs = {new_run() for _ in range(500)}
    assert len(runs) == 500
    assert all(is_run(run) for run in runs)
    assert set("".join(runs)) == set("abcdefghijklmnopqrstuvwxyz234567")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abcdefghi",
        "abcdefghijk",
        "ABCDEFGHIJ",
        "abcdefghi1",
        "abcdefghi8",
        "abcdefghi-",
        "abcdefgh\u01312",
        "abcdefghi\n",
    ],
)
def test_what_is_no_run_id(text):
    assert not is_run(text)


@pytest.mark.parametrize(
    "text",
    [
        "abcdefghij.1.0.1",
        "abcdefghij.0.0.0",
        "abcdefghij.999999999999.12.34",
    ],
)
def test_ours_is_recognised(text):
    run, *numbers = text.split(".")
    assert parse_inference_id(text) == Send(run, *map(int, numbers))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "a.b.c.d",
        "abcdefghij.1.0",
        "abcdefghij.1.0.1.2",
        "abcdefghij.1.0.1 ",
        " abcdefghij.1.0.1",
        "abcdefghij.1.0.1\n",
        "abcdefghij.01.0.1",
        "abcdefghij.1.00.1",
        "abcdefghij.1.0.01",
        "abcdefghij.-1.0.1",
        "abcdefghij.+1.0.1",
        "abcdefghij.1_0.0.1",
        "abcdefghij.1e3.0.1",
        "abcdefghij.\u0661.0.1",  # ARABIC-INDIC DIGIT ONE
        "abcdefghij.\uff11.0.1",  # FULLWIDTH DIGIT ONE
        "abcdefghij.\u00b2.0.1",  # SUPERSCRIPT TWO
        "abcdefghij.1..1",
        "ABCDEFGHIJ.1.0.1",
        "abcdefgh1j.1.0.1",
        "abcdefghij.1.0.1\x00",
        "abcdefghij." + "9" * 100_000 + ".0.1",
        "." * 1_000,
    ],
)
def test_forged_and_foreign_ids_are_not_ours(text):
    assert parse_inference_id(text) is None


@pytest.mark.parametrize(
    "key",
    [
        "fanout/abcdefghij/01/1.0",
        "out/fanout/abcdefghij/01/1.0",
        "deep/er/fanout/abcdefghij/01/1.0",
    ],
)
def test_an_output_is_recognised_below_any_path(key):
    assert parse_output_key(key, RUN) == (1, 0)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "1.0",
        "fanout/abcdefghij/02/1.0",  # not its shard
        "fanout/abcdefghij/1.0",
        "fanout/bbbbbbbbbb/01/1.0",
        "notfanout/abcdefghij/01/1.0",
        "fanout/abcdefghij/01/1",
        "fanout/abcdefghij/01/1.0.out",
        "fanout/abcdefghij/01/1.0/x",
        "fanout/abcdefghij/01/01.0",
        "fanout/abcdefghij/01/1.",
        "fanout/abcdefghij/01/.0",
        "fanout/abcdefghij/01/",
        "fanout/abcdefghij/01/\u0661.0",
    ],
)
def test_another_key_is_not(key):
    assert parse_output_key(key, RUN) is None


def test_neighbours_are_spread_over_all_shards_evenly():
    counts = Counter(shard(row) for row in range(256 * 7))
    assert len(counts) == 256
    assert set(counts.values()) == {7}
    assert all(len(name) == 2 and int(name, 16) < 256 for name in counts)


@pytest.mark.parametrize("prefix", ["", "inputs", "a/b", "/a/"])
def test_the_key_of_an_uploaded_payload_tells_its_run_and_row(prefix):
    for row in (0, 499, 10**12):
        assert parse_input_key(input_key(prefix, RUN, row), prefix) == (RUN, row)


@pytest.mark.parametrize(
    "key",
    [
        "inputs/f4/abcdefghij/499",  # another row's shard
        "inputs/f3/abcdefghij/0499",
        "inputs/f3/abcdefghij/-499",
        "inputs/f3/abcdefghij/499/x",
        "inputs/f3/abcdefghij/",
        "inputs/f3/abcdefghi1/499",
        "inputs/x/f3/abcdefghij/499",
        "other/f3/abcdefghij/499",
        "abcdefghij/499",
        "499",
        "",
    ],
)
def test_what_only_looks_like_an_uploaded_payload_is_none(key):
    assert parse_input_key(key, "inputs") is None
