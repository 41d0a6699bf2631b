"""Serves the local AWS as a process, and prints one JSON line on stdout when it is ready."""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError

from fanout.config.errors import explain
from fanout.errors import Exit
from fanout.simulator.http.server import Facts, serve
from fanout.simulator.settings import SimulatorSettings

Tree = dict[str, object]
_PORT_MAX = 65_535
LIST = "help"  # as an assignment: which settings there are


def main(arguments: list[str] | None = None) -> int:
    """Serve as the command line asks; return the exit code."""
    options = _parser().parse_args(arguments)
    if LIST in options.set:
        sys.stdout.write("".join(f"{line}\n" for line in listed(SimulatorSettings())))
        return Exit.OK
    tree: Tree = {}
    try:
        if options.settings == "-":
            tree = _object(json.loads(sys.stdin.buffer.readline()))
        elif options.settings is not None:
            tree = tomllib.loads(Path(options.settings).read_text())
        for assignment in options.set:
            _merge(tree, parse_assignment(assignment))
        settings = SimulatorSettings.model_validate(tree)
    except (OSError, ValueError) as error:
        _stop(_explain(error), Exit.USAGE)
    if not 0 <= options.port <= _PORT_MAX:  # uvloop would take it modulo 65536
        _stop(f"--port {options.port}: ports are 0 to {_PORT_MAX}", Exit.USAGE)
    try:
        serve(settings, port=options.port, ready=_announce, until_eof=options.until_eof)
    except OSError as error:
        _stop(
            f"cannot listen on port {options.port}: {error.strerror or error}; try --port 0",
            Exit.PRECONDITION,
        )
    return Exit.OK


def listed(settings: SimulatorSettings) -> Iterator[str]:
    """Yield `KEY=VALUE` for every setting, as `--set` takes it."""
    return _listed(settings.model_dump(mode="json"), under="")


def _listed(tree: Tree, *, under: str) -> Iterator[str]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _listed(value, under=f"{under}{name}.")
        else:
            yield f"{under}{name}={'' if value is None else json.dumps(value)}"


def parse_assignment(assignment: str) -> Tree:
    """Return `a.b=1` as a tree; the value is TOML, or a string if it is not.

    Raises:
        ValueError: There is no `=`.
    """
    path, found, value = assignment.partition("=")
    if not found or not path.strip():
        message = f"--set {assignment}: expected KEY=VALUE"
        raise ValueError(message)
    try:
        parsed: object = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    for name in reversed(path.strip().split(".")):
        parsed = {name: parsed}
    return _object(parsed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fanout.simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--settings", metavar="FILE.toml", help="'-' reads one line of JSON from stdin")
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="e.g. service_time.median_s=0.2; help lists all",
    )
    parser.add_argument("--until-eof", action="store_true", help="stop when stdin ends")
    return parser


def _announce(facts: Facts) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def _merge(tree: Tree, other: Tree) -> None:
    for name, value in other.items():
        known = tree.get(name)
        if isinstance(known, dict) and isinstance(value, dict):
            _merge(known, value)
        else:
            tree[name] = value


def _object(value: object) -> Tree:
    if not isinstance(value, dict):
        message = "the settings must be an object"
        raise ValueError(message)  # noqa: TRY004 - a usage error, like those of the parsers beside it
    return value


def _explain(error: Exception) -> str:
    return "\n".join(explain(error, SimulatorSettings)) if isinstance(error, ValidationError) else str(error)


def _stop(message: str, code: Exit) -> NoReturn:
    sys.stderr.write(f"fanout simulator: {message}\n")
    sys.exit(code)


if __name__ == "__main__":
    sys.exit(main())
