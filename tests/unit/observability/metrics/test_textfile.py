"""The text file: replaced atomically and at intervals, read again by the next run."""

from __future__ import annotations

import stat

import pytest
import trio
import trio.testing

from fanout.observability.metrics.textfile import TextFile, remembered

from .conftest import run, take

TIMESTAMP = "fanout_last_success_timestamp_seconds"


def test_the_file_is_replaced_atomically_readable_by_others_and_labelled(tmp_path):
    path = tmp_path / "fanout.prom"
    path.write_text("something else")
    before = path.stat().st_ino
    file = TextFile(path, take=take, every_s=15, labels={"job": "nightly"}, warn=pytest.fail)
    run(file.write)
    assert 'fanout_answer{job="nightly"} 42.0' in path.read_text()
    assert path.stat().st_ino != before, "another file under the name, not the same one rewritten"
    assert stat.S_IMODE(path.stat().st_mode) & stat.S_IRGRP, "node_exporter is another user"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_one_warning(tmp_path):
    said = []
    file = TextFile(tmp_path / "nowhere" / "f.prom", take=take, every_s=15, labels={}, warn=said.append)
    run(file.write)
    run(file.write)
    assert len(said) == 1
    assert "nowhere" in said[0]


def test_it_is_written_at_once_and_at_intervals(tmp_path):
    file = TextFile(tmp_path / "f.prom", take=take, every_s=15, labels={}, warn=pytest.fail)
    written = []

    async def write():
        written.append(trio.current_time())

    file.write = write

    async def main():
        with trio.move_on_after(40):
            await file.watch(pytest.fail, now=pytest.fail)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert written == [0, 15, 30]


@pytest.mark.parametrize("content", [None, b"", b"{{{ not metrics", b"\xff\xfe", b"another_gauge 3\n"])
def test_a_file_that_remembers_nothing(tmp_path, content):
    path = tmp_path / "f.prom"
    if content is not None:
        path.write_bytes(content)
    assert remembered(path, TIMESTAMP) is None
