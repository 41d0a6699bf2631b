"""Names survive the way to AWS and back, keep the API's limits, and no other program's are taken for ours."""

from __future__ import annotations

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.examples import examples

from fanout.domain.ids import (
    Send,
    inference_id,
    input_key,
    is_run,
    output_extension,
    output_filename,
    parse_inference_id,
    parse_output_key,
    shard,
)

ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"  # RFC 4648, lower case
SETTINGS = settings(max_examples=examples(100), deadline=None, database=None)

# Patterns and lengths of InvokeEndpointAsync, botocore 1.43.117.
INFERENCE_ID = re.compile(r"\A\S.{0,63}\Z", re.ASCII)
EXTENSION = re.compile(r"\A[a-zA-Z0-9!_.*'()/-]{1,512}\Z")
FILENAME = re.compile(r"\A[a-zA-Z0-9][a-zA-Z0-9_-]*(\.[a-zA-Z0-9_-]*)?\Z")

runs = st.text(ALPHABET, min_size=10, max_size=10)
rows = st.one_of(st.integers(0, 1_000), st.integers(0, 10**12))
small = st.integers(0, 10**6)
heads = st.sampled_from(["", "out/", "a/b/c/", "fanout/", "deep/fanout/abcdefghij/00/"])


@SETTINGS
@given(run=runs, row=rows, generation=small, attempt=small)
def test_an_inference_id_is_parsed_back(run, row, generation, attempt):
    text = inference_id(run, row, generation=generation, attempt=attempt)
    assert parse_inference_id(text) == Send(run, row, generation, attempt)
    assert INFERENCE_ID.match(text)


@SETTINGS
@given(run=runs, row=rows, generation=small, head=heads)
def test_an_output_key_is_parsed_back(run, row, generation, head):
    extension, filename = output_extension(run, row), output_filename(row, generation)
    assert parse_output_key(f"{head}{extension}/{filename}", run) == (row, generation)
    assert EXTENSION.match(extension)
    assert FILENAME.match(filename)
    assert len(filename) <= 32
    assert extension.startswith(f"fanout/{run}/")


@SETTINGS
@given(run=runs, row=rows, generation=small, attempts=st.tuples(small, small))
def test_sends_of_one_generation_differ_in_the_id_alone(run, row, generation, attempts):
    first, second = (inference_id(run, row, generation=generation, attempt=attempt) for attempt in attempts)
    assert (first == second) == (attempts[0] == attempts[1])
    assert output_filename(row, generation) != output_filename(row, generation + 1)


@SETTINGS
@given(run=runs, mine=st.tuples(rows, small), other=st.tuples(rows, small))
def test_no_two_rows_share_a_place(run, mine, other):
    def places(row, generation):
        return f"{output_extension(run, row)}/{output_filename(row, generation)}", input_key("in", run, row)

    assert (places(*mine)[0] == places(*other)[0]) == (mine == other)
    assert (places(*mine)[1] == places(*other)[1]) == (mine[0] == other[0])


@SETTINGS
@given(run=runs, row=rows, prefix=st.sampled_from(["", "/", "inputs", "inputs/", "/a/b/"]))
def test_an_upload_stands_under_its_hash_first(run, row, prefix):
    parts = [part for part in prefix.split("/") if part]
    assert input_key(prefix, run, row).split("/") == [*parts, shard(row), run, str(row)]


@SETTINGS
@given(text=st.one_of(st.text(max_size=40), st.from_regex(r"\A[a-z2-7]{10}(\.[0-9+_ -]{1,4}){2,4}\Z")))
@example("abcdefghij.1.0.1\n")
@example("abcdefghij.1.0.\u0661")
@example("abcdefghij.1.0.\uff11")
@example("abcdefghij.1.0.\u00b2")
@example("abcdefghij.01.0.1")
@example("abcdefghij.-1.0.1")
@example("abcdefghij.+1.0.1")
@example("abcdefghij.1_0.0.1")
@example(" abcdefghij.1.0.1")
@example("ABCDEFGHIJ.1.0.1")
@example("abcdefghi1.1.0.1")
@example("abcdefghij.1.0")
@example("abcdefghij.1.0.1.1")
@example("abcdefghij..0.1")
@example("abcdefghij." + "9" * 5_000 + ".0.1")
def test_what_parses_is_what_we_would_have_written(text):
    send = parse_inference_id(text)
    if send is not None:
        assert inference_id(send.run_id, send.row, generation=send.generation, attempt=send.attempt) == text
        assert is_run(send.run_id)
    else:
        assert not re.fullmatch(r"[a-z2-7]{10}(\.(0|[1-9][0-9]{0,11})){3}", text)


@SETTINGS
@given(run=runs, key=st.text("abc0123456789./-", max_size=60))
def test_a_key_that_is_not_ours_is_not_parsed(run, key):
    parsed = parse_output_key(key, run)
    if parsed is not None:
        assert key.endswith(f"{output_extension(run, parsed[0])}/{output_filename(*parsed)}")
