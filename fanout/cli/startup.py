"""Starts the command line quickly: makes a command only of the verb that is called, and imports the engine cheaply."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typer.models import CommandInfo, TyperInfo


def called(
    commands: Sequence[CommandInfo], groups: Sequence[TyperInfo], arguments: Sequence[str]
) -> tuple[list[CommandInfo], list[TyperInfo]]:
    """Return the verb, or the group of verbs, that is called, all of them where none is.

    typer takes 5 ms to make a command of each.

    Args:
        commands: All verbs.
        groups: All groups of verbs.
        arguments: The command line without the program's name.
    """
    verb = arguments[0] if arguments else ""
    command = [each for each in commands if each.callback is not None and each.callback.__name__ == verb]
    group = [each for each in groups if each.name == verb]
    return (command, group) if command or group else (list(commands), list(groups))


def load_engine() -> None:
    """Import what every run needs, without numpy and without the cycle collector.

    pyarrow works without numpy, which is optional since 18 and costs 0.1 s of CPU and 20 MB; and what imports leave is
    there to stay, so that looking for cycles in it finds none.
    """
    with _uncollected(), hidden("numpy"):
        import fanout.commands.run  # noqa: F401


@contextmanager
def hidden(name: str) -> Iterator[None]:
    """Let nothing import `name` inside, as if it were not installed; what has been imported before stays."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # what `import` takes for "not installed"
    try:
        yield
    finally:
        del sys.modules[name]


@contextmanager
def _uncollected() -> Iterator[None]:
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
