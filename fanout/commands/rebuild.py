"""Makes a new journal for a run whose own is lost, from the parts that are sound and from what stands in S3.

An ordinary resume continues from it. The old journal, and parts that cannot be read, are set aside as `*.damaged`;
nothing is removed. After a kill at any point, a rebuild begins again. `rebuild` says what it decides for each row.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import anyio.to_thread
import pyarrow.parquet as pq

from fanout.commands.s3_scan import S3Scan, scan
from fanout.config.model import Config
from fanout.domain.ids import parse_inference_id
from fanout.domain.output_paths import OutputPaths
from fanout.domain.row_ranges import reach, wants
from fanout.domain.row_state import RowRecord, RowState
from fanout.errors import JournalError, StorageError, UsageError
from fanout.files import storage, sync_directory
from fanout.output.parquet import read_back
from fanout.output.parts import Part, is_part, read_parts
from fanout.rundir.identity import check_alone, check_identity, claim
from fanout.rundir.journal import Journal, JournalInUse, files_of
from fanout.rundir.manifest import read_manifest
from fanout.rundir.paths import RunDirectory
from fanout.rundir.recovery import recover
from fanout.runtime import settings as compose
from fanout.runtime.session import open_session

_log = logging.getLogger(__name__)
_GROUP = 10_000  # lines a transaction


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuilt journal holds: rows by what is known of them, and the parts that were set aside.

    Attributes:
        unknown: Rows uncertain; the input may end before the last of them.
    """

    durable: int
    found: int
    unknown: int
    damaged: tuple[Path, ...]

    def __str__(self) -> str:
        """Say it in a line."""
        aside = f"; set aside: {', '.join(path.name for path in self.damaged)}" if self.damaged else ""
        return (
            f"journal rebuilt: {self.durable:,} rows durable, {self.found:,} to collect, "
            f"up to {self.unknown:,} uncertain{aside}"
        )


@dataclass(frozen=True, slots=True)
class Draft:
    """A new journal, or one for each shard that needs it, that is not in its place yet.

    Attributes:
        rebuilt: What it holds.
        directories: Whose journal is replaced.
        drafts: By their directories; while they are open, no other process rebuilds the run.
    """

    rebuilt: Rebuilt
    directories: Sequence[RunDirectory]
    drafts: Mapping[RunDirectory, Journal]

    def place(self) -> Rebuilt:
        """Give the new journal its name, and return what it holds.

        Raises:
            StorageError: The disk is full or failed.
        """
        for directory, draft in self.drafts.items():
            draft.close()  # SQLite takes its log into the file and removes it
            if directory in self.directories:
                _put_in_place(directory)
            else:
                _remove_draft(directory)
        return self.rebuilt

    def drop(self) -> None:
        """Leave the run as it was, but for parts that were set aside."""
        _drop(self.drafts)


async def draft_rebuild(path: Path) -> Draft:
    """Make a new journal for the run directory `path`, which keeps its old one until `Draft.place`.

    The choice for each row is the safest that the evidence allows:

    - In a sound part: durable. A part holds verified rows, whether or not the lost journal knew it.
    - An output of it stands in S3, or a failure that is not retried: the endpoint has had it. It is collected, never
      sent. Its instants and how often it was sent are lost: null, and the least possible, in the output.
    - Neither, and the run may have come so far: it may be in the endpoint's queue, so it is uncertain. It is looked
      for once more, then sent again and counted, like any row whose reply was lost. A failure that is retried says the
      same of the next generation.
    - Neither, and beyond what the run can have had in hand (`_in_hand`): new.

    Raises:
        UsageError: There is no run, it has finished, or it kept no journal.
        JournalError: Another process is at it, `run.json` is damaged, or the directory that it is a copy of is there.
        StorageError: The disk is full or failed.
        RunError: AWS cannot be asked.
    """
    directory = RunDirectory(path.absolute())
    manifest = read_manifest(directory)
    config = manifest.config
    if directory.summary.exists():
        raise UsageError(f"the run has finished: its output is {config.output.path}")
    if config.local.enabled or not config.run.journal:
        raise UsageError("this run cannot be resumed: the local AWS ended with it, or it kept no journal")
    check_alone(directory)
    if config.run.shard_count > 1:
        return await _draft_shards(directory, shards=config.run.shard_count)
    draft = await anyio.to_thread.run_sync(_open_draft, directory)
    try:
        parts, durable, damaged = await anyio.to_thread.run_sync(_sift, directory.parts)
        async with open_session(config) as session:
            endpoint = await session.endpoint()
            outputs = OutputPaths(manifest.run_id, path=endpoint.output_path if endpoint else None)
            failures = OutputPaths(manifest.run_id, path=endpoint.failure_path if endpoint else None)
            for part in parts:
                await anyio.to_thread.run_sync(_learn, part, outputs, failures)
            scanned = await scan(
                session.cloud.objects,
                manifest.run_id,
                outputs=outputs,
                failures=failures,
                uploads=(await session.routing(manifest.run_id)).uploads,
                retry=compose.model_retry(config),
                durable=durable,
            )
        last = max((*durable, *scanned.ends, *scanned.inputs), default=-1)
        # Those that an earlier rebuild has set aside count as well: it was killed, or not agreed to.
        aside = len([*directory.parts.glob("*.damaged*")])
        last = reach(manifest.wanted, last, _in_hand(config, damaged=aside))
        rows = (row for row in range(last + 1) if manifest.wanted is None or wants(manifest.wanted, row))
        lines = _lines(scanned, durable, rows=rows, layouts=(outputs, failures))
        meta = [("outputs", outputs.dump()), ("failures", failures.dump())]
        found, unknown = await anyio.to_thread.run_sync(_fill, draft, parts, lines, meta)
    except BaseException:
        draft.close()
        raise
    return Draft(Rebuilt(len(durable), found, unknown, tuple(damaged)), [directory], {directory: draft})


