"""Checks what needs no AWS: the configuration, descriptors, certificates and proxies, the output's place, the disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from urllib.parse import urlsplit

from fanout.aws.http.dialer import check_bundle
from fanout.commands.doctor.finding import CONFIGURATION, Finding, failure, found, ok
from fanout.commands.earlier_run import seen_unfinished, unfinished_error
from fanout.commands.paths import check_complete, check_host, check_names, check_places, run_directory
from fanout.config.model import Config
from fanout.errors import RunError, UsageError, next_time
from fanout.files import storage, usable
from fanout.output.destination import check_name, claim
from fanout.output.object_place import is_remote
from fanout.runtime import settings as compose
from fanout.runtime.descriptors import ensure_descriptors
from fanout.runtime.place.run_place import is_place
from fanout.runtime.place.scratch import scratch_root
from fanout.runtime.spec import AGAIN
from fanout.shards.plan import split_config
from fanout.text import quoted

_URLS = "AWS_ENDPOINT_URL"
_SECOND_COPY = 2
"""Part files and the output that is made of them stand side by side until the output is whole."""


def configuration(config: Config, environ: Mapping[str, str]) -> list[Finding]:
    """Return what is wrong with the configuration by itself, or on such a host, all of it."""
    output = config.output.path or ""
    checks: list[Callable[[], object]] = [
        lambda: check_complete(config),
        lambda: check_places(config),
        lambda: check_host(config, environ),
        lambda: split_config(config),
    ]
    if config.input.paths and output:  # else `check_complete` has said so
        checks.append(lambda: check_names(config.input.paths, output))
    problems = []
    for check in checks:
        try:
            check()
        except UsageError as error:
            problems += [failure(CONFIGURATION, line) for line in error.lines]
    return problems or [ok(CONFIGURATION, "complete and consistent")]


def descriptors(config: Config) -> list[Finding]:
    """Return whether this process may open what a run opens, each of its processes if there are several."""
    try:
        each = split_config(config)[0]
    except UsageError:  # said by `configuration`
        return []
    wanted = compose.descriptors(each)
    try:
        ensure_descriptors(wanted)
    except UsageError as error:
        return [failure("descriptors", str(error))]
    return [ok("descriptors", f"up to {wanted:,} files and connections may be open at once")]


def network(environ: Mapping[str, str]) -> list[Finding]:
    """Return what the environment says of certificates, proxies and servers, without passwords."""
    said, problems = [], []
    bundle = environ.get("AWS_CA_BUNDLE")
    if bundle:
        said.append(f"authorities of {bundle} (AWS_CA_BUNDLE)")
        try:
            check_bundle(bundle)
        except RunError as error:
            problems.append(failure("network", str(error)))
    for name, value in sorted(environ.items()):
        is_url = name.startswith(_URLS) or (name.lower().endswith("_proxy") and name.lower() != "no_proxy")
        if not is_url or not value:
            continue
        said.append(f"{name}={without_password(value)}")
        if not _has_host(value):
            problems.append(
                failure(
                    "network",
                    f"{name}={without_password(value)} is not a url: write http://HOST:PORT, or unset it",
                )
            )
    no_proxy = environ.get("no_proxy") or environ.get("NO_PROXY")
    if no_proxy and any("proxy" in each.lower() for each in said):
        said.append(f"not by proxy: {no_proxy}")
    text = f"set here: {'; '.join(said)}" if said else "no proxy, certificates or servers of your own are set"
    return problems or [ok("network", text)]


def output(config: Config, *, run_id: str) -> list[Finding]:
    """Return whether an output on this machine may be written, and the run's directory; nothing stays of the proof."""
    path = config.output.path
    if not path:
        return []
    directory = _own_files(config, run_id)
    try:
        earlier = None if is_remote(path) else seen_unfinished(path)
        if earlier is not None:
            if config.run.resume:
                return [
                    ok(
                        "output",
                        f"{path} has an unfinished run, {earlier.directory.path}: a run goes on with it",
                    )
                ]
            raise unfinished_error(path, earlier)
        if config.run.dir and not is_place(config.run.dir) and (directory / "run.json").exists():
            raise UsageError(
                f"{directory} holds a run already: `fanout resume {quoted(directory)}`, or name another directory"
            )
        check_name(directory)
        _prove_writable(_ground(directory))
        if is_remote(path):
            return []
        target = Path(path.rstrip("/"))
        _prove_writable(_ground(target.parent))
        if target.parent.is_dir():
            with next_time(AGAIN):
                claim(path, run_id=run_id, overwrite=config.output.overwrite)
    except RunError as error:
        return [failure("output", str(error))]
    return [ok("output", f"{path} can be written, and {directory.parent} as well, for the run's own files")]


def _own_files(config: Config, run_id: str) -> Path:
    """Return where a run puts its own files on this machine: its directory, or scratch, if its state is in S3."""
    if is_place(config.run.dir or ""):
        return scratch_root(config.run.scratch, os.environ) / "run"
    return run_directory(config, run_id).path


def disk(config: Config, *, input_bytes: int | None) -> list[Finding]:
    """Return whether there is room for what a run writes; how large responses are is not known before.

    Args:
        config: Names output and run directory.
        input_bytes: The size of the input; None where that is not known.
    """
    output = config.output.path
    if not output:
        return []
    places = {_own_files(config, "run")} | (set() if is_remote(output) else {Path(output.rstrip("/")).parent})
    free = {}
    for place in places:
        ground = _ground(place)
        try:
            free[str(ground)] = shutil.disk_usage(ground).free
        except OSError:  # said by `output`
            continue
    return judge_disk(free, input_bytes=input_bytes)


def judge_disk(free: Mapping[str, int], *, input_bytes: int | None) -> list[Finding]:
    """Return what `free` bytes at each place mean for an input of this size."""
    if not free:
        return []
    wanted = _SECOND_COPY * (input_bytes or 0)
    least = min(free.values())
    size = "of unknown size" if input_bytes is None else f"{_size(input_bytes)} large"
    short = (
        f"{place} has {_size(space)} free, and the input is {size}: parts and output hold the responses and "
        "what is kept of the input, for a while both. If responses are that large, free space there, or choose "
        "another disk (-o, --run-dir)"
        for place, space in sorted(free.items())
        if space < wanted
    )
    return found("disk", f"{_size(least)} free, the input is {size}", warnings=short)


def without_password(url: str) -> str:
    """Return a url without what stands before an @."""
    head, at, tail = url.rpartition("@")
    scheme, slashes, _ = head.rpartition("//")
    return f"{scheme}{slashes}...@{tail}" if at else url


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB" if size_bytes < 1e9 else f"{size_bytes / 1e9:,.1f} GB"


def _has_host(url: str) -> bool:
    try:
        return bool(urlsplit(url if "//" in url else f"//{url}").hostname)
    except ValueError:  # an unfinished IPv6 address
        return False


def _ground(path: Path) -> Path:
    """Return the nearest directory above that is there, `path` itself if it is: a run makes those below."""
    chain: Iterable[Path] = (path, *path.parents)
    return next((each for each in chain if each.exists()), path)


def _prove_writable(directory: Path) -> None:
    """Write to a file that has no name, or loses it at once.

    Raises:
        UsageError: The directory is none, or nothing can be made in it.
        StorageError: The disk is full or failed.
    """
    with (
        next_time(AGAIN),
        usable(directory),
        storage(directory, "write to"),
        TemporaryFile(dir=directory) as file,
    ):
        file.write(b"x")
        file.flush()
