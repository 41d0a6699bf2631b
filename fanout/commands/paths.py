"""Checks the names that a person gave inputs and outputs, before anything is made or sent."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fanout.aws.session import missing_region
from fanout.config.model import Config
from fanout.config.origins import Origins
from fanout.errors import UsageError, next_time
from fanout.files import storage, usable
from fanout.output.destination import check_name
from fanout.output.object_place import is_remote, object_place
from fanout.rundir.paths import RUNS, RunDirectory
from fanout.runtime.place.run_place import RunPlace, is_place, run_place
from fanout.runtime.place.scratch import scratch, scratch_root
from fanout.source.path_rules import GLOB, fixed_parts, is_hidden, matches

NO_INPUT = "no input: name files, directories or globs, or - for standard input"
_NEEDED = {
    ("output", "path"): "no output: name a file with -o out.parquet",
    ("input", "paths"): NO_INPUT,
    ("endpoint", "name"): "no endpoint: name it with --endpoint, or try --local",
}


def check_complete(config: Config) -> None:
    """Refuse a run that lacks what every run must be told, all of it at once.

    Raises:
        UsageError: No output, no input, or no endpoint.
    """
    if said := lacking(config.model_dump()):
        raise UsageError(*said)


def lacking(values: Mapping[str, Any], origins: Origins | None = None) -> list[str]:
    """Return a sentence on each thing that every run must be told and this one is not.

    That no region is named is told beside others alone: it may stand in files that only AWS's own SDK reads, which
    takes a third of a second, and opening AWS finds it out anyway.

    Args:
        values: The configuration by section and key, which need not fit.
        origins: Where it was said.
    """

    def value(section: str, key: str) -> Any:
        inner = values.get(section)
        return inner.get(key) if isinstance(inner, Mapping) else None

    local = value("local", "enabled")
    found = [
        sentence if origins is None else f"{sentence}{origins.hint(place)}"
        for place, sentence in _NEEDED.items()
        if not value(*place) and not (local and place[0] == "endpoint")
    ]
    if found and not local:
        region, profile = (value("endpoint", key) for key in ("region", "profile"))
        problem = missing_region(
            region=region if isinstance(region, str) else None,
            profile=profile if isinstance(profile, str) else None,
        )
        if problem is not None:
            found.append(problem.rstrip("."))
    return found


def run_directory(config: Config, run_id: str) -> RunDirectory:
    """Return a run's directory: the one that is named, or one of its own among the runs."""
    named = config.run.dir
    if named and not named.endswith("/"):
        return RunDirectory(Path(named).absolute())
    return RunDirectory(place_of_runs(config) / run_id)


@contextmanager
def run_files(config: Config, run_id: str) -> Iterator[tuple[RunDirectory, RunPlace | None]]:
    """Yield a new run's directory, and its place where its state is kept in S3: the directory is scratch then.

    Raises:
        UsageError: It cannot be named so, or scratch cannot be made.
        StorageError: The disk is full or failed.
    """
    named = config.run.dir or ""
    if not is_place(named):
        yield run_directory(config, run_id), None
        return
    with scratch(scratch_root(config.run.scratch, os.environ)) as directory:
        yield directory, run_place(named, run_id=run_id)


def place_of_runs(config: Config) -> Path:
    """Return the directory that holds run directories: by `run.dir` if there is one, else beside the output or here."""
    named, output = config.run.dir, config.output.path or ""
    if named:
        place = Path(named).absolute()
        return place if named.endswith("/") else place.parent
    if not output or is_remote(output):
        return Path.cwd() / RUNS
    return Path(output.rstrip("/")).parent / RUNS


_DISK_GOES = (
    "ECS_CONTAINER_METADATA_URI_V4",  # Amazon ECS developer guide, "task metadata endpoint"; Fargate among it
    "ECS_CONTAINER_METADATA_URI",
    "AWS_BATCH_JOB_ID",  # AWS Batch user guide, "job environment variables"
    "KUBERNETES_SERVICE_HOST",  # in every pod, Kubernetes documentation, "Service"
)
"""Variables of hosts whose disk ends with the task."""


