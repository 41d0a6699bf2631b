"""Tells whether AWS is reached in the plain way: one region, and its own servers or one server for all services.

Then every host is known without botocore, whose import and five clients cost more CPU than a small run needs beside
them. Only what is known to change nothing counts as plain: an unknown variable, a proxy or a key in a profile does not.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from fanout.aws.clients import is_aws
from fanout.aws.http.sigv4 import Keys
from fanout.aws.regions import INLINE_REGIONS
from fanout.aws.settings import AwsSettings

_READ = frozenset({
    "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
})  # fmt: skip
"""Variables that this module takes into account."""
_HARMLESS = frozenset({
    "AWS_DEFAULT_OUTPUT", "AWS_PAGER", "AWS_EXECUTION_ENV",  # of the CLI, or of no consequence
    "AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE",  # every call makes one attempt
    # They say where credentials come from, which botocore finds out by itself where it has to.
    "AWS_EC2_METADATA_DISABLED", "AWS_METADATA_SERVICE_TIMEOUT", "AWS_METADATA_SERVICE_NUM_ATTEMPTS", "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_STS_REGIONAL_ENDPOINTS",
})  # fmt: skip
_HARMLESS_PREFIXES = ("AWS_BATCH_", "AWS_CONTAINER_", "AWS_LAMBDA_")
_HARMLESS_KEYS = {
    "config": frozenset({"region", "output"}),
    "credentials": frozenset({"aws_access_key_id", "aws_secret_access_key", "aws_session_token"}),
}
"""What the default profile may say in either file; `region` is read, keys are found by botocore."""
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_HOSTNAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class PlainAws:
    """One region of AWS in which every host is known.

    Attributes:
        region: Its name.
        endpoint_url: The server of all services; None for AWS's own.
        ca_bundle: Authorities to verify servers by; None for botocore's.
        keys: Credentials that never change; None where botocore has to find them.
    """

    region: str
    endpoint_url: str | None
    ca_bundle: str | None
    keys: Keys | None


def plain_aws(settings: AwsSettings, environ: Mapping[str, str]) -> PlainAws | None:
    """Return what `settings` and the environment come to, None where botocore has to find out.

    Args:
        settings: What the user set.
        environ: The environment.
    """
    if settings.client != "wire" or settings.profile is not None or not _is_plain(environ):
        return None
    home = Path(environ.get("HOME", "")) / ".aws"
    if (home / "models").exists():  # service models of the user's own
        return None
    config = _default_profile(Path(environ.get("AWS_CONFIG_FILE", home / "config")), "config")
    shared = _default_profile(
        Path(environ.get("AWS_SHARED_CREDENTIALS_FILE", home / "credentials")), "credentials"
    )
    if config is None or shared is None:
        return None
    # botocore itself knows AWS_DEFAULT_REGION alone; AWS_REGION is what Lambda, ECS and the other SDKs set.
    named = settings.region or environ.get("AWS_REGION")
    region = named or environ.get("AWS_DEFAULT_REGION", config.get("region", ""))
    url = settings.endpoint_url or environ.get("AWS_ENDPOINT_URL")
    if not _REGION.fullmatch(region) or not _is_reachable(region, url):
        return None
    return PlainAws(region, url, environ.get("AWS_CA_BUNDLE"), _keys(settings, environ))


def _is_plain(environ: Mapping[str, str]) -> bool:
    """Whether no variable says what this module does not know of."""
    for name, value in environ.items():
        if name.startswith("AWS_"):
            known = name in _READ or name in _HARMLESS or name.startswith(_HARMLESS_PREFIXES)
            if not known or (name in {"AWS_ENDPOINT_URL", "AWS_CA_BUNDLE"} and not value):
                return False
        elif name.lower().endswith("_proxy") and name.lower() != "no_proxy" and value:
            return False
    return sys.platform not in {"darwin", "win32"} or not _system_proxies()


def _system_proxies() -> Mapping[str, str]:
    from urllib.request import getproxies

    return getproxies()


def _default_profile(path: Path, kind: str) -> Mapping[str, str] | None:
    """Return what a file says of the default profile, None if that is more than this module knows."""
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, RuntimeError):
        return None
    if not text:
        return {}
    import configparser

    parser = configparser.RawConfigParser(default_section="")
    try:
        parser.read_string(text)
    except configparser.Error:
        return None
    sections = [name for name in parser.sections() if name.split() in (["default"], ["profile", "default"])]
    if len(sections) > 1:
        return None
    found = dict(parser[sections[0]]) if sections else {}
    plain = found.keys() <= _HARMLESS_KEYS[kind] and not any("\n" in value for value in found.values())
    return found if plain else None


def _is_reachable(region: str, url: str | None) -> bool:
    if url is None:
        return region in INLINE_REGIONS  # one partition, with one spelling of its hosts
    try:
        parts = urlsplit(url)
        port_is_one = parts.port is None or parts.port > 0
    except ValueError:
        return False
    bare = parts.path in {"", "/"} and not (parts.query or parts.fragment or parts.username)
    named = _HOSTNAME.fullmatch(parts.hostname or "") is not None
    return parts.scheme in {"http", "https"} and port_is_one and bare and named and not is_aws(url)


def _keys(settings: AwsSettings, environ: Mapping[str, str]) -> Keys | None:
    if settings.access_key_id is not None:
        secret = settings.secret_access_key
        return Keys(settings.access_key_id, secret, settings.session_token) if secret else None
    access, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    return Keys(access, secret, environ.get("AWS_SESSION_TOKEN") or None) if access and secret else None
