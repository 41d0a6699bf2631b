"""Runs the command line: `python -m fanout` is `fanout`."""

from fanout.cli import main

main()