async def _draft_shards(directory: RunDirectory, *, shards: int) -> Draft:
    """Make a new journal where a shard's is damaged or missing; the others know more than could be found out."""
    made: list[Rebuilt] = []
    drafts: dict[RunDirectory, Journal] = {}
    lock = await anyio.to_thread.run_sync(_open_draft, directory)
    try:
        for shard in (directory.shard(index) for index in range(shards)):
            if shard.subtotal.exists() or not shard.manifest.exists():
                continue
            if await anyio.to_thread.run_sync(_sound, shard):
                continue
            draft = await draft_rebuild(shard.path)
            made.append(draft.rebuilt)
            drafts |= draft.drafts
        directories = [*drafts]
        if not await anyio.to_thread.run_sync(_sound, directory):
            directories.append(directory)  # the run's own journal knows no rows: it is but its lock
    except BaseException:
        _drop({**drafts, directory: lock})
        raise
    rebuilt = Rebuilt(
        sum(each.durable for each in made),
        sum(each.found for each in made),
        sum(each.unknown for each in made),
        tuple(path for each in made for path in each.damaged),
    )
    return Draft(rebuilt, directories, {**drafts, directory: lock})


def _drop(drafts: Mapping[RunDirectory, Journal]) -> None:
    for directory, draft in drafts.items():
        draft.close()
        _remove_draft(directory)


def _sound(directory: RunDirectory) -> bool:
    """Whether a run can continue from a journal and the parts that it knows: a copy's may not know all.

    Raises:
        JournalInUse: Another process is at it.
    """
    try:
        check_identity(directory)
        with closing(Journal(directory.journal, must_exist=True)) as journal:
            journal.check()
            recover(journal, directory.parts)
    except JournalInUse:
        raise
    except JournalError:
        return False
    return True


def _in_hand(config: Config, *, damaged: int) -> int:
    """Return how many rows beyond the last one with evidence may have been sent.

    Rows are admitted in order. Not durable are, at any instant, those that are open (`window`), in the sink (two
    parts' worth) and in the part being written (as many), and those whose part has been damaged since.
    """
    return config.pacing.window + (4 + 2 * damaged) * config.output.part_rows


def _draft_path(directory: RunDirectory) -> Path:
    return directory.journal.with_name(f"{directory.journal.name}.rebuilt")


def _open_draft(directory: RunDirectory) -> Journal:
    """Return the empty new journal; while it is open, no other process rebuilds this run.

    Raises:
        JournalInUse: Another process is at the run.
    """
    path = _draft_path(directory)
    # What is there of the draft was left by a kill, unless another process is rebuilding. An empty journal is left as
    # it is: with tables in it, a resume would take every row for new if this rebuild came to nothing.
    for each in (directory.journal, path):
        try:
            Journal(each, must_exist=True).close()
        except JournalInUse:
            raise
        except JournalError:
            pass  # that it is damaged or missing is why we are here
    _remove_draft(directory)
    return Journal(path)


