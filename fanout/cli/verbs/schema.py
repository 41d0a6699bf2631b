"""Prints the JSON Schema of the configuration: `fanout schema`."""

from __future__ import annotations


def schema() -> None:
    """Print the JSON Schema of the TOML file, by which editors complete and check it.

    Name its file in the first line of the TOML: `#:schema ./fanout.schema.json`.
    """
    import json

    from fanout.cli.console import write_out
    from fanout.commands.schema import config_schema

    write_out(f"{json.dumps(config_schema(), indent=2)}\n")
