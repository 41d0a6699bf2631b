"""Runs the command line: `python -m fanout.cli` is `fanout`."""

from __future__ import annotations

from fanout.cli import main

main()
