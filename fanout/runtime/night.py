"""Takes of the input what is new since the last night that ended, and moves the watermark once its output is placed.

What a night takes is kept in its run directory: a resume and other processes of the run read the same files, whatever
has come meanwhile. Until the watermark is moved, a night that starts anew takes the same files again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import anyio.to_thread

from fanout.concurrency.threads import run_in_thread
from fanout.config.model import Config
from fanout.errors import NothingFound, NothingNew, UsageError
from fanout.failpoints import failpoint
from fanout.ports import Clock, ObjectStore
from fanout.rundir.chosen_inputs import ChosenInputs, read_chosen
from fanout.runtime import settings as compose
from fanout.runtime.watermark_place import WatermarkPlace
from fanout.source.discovery import Inventory, take_inventory_of_each
from fanout.source.files import InputFile, check_unchanged
from fanout.source.remote import Remote
from fanout.source.watermark import Watermark, version_of
from fanout.text import count

SHOWN = 3


async def choose(
    config: Config, objects: ObjectStore, *, remote: Remote, chosen: Path | None, clock: Clock
) -> Inventory | None:
    """Return the files that a run reads, None where that is all that its paths mean.

    Args:
        config: The run's, scheduled.
        objects: S3.
        remote: The same for threads.
        chosen: Where the choice is kept; None for what is no run.
        clock: The run's clock.

    Raises:
        NothingNew: There is no new file.
        InputError: The paths mean nothing at all and no night has ended yet, or a file cannot be looked at.
        UsageError: The watermark is damaged, or cannot be written.
        RunError: S3 does not permit it or does not answer.
    """
    if chosen is None:
        return None
    kept = await run_in_thread(partial(_kept, chosen, remote))
    if kept is not None:
        return kept
    if config.input.since is None:
        return None
    place = _place(config, objects, clock)
    last = await place.read()
    try:
        look = partial(take_inventory_of_each, compose.input_settings(config), remote=remote)
        found = await anyio.to_thread.run_sync(look, abandon_on_cancel=True)
    except NothingFound as error:
        if last is None:  # the first night finds a misspelt path, and not an empty folder for years
            raise
        raise NothingNew(f"nothing new: {error}; no output was written") from error
    files = [file for file in found.files if file.path != config.input.watermark]
    stream = next((file.path for file in files if file.streamed), None)
    if stream is not None:
        raise UsageError(f"{stream} is no regular file, of which can be told whether it is new (input.since)")
    since = last or Watermark()
    fresh, gone = await run_in_thread(partial(_compared, since, files, config.input.paths))
    if not fresh:
        raise NothingNew(
            f"nothing new: {count(len(files), 'file')} read by earlier runs, the last of them {since.run} "
            f"(output {since.output}); no output was written"
        )
    await place.prove()
    await run_in_thread(partial(ChosenInputs(tuple(fresh), tuple(gone)).write, chosen))
    warnings = list(found.warnings)
    if last is None:
        warnings.append(f"no watermark at {config.input.watermark} yet: every file counts as new")
    if changed := since.changed(fresh):
        warnings.append(f"changed since an earlier run had read them, and sent again: {_shown(changed)}")
    return Inventory(tuple(fresh), tuple(warnings))


async def end_night(
    config: Config,
    objects: ObjectStore,
    *,
    chosen: Path,
    remote: Remote,
    run_id: str,
    clock: Clock,
    warn: Callable[[str], None],
) -> None:
    """Move the watermark past the files of a run whose output is placed; done twice, it changes nothing.

    Args:
        config: The run's; without `input.since` nothing is done.
        objects: S3.
        chosen: Where the choice is kept.
        remote: S3, for threads.
        run_id: The run.
        clock: The run's clock.
        warn: Is told of files that another run has read meanwhile.

    Raises:
        UsageError: The watermark was damaged meanwhile.
        RunError: It may not be written; the run can be resumed, and tries again.
    """
    if config.input.since is None:
        return
    kept = await run_in_thread(partial(read_chosen, chosen, remote=remote))
    moved = partial(
        Watermark.after, files=kept.files, run=run_id, output=config.output.path or "", gone=kept.gone
    )
    before = await _place(config, objects, clock).move(moved)
    failpoint("watermark.moved")
    if before.run == run_id:
        return
    twice = [file.path for file in kept.files if before.files.get(file.path) == version_of(file)]
    if twice:
        warn(
            f"run {before.run}, which ended meanwhile, has read these files, too: {_shown(twice)}; "
            "two runs of one job should not overlap"
        )


def _compared(
    since: Watermark, files: Sequence[InputFile], paths: Sequence[str]
) -> tuple[list[InputFile], list[str]]:
    """Return the files that are new, and the paths that are gone: of 100,000, it takes seconds."""
    return since.fresh(files), since.gone(files, paths=paths)


def _kept(chosen: Path, remote: Remote) -> Inventory | None:
    """Return the files that an earlier process of the run chose, None if there was none, or none to choose."""
    if not chosen.exists():
        return None
    files = read_chosen(chosen, remote=remote).files
    for file in files:
        check_unchanged(file)
    return Inventory(files)


def _place(config: Config, objects: ObjectStore, clock: Clock) -> WatermarkPlace:
    place = compose.required(config.input.watermark, "input.since needs an input, beside which it is noted")
    return WatermarkPlace(place, objects=objects, clock=clock)


def _shown(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - SHOWN:,} more" if len(paths) > SHOWN else ""
    return f"{count(len(paths), 'file')} ({', '.join(paths[:SHOWN])}{more})"
