"""Giving a run up, against an account in memory: what goes, what stays, and what is asked first."""

from __future__ import annotations

from contextlib import closing

import pytest
from support.in_memory import in_memory
from support.left_behind import ENDPOINT, LeftBehind

from fanout.commands.discard import discard
from fanout.domain.queues import queue_name
from fanout.domain.row_state import RowRecord, RowState
from fanout.errors import Exit, RunError, UsageError
from fanout.rundir.journal import Journal, JournalInUse
from fanout.rundir.paths import RunDirectory
from fanout.simulator.errors import ServiceError


@pytest.fixture
def left(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return LeftBehind(in_memory(monkeypatch), tmp_path)


class Asked:
    """Agrees, and notes what it was asked."""

    def __init__(self, error=None):
        self.plans, self._error = [], error

    def __call__(self, plan):
        self.plans.append(plan)
        if self._error is not None:
            raise self._error


def test_an_unfinished_run_goes_with_all_that_it_has(left):
    run, other = left.run(), left.run()
    directory = left.directory(run)
    with closing(Journal(directory.journal)) as journal:
        states = (RowState.DURABLE, RowState.ACCEPTED, RowState.ACCEPTED, RowState.INTENT, RowState.READY)
        journal.write([RowRecord(row, state, 0, 1, 0) for row, state in enumerate(states)])
    (directory.parts / "part-00000.parquet").write_bytes(b"x")
    asked = Asked()
    gone = discard(directory.path, agree=asked)
    (plan,) = asked.plans
    assert (plan.run_id, plan.state, plan.durable, plan.accepted) == (run, "unfinished", 1, 3)
    assert len(plan.leftovers) == 6
    assert {each.outcome for each in plan.leftovers} == {"found"}
    assert {each.outcome for each in gone.leftovers} == {"removed"}
    assert not directory.path.exists()
    assert (left.remains(run), left.remains(other)) == (0, 6)
    discard(left.directory(other).path, agree=Asked())
    assert not directory.path.parent.exists(), "nor an empty .fanout"


def test_who_does_not_agree_keeps_all(left):
    run = left.run()
    no = UsageError("no")
    with pytest.raises(UsageError) as caught:
        discard(left.directory(run).path, agree=Asked(no))
    assert caught.value is no
    assert left.remains(run) == 6
    Journal(left.directory(run).journal, must_exist=True).close()  # it can be resumed


def test_a_run_at_work_is_refused(left):
    run = left.run()
    with closing(Journal(left.directory(run).journal)), pytest.raises(JournalInUse) as caught:
        discard(left.directory(run).path, agree=Asked(AssertionError("not asked")))
    assert caught.value.exit == Exit.JOURNAL
    assert left.remains(run) == 6


def test_no_process_can_take_it_up_while_the_person_thinks(left):
    run = left.run()

    def agree(_plan):
        with pytest.raises(JournalInUse):
            Journal(left.directory(run).journal)

    discard(left.directory(run).path, agree=agree)
    assert left.remains(run) == 0


def test_a_shard_at_work_keeps_the_run(left):
    run = left.run()
    shard = left.shard(run)
    with closing(Journal(shard.journal)), pytest.raises(JournalInUse, match="shards/00"):
        discard(left.directory(run).path, agree=Asked())
    assert left.remains(run) == 6


def test_a_run_goes_with_its_shards_and_a_shard_alone_does_not(left):
    run = left.run()
    shard = left.shard(run)
    mine = left.shard_run
    with pytest.raises(UsageError, match=f"fanout discard {left.directory(run).path}"):
        discard(shard.path, agree=Asked())
    assert left.remains(mine) == 6
    discard(left.directory(run).path, agree=Asked())
    # What a shard uploads to an output's place is not its own.
    assert (left.remains(run), left.remains(mine)) == (0, 1)


def test_of_a_finished_run_only_the_directory_is_left_to_go(left):
    run = left.run()
    directory = left.directory(run)
    directory.summary.write_text("{}")
    asked = Asked()
    discard(directory.path, agree=asked)
    assert (asked.plans[0].state, asked.plans[0].leftovers) == ("finished", ())
    assert not directory.path.exists()
    assert left.account.log == [], "AWS is not asked"


def test_the_aws_of_a_local_run_has_ended_with_it(left):
    run = left.run(local=True)
    discard(left.directory(run).path, agree=Asked())
    assert not left.directory(run).path.exists()
    assert left.account.log == []


def test_a_run_that_was_killed_before_it_had_a_name_leaves_nothing(left, tmp_path):
    directory = RunDirectory(tmp_path / "rd")
    directory.create()
    Journal(directory.journal).close()
    asked = Asked()
    discard(directory.path, agree=asked)
    assert (asked.plans[0].state, asked.plans[0].run_id) == ("unsent", None)
    assert not directory.path.exists()


def test_a_run_whose_name_is_lost_is_not_taken_for_one_that_sent_nothing(left):
    run = left.run()
    directory = left.directory(run)
    with closing(Journal(directory.journal)) as journal:
        journal.write([RowRecord(0, RowState.ACCEPTED, 0, 1, 0)])
    directory.manifest.unlink()
    with pytest.raises(UsageError, match=r"run\.json is gone"):
        discard(directory.path, agree=Asked())
    assert directory.journal.exists()


def test_where_there_is_no_run_nothing_goes(left, tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(UsageError, match="holds no run"):
        discard(tmp_path / "photos", agree=Asked())
    assert (tmp_path / "photos").exists()


def test_what_else_stands_in_the_directory_stays(left):
    run = left.run()
    directory = left.directory(run)
    (directory.path / "notes.txt").write_text("mine")
    gone = discard(directory.path, agree=Asked())
    assert list(gone.strangers) == [directory.path / "notes.txt"]
    assert [path.name for path in directory.path.iterdir()] == ["notes.txt"]


def test_a_damaged_journal_does_not_keep_a_run_from_being_given_up(left):
    run = left.run()
    left.directory(run).journal.write_bytes(b"not SQLite" * 1_000)
    discard(left.directory(run).path, agree=Asked())
    assert left.remains(run) == 0
    assert not left.directory(run).path.exists()


@pytest.mark.parametrize(
    "operation", ["DeleteQueue", "Unsubscribe", "AbortMultipartUpload", "DeleteObjects", "ListQueues"]
)
def test_what_cannot_be_removed_or_seen_keeps_the_directory_so_that_it_can_be_done_again(
    left, monkeypatch, operation
):
    run = left.run()
    permit = left.account.world.faults.permit

    def refuses(asked):
        if asked == operation:
            raise ServiceError(403, "AccessDenied", "no")
        permit(asked)

    monkeypatch.setattr(left.account.world.faults, "permit", refuses)
    with pytest.raises(RunError, match=r"(?i)grant.*`fanout discard` again") as caught:
        discard(left.directory(run).path, agree=Asked())
    assert caught.value.exit == Exit.PRECONDITION
    assert left.directory(run).manifest.exists()
    assert 0 < left.remains(run) <= 3
    monkeypatch.setattr(left.account.world.faults, "permit", permit)
    discard(left.directory(run).path, agree=Asked())
    assert left.remains(run) == 0


def test_a_queue_whose_tag_names_another_run_is_not_its_own(left):
    run = left.run()
    left.account.world.queues.tag(queue_name(run), {"fanout:run": "klmnopqrst"})
    discard(left.directory(run).path, agree=Asked())
    assert left.remains(run) == 3, "the queue and its subscriptions"
    assert not left.directory(run).path.exists()


def test_payloads_that_it_was_asked_to_keep_stay(left):
    run = left.run(keep_inputs=True)
    discard(left.directory(run).path, agree=Asked())
    assert left.remains(run) == 1


def test_a_bucket_that_is_gone_has_nothing_of_it(left):
    run = left.run(bucket="gone-by-now")
    discard(left.directory(run).path, agree=Asked())
    assert not left.directory(run).path.exists()


def test_an_endpoint_that_is_gone_does_not_keep_its_runs(left):
    run = left.run(endpoint="gone-by-now")
    discard(left.directory(run).path, agree=Asked())
    assert left.remains(run) == 0


def test_as_json_it_says_the_same(left):
    run = left.run()
    told = discard(left.directory(run).path, agree=Asked()).as_dict()
    assert (told["version"], told["run"], told["state"], len(told["found"])) == (1, run, "unfinished", 6)
    assert {each["endpoint"] for each in told["found"]} == {ENDPOINT}
