"""Reads the command line, runs the verb that it names, prints the result, and exits with its code; one file a verb.

Programs read stdout, people read stderr. The verb that needs something heavy imports it when it runs, so that `--help`
answers at once.
"""

from __future__ import annotations

from fanout.cli.app import main

__all__ = ["main"]
