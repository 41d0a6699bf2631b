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
        Path | None, typer.Option("-c", "--config", help="TOML file; the input must be the same.")
    ] = None,
    flags: Sections,
    reporting: Reporting,
) -> None:
    """Send the rows of a finished run that did not succeed once more, as a new run; joins with the first on `row`.

    Each is a new send: what ended `unsettled` or `unknown` may have been served before.
    """
    from fanout.api.verbs import retry as retry_rows
    from fanout.commands.find_run import find_run
    from fanout.config.load import load_config
    from fanout.rundir.manifest import read_manifest
    from fanout.rundir.paths import RunDirectory

    reporting.configure_logging()
    earlier = find_run(run)
    base = None if config else read_manifest(RunDirectory(earlier)).config
    changed = load_config(config, environ=os.environ, flags=flags, base=base)
    reporting.show(lambda observer: retry_rows(earlier, output, observer=observer, config=changed))
