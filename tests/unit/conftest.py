"""Fixtures that several rooms share."""

from __future__ import annotations

import io
import logging

import pytest

from fanout.cli import app as command_line
from fanout.observability import logging as logs


@pytest.fixture
def configured():
    """`logs.configure` into a buffer; the root logger is as before afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def configure(**how):
        stream = io.StringIO()
        logs.configure(stream=stream, **how)
        return stream

    yield configure
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def typed(capsys, monkeypatch):
    """Calls the command line in this process; returns the exit code, stdout and stderr."""
    monkeypatch.setattr(command_line.allocators, "choose", lambda: None)  # it starts another process

    def call(*words):
        with pytest.raises(SystemExit) as left:
            command_line.main([str(word) for word in words])
        told = capsys.readouterr()
        return left.value.code, told.out, told.err

    return call
