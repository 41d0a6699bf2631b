"""Opens the input that a configuration names: from this machine, or from S3 with the credentials of the run."""

from __future__ import annotations

import functools

import anyio.to_thread

from fanout.aws.filesystem import input_filesystem
from fanout.aws.session import AwsCloud
from fanout.config.model import Config
from fanout.runtime import settings as compose
from fanout.source.source import Source, open_source


async def open_input(config: Config, cloud: AwsCloud) -> Source:
    """Return the input, which is the caller's to close.

    Raises:
        InputError: It is not there, cannot be read, is not what it should be, or lacks a column.
        UsageError: The selection contradicts itself.
        RunError: The credentials have expired and cannot be refreshed.
    """
    settings = compose.input_settings(config)
    filesystem = None
    if any(path.startswith("s3://") for path in settings.paths):
        filesystem = await input_filesystem(cloud)
    make = functools.partial(open_source, settings, compose.selection(config), filesystem=filesystem)
    # Abandoned: a pipe may have nothing to say for ever, and a signal does not wait for it.
    return await anyio.to_thread.run_sync(make, abandon_on_cancel=True)
