"""Describes a run for its output's metadata: who ran what, where, with which settings (`rundir.provenance`)."""

from __future__ import annotations

import platform

from fanout._version import __version__
from fanout.config.model import Config
from fanout.config.shown import settings_in_force, shown_settings
from fanout.domain.arns import Account
from fanout.ports import Endpoint
from fanout.rundir.manifest import Manifest
from fanout.rundir.provenance import Provenance
from fanout.runtime.command_line import command
from fanout.text import iso


def describe_run(
    config: Config,
    *,
    manifest: Manifest | None = None,
    endpoint: Endpoint | None = None,
    region: str | None = None,
    started_at: float | None = None,
) -> Provenance:
    """Return where an output comes from.

    Args:
        config: The run's.
        manifest: Its `run.json`, which knows the command that began it; None of an experiment, which has none.
        endpoint: What was said of it; None if this role may not describe it, or it was not asked.
        region: The endpoint's.
        started_at: When this process began the run, or went on with it, in seconds since the epoch.
    """
    account = Account.of_arn(endpoint.arn) if endpoint is not None and endpoint.arn is not None else None
    begun = manifest.command if manifest is not None else None
    return Provenance(
        fanout=__version__,
        python=platform.python_version(),
        commands=tuple(dict.fromkeys(each for each in (begun, command()) if each is not None)),
        started_at=None if started_at is None else iso(started_at),
        account=account.account_id if account is not None else None,
        account_alias=config.endpoint.account_alias,
        region=region,
        instances=endpoint.instances if endpoint is not None else None,
        instance_types=dict(endpoint.instance_types) if endpoint is not None else {},
        settings=shown_settings(config),
        in_force=settings_in_force(config),
        fingerprint=manifest.fingerprint if manifest is not None else None,
        retry_of=manifest.retry_of if manifest is not None else None,
    )
