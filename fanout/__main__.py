"""`python -m fanout`: the command line."""

from fanout.cli import main

main()
