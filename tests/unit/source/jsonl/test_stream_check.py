"""A pipe: a misspelt field is found before the first of its rows leaves."""

from __future__ import annotations

import gzip
import os
import threading

import pytest
from support.settings import input_settings

from fanout.domain.records import Rejected
from fanout.errors import InputError
from fanout.source.selection import Selection
from fanout.source.source import open_source


@pytest.fixture
def piped(tmp_path):
    """Return a source that reads a pipe through which `lines` come."""
    writers = []

    def make(lines, selection, **settings):
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        writers.append(
            threading.Thread(target=lambda: pipe.write_bytes(b"".join(line + b"\n" for line in lines)))
        )
        writers[0].start()
        return open_source(input_settings((str(pipe),), **settings), selection)

    yield make
    writers[0].join()


def rows_of(source):
    return [row for chunk in source.read() for row in chunk]


@pytest.mark.parametrize("lines", [1, 99, 100])
def test_a_misspelt_field_ends_the_run_before_a_row_leaves(piped, lines):
    source = piped([b'{"text":"x","label":1}'] * lines, Selection(payload_column="text", keep=("labels",)))
    chunks = source.read()
    with pytest.raises(InputError) as caught:
        next(chunks)
    assert str(caught.value).endswith(
        "pipe: no field 'labels' in the first 100 rows (did you mean 'label'?); if rows may lack it, write 'labels?'"
    )


@pytest.mark.parametrize(
    ("lines", "selection"),
    [
        ([b'{"a":1}'] * 99 + [b'{"b":2}'] + [b'{"a":3}'] * 5, Selection(keep=("a", "b"))),
        ([b'{"a":1}'] * 105, Selection(keep=("b?",), id_column="a")),
        ([b'{"a":1}'] * 105, Selection()),
        ([], Selection(keep=("b",))),
    ],
)
def test_rows_of_a_pipe_come_in_order_once_each_field_was_seen(piped, lines, selection):
    rows = rows_of(piped(lines, selection))
    assert [row.payload for row in rows] == lines
    assert [row.row for row in rows] == list(range(len(lines)))


def test_lines_that_are_no_objects_say_nothing_of_fields(piped):
    rows = rows_of(piped([b"oops"] * 120, Selection(payload_column="text")))
    assert [type(row) for row in rows] == [Rejected] * 120


def test_the_rows_before_a_damage_count(piped):
    chunks = piped([gzip.compress(b'{"a":1}\n' * 3)[:-3]], Selection(keep=("b",))).read()
    assert [row.payload for row in next(chunks)] == [b'{"a":1}'] * 3
    with pytest.raises(InputError, match="gzip data"):
        next(chunks)
