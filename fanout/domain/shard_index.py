"""Tells which shard of how many a process is, from what it was asked for and what its scheduler told it; pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

AUTO = "auto"
_SPELLED = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class ShardIndex:
    """Shard `index`, from 0, of `of`."""

    index: int
    of: int

    def __str__(self) -> str:
        """Return it as it is typed."""
        return f"{self.index}/{self.of}"


def shard_index(text: str, environ: Mapping[str, str]) -> ShardIndex:
    """Return the shard that `text` means.

    Args:
        text: `i/N`, or `auto` for what the environment says.
        environ: The environment: `FANOUT_SHARD`, or the variables of an array job's scheduler.

    Raises:
        ValueError: It means none; says why.
    """
    if text != AUTO:
        return _spelled(text, "--shard")
    for name, read in _SCHEDULERS.items():
        if environ.get(name):
            return read(environ)
    raise ValueError(
        "--shard auto: no scheduler says which shard this is: it is told by AWS_BATCH_JOB_ARRAY_INDEX, "
        "JOB_COMPLETION_INDEX (Kubernetes), SLURM_ARRAY_TASK_ID, or FANOUT_SHARD=i/N"
    )


def _spelled(text: str, where: str) -> ShardIndex:
    found = _SPELLED.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{where} {text}: should be i/N, such as 0/8 for the first of eight, or auto")
    return _checked(int(found[1]), int(found[2]), where=f"{where} {text}")


def _batch(environ: Mapping[str, str]) -> ShardIndex:
    # AWS Batch user guide, "Job environment variables": both are set in each child of an array job.
    return _counted(environ, "AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE")


def _kubernetes(environ: Mapping[str, str]) -> ShardIndex:
    # Kubernetes, "Jobs", completion mode Indexed: the index alone is told, the number of completions is not.
    return _counted(environ, "JOB_COMPLETION_INDEX", "FANOUT_SHARDS")


def _slurm(environ: Mapping[str, str]) -> ShardIndex:
    # sbatch(1), "OUTPUT ENVIRONMENT VARIABLES": an array need not begin at 0, nor count by one.
    name = "SLURM_ARRAY_TASK_ID"
    task, least = _number(environ, name), _number(environ, "SLURM_ARRAY_TASK_MIN", default=0)
    step = _number(environ, "SLURM_ARRAY_TASK_STEP", default=1) or 1
    of = _number(environ, "SLURM_ARRAY_TASK_COUNT")
    index, rest = divmod(task - least, step)
    if rest:
        raise ValueError(
            f"{name}={task} is none of {least}, {least + step}, …: number the tasks evenly (--array=0-{of - 1})"
        )
    return _checked(index, of, where=f"{name}={task} (from {least} by {step})")


def _counted(environ: Mapping[str, str], name: str, count: str) -> ShardIndex:
    index, of = _number(environ, name), _number(environ, count)
    return _checked(index, of, where=f"{name}={index}")


def _number(environ: Mapping[str, str], name: str, *, default: int | None = None) -> int:
    text = environ.get(name, "").strip()
    if not text and default is not None:
        return default
    if not text:
        raise ValueError(f"--shard auto: {name} is not set: set it to how many shards there are")
    if not text.isdecimal():
        raise ValueError(f"--shard auto: {name}={text} is not a number")
    return int(text)


def _checked(index: int, of: int, *, where: str) -> ShardIndex:
    if index >= of:
        raise ValueError(f"{where} is out of range: there are {of} shards, numbered from 0 to {of - 1}")
    return ShardIndex(index, of)


_SCHEDULERS: Mapping[str, Callable[[Mapping[str, str]], ShardIndex]] = {
    "FANOUT_SHARD": lambda environ: _spelled(environ["FANOUT_SHARD"], "FANOUT_SHARD"),
    "AWS_BATCH_JOB_ARRAY_INDEX": _batch,
    "JOB_COMPLETION_INDEX": _kubernetes,
    "SLURM_ARRAY_TASK_ID": _slurm,
}
"""Who tells which shard a process is, by the variable that it sets; a person's word goes first."""
