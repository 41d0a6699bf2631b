"""The command line makes a command of the verb that is called, and of no other."""

from __future__ import annotations

import pytest

from fanout.cli.app import app
from fanout.cli.startup import called


@pytest.mark.parametrize(
    ("arguments", "commands", "groups"),
    [
        (["run", "x.jsonl"], ["run"], []),
        (["infra", "iam"], [], ["infra"]),
        (["infra"], [], ["infra"]),
        (["--help"], [each.callback.__name__ for each in app.registered_commands], ["infra"]),
        ([], [each.callback.__name__ for each in app.registered_commands], ["infra"]),
    ],
)
def test_only_what_is_called_is_made(arguments, commands, groups):
    found, of = called(app.registered_commands, app.registered_groups, arguments)
    assert ([each.callback.__name__ for each in found], [each.name for each in of]) == (commands, groups)
