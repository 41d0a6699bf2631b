"""Reads the command line, one file a verb, runs the verb, prints, and leaves with its exit code.

stdout is the machine's, stderr is the person's. Everything heavy is imported by the verb that needs it, when it runs,
so that `--help` answers at once.
"""

from __future__ import annotations

from fanout.cli.app import main

__all__ = ["main"]
