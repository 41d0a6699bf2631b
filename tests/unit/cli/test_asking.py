"""Who can be asked, and what counts as an answer."""

from __future__ import annotations

import sys

import pytest

from fanout.cli import asking


def test_a_terminal_is_one_that_can_be_read_and_seen(monkeypatch):
    for stdin, stderr in ((True, True), (True, False), (False, True)):
        monkeypatch.setattr(sys, "stdin", _Stream(stdin))
        monkeypatch.setattr(sys, "stderr", _Stream(stderr))
        assert asking.at_a_terminal() is (stdin and stderr)


class _Stream:
    def __init__(self, terminal):
        self.isatty = lambda: terminal


@pytest.mark.parametrize("answers", [["wait"], ["", "never mind", " WAIT "]])
def test_only_one_of_the_words_is_an_answer(monkeypatch, capsys, answers):
    given = list(answers)
    monkeypatch.setattr(asking.typer, "prompt", lambda *_, **__: given.pop(0))
    assert asking.choose("Rows \x1b[2J are in doubt.", {"wait": "until later", "send": "now"}) == "wait"
    assert given == []
    said = capsys.readouterr().err
    assert "  wait: until later\n  send: now\n" in said
    assert "\x1b" not in said
