"""Runs the rows that did not succeed once more, as a new run: `fanout retry`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from fanout.cli.console import Reporting
from fanout.cli.options import RunName, from_flags
from fanout.config.flags import RETRY, Sections


@from_flags(RETRY)
def retry(
    *,
    run: RunName,
    output: Annotated[
        str, typer.Option("-o", "--output", help="Parquet file to write, of the retried rows alone.")
    ],
    config: Annotated[
        Path | None,
        typer.Option(
            "-c", "--config", help="TOML file, in place of the settings of that run; its input stays."
        ),
    ] = None,
    flags: Sections,
    reporting: Reporting,
) -> None:
    """Send the rows of a finished run that did not succeed once more, as a new run; joins with the first on `row`.

    Each is a new send: what ended `unsettled` or `unknown` may have been served before.
    """
    from fanout.api.verbs import retry as retry_rows
    from fanout.cli.named_run import named
    from fanout.config.load import load_config

    reporting.configure_logging()
    earlier = named(run, config, flags)
    changed = load_config(config, environ=os.environ, flags=flags, base=None if config else earlier.config)
    reporting.show(lambda observer: retry_rows(earlier.where, output, observer=observer, config=changed))
