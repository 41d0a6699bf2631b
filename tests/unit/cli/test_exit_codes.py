"""What the help says of exit codes."""

from __future__ import annotations

import typer
import typer.main

from fanout.cli.app import app
from fanout.cli.exit_codes import MEANINGS
from fanout.errors import Exit


def verbs(group, words=()):
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        yield from verbs(command, (*words, name)) if inner else [" ".join((*words, name))]


def test_each_verb_has_its_own():
    assert list(MEANINGS) == list(verbs(typer.main.get_command(app)))


def test_each_names_success_bugs_and_usage_in_the_order_of_the_codes():
    for verb, meanings in MEANINGS.items():
        assert {Exit.OK, Exit.BUG, Exit.USAGE} <= meanings.keys(), verb
        assert list(meanings) == sorted(meanings), verb


def test_only_what_runs_something_names_every_code():
    assert [verb for verb, meanings in MEANINGS.items() if set(meanings) == set(Exit)] == [
        "run",
        "resume",
        "retry",
        "bench",
    ]