def check_host(config: Config, environ: Mapping[str, str]) -> None:
    """Refuse to keep the journal of a run on a disk that goes with its task, unless that is accepted.

    An output in S3 says that the disk of this host is not where results are kept.

    Raises:
        UsageError: No place is named for the run; names the three choices.
    """
    run, output = config.run, config.output.path or ""
    told = next((name for name in _DISK_GOES if environ.get(name)), None)
    if told is None or not is_remote(output) or run.dir or run.ephemeral or not run.journal:
        return
    raise UsageError(
        f"the disk of this host goes with its task ({told} is set), and the run's journal with it: what was accepted "
        "would be sent and billed again. Keep it in S3 with --run-dir s3://BUCKET/runs/, or on a mounted volume with "
        "--run-dir PATH, or accept that this run cannot be resumed once the host is gone with --ephemeral"
    )


def check_places(config: Config) -> None:
    """Refuse an output and a run directory that would not outlive the run, or cannot be where they are named.

    Raises:
        UsageError: One of them stands in the local AWS's S3, or the run cannot be kept in S3 as it is configured.
    """
    output = config.output.path or ""
    if is_remote(output) and config.local.enabled:
        raise UsageError(
            f"{output}: the local AWS ends with the run, and its S3 with it: choose a path for the output"
        )
    place = config.run.dir or ""
    if not is_place(place):
        return
    run_place(place, run_id="run" if place.endswith("/") else None)
    if config.local.enabled:
        raise UsageError(
            f"{place}: the local AWS ends with the run, and its S3 with it: choose a path for --run-dir"
        )
    if not config.run.journal:
        raise UsageError(
            f"{place}: it would hold the journal, and this run keeps none: leave out one of the two"
        )
    if config.run.processes > 1:
        raise UsageError(
            f"{place}: the processes of one run keep its state on this machine: use --shards {config.run.processes} "
            "instead of --processes, or choose a path for --run-dir"
        )


def check_paths(inputs: Sequence[str], output: str) -> None:
    """Refuse inputs and outputs that cannot be meant, and make the output's directory.

    Raises:
        UsageError: As `check_names`, or the output's directory cannot be written to.
        StorageError: The disk is full or failed.
    """
    check_names(inputs, output)
    if is_remote(output):
        return
    parent = Path(output.rstrip("/")).parent
    with next_time("start it again"), usable(parent), storage(parent, "create"):
        parent.mkdir(parents=True, exist_ok=True)
    if not os.access(parent, os.W_OK):
        raise UsageError(f"{parent} cannot be written to: choose another output")


def check_names(inputs: Sequence[str], output: str) -> None:
    """Refuse inputs and outputs that cannot be meant; nothing is made.

    Raises:
        UsageError: No input, or the output is an input or where inputs are looked for.
    """
    if is_remote(output):
        object_place(output)
    else:
        check_name(Path(output))
    if Path(output).name == "-":
        raise UsageError(
            "the output is a Parquet file and cannot go to standard output: name one with -o out.parquet"
        )
    if not inputs:
        raise UsageError(NO_INPUT)
    if "" in inputs:
        raise UsageError("an input is empty text, which would mean every file of this directory: name it")
    for path in inputs:
        if _is_input(output, path):
            raise UsageError(f"the output {output} is the input: choose another name")
        if _is_among(output, path):
            raise UsageError(
                f"the output {output} is among the inputs {path}, and a later run would read it as rows: "
                "choose another place for it"
            )


def _is_input(output: str, path: str) -> bool:
    return output == path or ("://" not in path + output and is_same_file(Path(path), Path(output)))


def _is_among(output: str, path: str) -> bool:
    if is_remote(output) and is_remote(path):
        return _object_would_be_read(output, path)
    return "://" not in path + output and _would_be_read(Path(output), path)


def _object_would_be_read(output: str, path: str) -> bool:
    """Whether reading the input `path` in S3, a prefix or a glob, would come upon the output once it is there."""
    # Of a dataset, a part: its manifest is hidden, as it begins with `_`.
    name, pattern = f"{output}part-00000.parquet" if output.endswith("/") else output, path.split("/")
    if GLOB & set(path):
        below = name.split("/")[fixed_parts(pattern) :]
        return matches(name.split("/"), pattern) and not is_hidden(below, pattern=pattern)
    folder = f"{path.rstrip('/')}/"
    return name.startswith(folder) and not is_hidden(name.removeprefix(folder).split("/"))


def _would_be_read(output: Path, path: str) -> bool:
    """Whether reading the input `path`, a directory or a glob, would come upon the output once it is there."""
    inside, folder = output.resolve(), Path(path).resolve()
    if folder.is_dir():
        return folder in inside.parents
    if folder.exists():
        return False
    # A directory that a glob means is read as a whole.
    return any(matches(one.parts, folder.parts) for one in (inside, *inside.parents))


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file that is there."""
    try:
        return one.samefile(other)
    except OSError:
        return False
