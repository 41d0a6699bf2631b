"""Writes `status.json` into the run directory every two seconds, for `fanout status` and for programs.

It shows where the run stands and that it is alive. The file is replaced atomically; a failure to write it never fails
the run. The format is described in `docs/summary.md`.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from fanout.errors import JournalError
from fanout.files import read_json
from fanout.text import iso

if TYPE_CHECKING:
    from fanout.engine.snapshot import Snapshot

_log = logging.getLogger(__name__)
VERSION = 1
EVERY_S = 2.0


class StatusFile:
    """Writes where one run stands.

    Args:
        path: The file.
        run_id: The run id.
        now: The run's clock.
        every_s: How often.
        more: Further keys, for the process that started this one.
    """

    def __init__(
        self,
        path: Path,
        *,
        run_id: str,
        now: Callable[[], float],
        every_s: float = EVERY_S,
        more: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        self._path = path
        self._run_id = run_id
        self._now = now
        self._every_s = every_s
        self._more = more
        self._started_at = now()
        self._look: Callable[[], Snapshot] | None = None
        self._broken = False

    async def watch(self, look: Callable[[], Snapshot], *, now: Callable[[], float]) -> None:  # noqa: ARG002 - Observer's
        """Write every `every_s` seconds, until cancelled."""
        self._look = look
        while True:
            content = self._content("running", reason=None)
            await anyio.to_thread.run_sync(self._write, content)  # a slow disk must not hold up the sends
            await anyio.sleep(self._every_s)

    def finished(self) -> None:
        """Write that the output is there."""
        self._write(self._content("finished", reason=None))

    def stopped(self, reason: str) -> None:
        """Write why the run ended before its output was there."""
        self._write(self._content("stopped", reason=reason))

    def _content(self, state: str, *, reason: str | None) -> dict[str, Any]:
        return {
            "version": VERSION,
            "run": self._run_id,
            "state": state,
            "reason": reason,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "started_at": iso(self._started_at),
            "updated_at": iso(self._now()),
            "snapshot": asdict(self._look()) if self._look is not None else None,
            **self._more(),
        }

    def _write(self, content: dict[str, Any]) -> None:
        if self._broken:
            return
        temporary = self._path.with_suffix(".tmp")
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(content, file, indent=2)
            temporary.replace(self._path)  # no fsync: readers ignore a file torn by a power cut
        except OSError as error:
            self._broken = True
            _log.warning("%s cannot be written (%s): the run goes on without", self._path, error.strerror)


def read_status_file(path: Path) -> dict[str, Any]:
    """Return what `status.json` says; nothing if it is torn, missing or of another version."""
    try:
        return read_json(path, dict, version=VERSION, error=JournalError)
    except JournalError:
        return {}


FOLLOW_S = 0.5
"""How often the children's `status.json` are read; they write theirs as often."""
