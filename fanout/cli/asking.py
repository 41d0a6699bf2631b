"""Asks a person at a terminal which of a few ways to go; a script says so by a flag."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import typer

from fanout.text import escape


def at_a_terminal() -> bool:
    """Whether a person can be asked, and sees the question."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def choose(said: str, choices: Mapping[str, str]) -> str:
    """Return the word that a person chooses; an empty line, or what is none of them, is asked again.

    Args:
        said: What there is to decide.
        choices: What each word means.
    """
    sys.stderr.write(f"fanout: {escape(said)}\n")
    for word, meaning in choices.items():
        sys.stderr.write(f"  {word}: {escape(meaning)}\n")
    while True:
        answer: str = typer.prompt(f"{', '.join(choices)}?", err=True, prompt_suffix=" ", type=str)
        if answer.strip().lower() in choices:
            return answer.strip().lower()
