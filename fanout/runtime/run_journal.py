"""Opens the journal of a run, which locks the run; names the next step when the run breaks off.

A run that sent nothing leaves nothing: its directory is removed. Any other can be resumed, which its error says.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fanout.errors import RunError, UsageError
from fanout.failpoints import failpoint
from fanout.rundir.identity import check_identity, claim
from fanout.rundir.journal import Journal
from fanout.runtime.spec import RunSpec


@contextmanager
def open_journal(spec: RunSpec) -> Iterator[Journal | None]:
    """Yield the run's journal on this machine, None if it keeps none here.

    The directory of a new run that sent nothing is removed.

    Raises:
        UsageError: The directory holds a run whose `run.json` is gone.
        JournalError: Another process is at the run, its journal is damaged or missing, or the directory is a copy.
        RunError: Of the block; a run that can be resumed says so.
    """
    directory = spec.directory
    if spec.place is not None:
        yield None
        return
    if spec.begun and spec.config.run.journal:
        check_identity(directory)
    journal = Journal(directory.journal, must_exist=spec.begun) if spec.config.run.journal else None
    failpoint("journal.opened")
    if journal is None:
        yield None
        return
    try:
        if spec.begun:
            journal.check()
        elif not journal.is_empty():
            raise UsageError(f"{directory.path} holds a run whose run.json is gone: name another directory")
        claim(directory)
        yield journal
    except RunError as error:
        # The other kinds bring their own next step, or the resume would meet the same.
        bare = type(error) is RunError and spec.next_step not in str(error)
        if bare and (spec.begun or not journal.has_sent_nothing()):
            then = "then " if spec.can_be_resumed else ""
            error.args = (f"{str(error).rstrip('.')}; {then}{spec.next_step}",)
        raise
    finally:
        unused = journal.has_sent_nothing()
        journal.close()
        finished = directory.summary.exists() or directory.subtotal.exists()
        if unused and not spec.begun and not finished:
            directory.remove_if_unused()
