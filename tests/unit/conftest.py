"""Fixtures that several rooms share."""

from __future__ import annotations

import io
import logging

import pytest

from fanout.cli import app as command_line
from fanout.observability import logging as logs


@pytest.fixture
def _root_logger():
    """The root logger is as before afterwards: a handler that is left writes to a stream that is closed by then."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def configured(_root_logger):
    """`logs.configure` into a buffer."""

    def configure(**how):
        stream = io.StringIO()
        logs.configure(stream=stream, **how)
        return stream

    return configure


@pytest.fixture
def typed(_root_logger, capsys, monkeypatch):
    """Calls the command line in this process; returns the exit code, stdout and stderr."""
    monkeypatch.setattr(command_line.allocators, "choose", lambda: None)  # it starts another process

    def call(*words):
        with pytest.raises(SystemExit) as left:
            command_line.main([str(word) for word in words])
        told = capsys.readouterr()
        return left.value.code, told.out, told.err

    return call
