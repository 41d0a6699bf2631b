"""Fixtures of the command line: an account in memory with what runs left behind in it."""

from __future__ import annotations

import pytest
from support.in_memory import in_memory
from support.left_behind import LeftBehind


@pytest.fixture
def left(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return LeftBehind(in_memory(monkeypatch), tmp_path)
