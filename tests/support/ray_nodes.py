"""A Ray cluster on this machine: a head without cores, and nodes that share no disk and can be lost."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

STARTS = 5


class Nodes:
    """The nodes of a cluster, each with scratch of its own below `directory`.

    Args:
        directory: Where their scratch is.
        env: Of each node, and so of the shards that run there.
        cores: Of each node: so many shards at once.
    """

    def __init__(self, directory: Path, env: Mapping[str, str], *, cores: int = 1) -> None:
        from ray.cluster_utils import Cluster

        self._directory, self._env, self._cores = directory, dict(env), cores
        self._scratch: dict[Any, Path] = {}
        self._count = 0
        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})

    @property
    def alive(self) -> list[Any]:
        """Those that were added and not lost, the oldest first."""
        return list(self._scratch)

    def add(self) -> Any:
        """Start a node; once more if it took too long: Ray gives a node of a busy machine up."""
        for left in reversed(range(STARTS)):
            self._count += 1
            scratch = self._directory / f"node-{self._count}"
            scratch.mkdir()
            env = {**self._env, "TMPDIR": str(scratch)}
            try:
                node = self.cluster.add_node(num_cpus=self._cores, env_vars=env)
            except Exception as error:  # which is all that Ray says
                if not left or "timed out during startup" not in str(error):
                    raise
                continue
            self._scratch[node] = scratch
            return node
        raise AssertionError("unreachable")

    def lose(self, node: Any) -> None:
        """Kill a node, and take its disk away."""
        self.cluster.remove_node(node, allow_graceful=False)
        scratch = self._scratch.pop(node)
        # What ran there outlives the node for a moment, and would tell the driver that its disk has gone.
        while left := [*_processes(scratch)]:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        shutil.rmtree(scratch, ignore_errors=True)


def _processes(scratch: Path) -> Iterator[int]:
    """Yield the processes that have their scratch there, those that are gone but for their exit code left out."""
    mark = f"TMPDIR={scratch}".encode()
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if mark in (directory / "environ").read_bytes().split(b"\0"):
                yield int(directory.name)
