"""Keeps the command line that this process was started with, where it is one of fanout's; a program has none."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar

from fanout.config.shown import shown_words

_COMMAND: ContextVar[tuple[str, ...] | None] = ContextVar("fanout command line", default=None)


def note_command(arguments: Sequence[str]) -> None:
    """Keep the words that followed `fanout`, for whatever this process makes."""
    _COMMAND.set(tuple(arguments))


def command() -> tuple[str, ...] | None:
    """Return the command with its program, without what could be a secret; None in a program that uses the library."""
    words = _COMMAND.get()
    return None if words is None else ("fanout", *shown_words(words))
