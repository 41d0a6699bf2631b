"""Fixtures that several rooms share."""

from __future__ import annotations

import io
import logging

import pytest

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