def _remove_draft(directory: RunDirectory) -> None:
    for path in files_of(_draft_path(directory)):
        path.unlink(missing_ok=True)


def _sift(directory: Path) -> tuple[list[Part], set[int], list[Path]]:
    """Return the sound parts, every page of them read, their rows, and the paths of the others, which are renamed."""
    damaged: list[Path] = []
    seen: set[int] = set()
    with storage(directory, "list"):
        paths = sorted(path for path in directory.iterdir() if is_part(path))
    for path in paths:
        try:
            rows = {row for chunk in read_back(path) for row in chunk.to_pylist()}
        except StorageError as error:
            _log.warning("%s", error)
            rows = set()
        if not rows or rows & seen:  # a row in two parts would be two rows of the output
            with storage(path, "set aside"):
                damaged.append(path.rename(_aside(path)))
            continue
        seen |= rows
    sync_directory(directory)
    return read_parts(directory), seen, damaged


def _learn(part: Part, outputs: OutputPaths, failures: OutputPaths) -> None:
    """Take note of where the outputs of a part's rows stand: the replies that said so are lost with the journal."""
    table = pq.read_table(part.path, columns=["inference_id", "output_location", "failure_location"])
    for line in table.slice(0, 1_000).to_pylist():
        send = parse_inference_id(line["inference_id"] or "")
        if send is not None:
            for layout, uri in ((outputs, line["output_location"]), (failures, line["failure_location"])):
                if uri is not None:
                    layout.learn(uri, row=send.row, generation=send.generation)


def _fill(
    journal: Journal, parts: Sequence[Part], lines: Iterator[RowRecord], meta: Sequence[tuple[str, str]]
) -> tuple[int, int]:
    """Write the new journal; return how many rows will be collected, and how many are uncertain."""
    for part in parts:
        rows = pq.read_table(part.path, columns=["row"]).column("row").to_pylist()
        journal.commit_part(part.number, rows)
    journal.write((), meta)
    counts: Counter[int] = Counter()
    while group := list(islice(lines, _GROUP)):
        journal.write(group)
        counts.update(line.state for line in group)
    return counts[RowState.ACCEPTED], counts[RowState.INTENT]


def _lines(
    scanned: S3Scan, durable: set[int], *, rows: Iterable[int], layouts: tuple[OutputPaths, OutputPaths]
) -> Iterator[RowRecord]:
    """Yield the lines of those of `rows` that are not durable, in order."""
    for row in rows:
        if row in durable:
            continue
        yield _line(row, scanned, layouts)


def _line(row: int, scanned: S3Scan, layouts: tuple[OutputPaths, OutputPaths]) -> RowRecord:
    uploaded, end = scanned.inputs.get(row), scanned.ends.get(row)
    intent = RowRecord(row, RowState.INTENT, 0, 1, 0, input=uploaded.uri if uploaded else None, possible=1)
    if end is None:
        return intent
    generation, completed, place, again = end
    if again:
        return intent._replace(generation=generation + 1, sends=generation + 2)
    accepted = intent._replace(
        state=RowState.ACCEPTED, generation=generation, sends=generation + 1, possible=0
    )
    expected = layouts[0 if completed else 1].expected(row, generation)
    uri = place.uri if place is not None and place != expected else None
    return accepted._replace(output=uri) if completed else accepted._replace(failure=uri)


def _put_in_place(directory: RunDirectory) -> None:
    """Give the new journal its name; until then a resume finds none, and says so."""
    old = directory.journal
    # The old log after the old file and before the new: SQLite would read it into the new one.
    with storage(old, "set aside"):
        for path in files_of(old):
            if path.exists():
                path.rename(_aside(path))
        sync_directory(directory.path)
        # The journal last, and SQLite has closed it: it has no log.
        for path, name in reversed([*zip(files_of(_draft_path(directory)), files_of(old), strict=True)]):
            if path.exists():
                path.rename(name)
        sync_directory(directory.path)
    claim(directory)


def _aside(path: Path) -> Path:
    """Return a free name beside `path` that says what is the matter with it."""
    name = path.with_name(f"{path.name}.damaged")
    turn = 2
    while name.exists():
        name, turn = path.with_name(f"{path.name}.damaged-{turn}"), turn + 1
    return name
