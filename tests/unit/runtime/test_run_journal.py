"""A run's journal: its lock, and what becomes of the directory of a run that sent nothing."""

from __future__ import annotations

import pytest

from fanout.config.model import Config
from fanout.domain.row_state import RowRecord, RowState
from fanout.errors import Interrupted, JournalError, RunError, UsageError
from fanout.rundir.journal import JournalInUse
from fanout.rundir.paths import RUNS, RunDirectory
from fanout.runtime.run_journal import open_journal
from fanout.runtime.spec import RunSpec


@pytest.fixture
def directory(tmp_path):
    found = RunDirectory(tmp_path / RUNS / "abcdefghij")
    found.create()
    return found


def spec(directory, *, begun=False, journal=True):
    config = Config.model_validate({"run": {"journal": journal}})
    return RunSpec(run_id="abcdefghij", config=config, directory=directory, begun=begun)


def use(journal):
    journal.write([RowRecord(0, RowState.INTENT, 0, 1, 0)])


def test_a_new_run_that_sent_nothing_leaves_nothing_behind(directory, tmp_path):
    with open_journal(spec(directory)) as journal:
        assert journal.is_empty()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [None, KeyError("a bug")])
def test_a_run_that_sent_something_can_be_resumed(directory, error):
    def go():
        with open_journal(spec(directory)) as journal:
            use(journal)
            if error is not None:
                raise error

    if error is None:
        go()
    else:
        with pytest.raises(KeyError):
            go()
    directory.manifest.write_text("{}")
    with open_journal(spec(directory, begun=True)) as journal:
        assert not journal.is_empty()


def test_a_resumed_run_keeps_its_directory_although_it_sent_nothing(directory):
    with open_journal(spec(directory)) as journal:
        use(journal)
    for file in directory.path.glob("journal.sqlite*"):
        file.unlink()
    with pytest.raises(JournalError, match="is missing"), open_journal(spec(directory, begun=True)):
        pytest.fail("opened")
    assert directory.path.exists()


@pytest.mark.parametrize(
    ("state", "generation", "stays"),
    [
        (RowState.READY, 0, False),  # refused, or never sent although it was intended
        (RowState.READY, 1, True),  # the model failed it
        (RowState.INTENT, 0, True),
        (RowState.ACCEPTED, 0, True),
        (RowState.DURABLE, 0, True),
    ],
)
def test_a_run_that_breaks_off_names_the_resume_if_anything_was_sent(directory, state, generation, stays):
    def go():
        with open_journal(spec(directory)) as journal:
            journal.write([RowRecord(0, state, generation, 1, 0)])
            raise RunError("AccessDenied. Grant it.")

    with pytest.raises(RunError) as caught:
        go()
    then = f"; then `fanout resume {directory.path}` goes on" if stays else "."
    assert str(caught.value) == f"AccessDenied. Grant it{then}"
    assert directory.path.exists() == stays


def test_errors_with_a_next_step_of_their_own_stay_as_they_are(directory):
    def go():
        with open_journal(spec(directory)) as journal:
            use(journal)
            raise Interrupted("stopped")

    with pytest.raises(Interrupted, match=r"^stopped$"):
        go()


@pytest.mark.parametrize("name", ["summary", "subtotal"])
def test_a_finished_run_without_rows_keeps_its_directory(directory, name):
    with open_journal(spec(directory)):
        directory.manifest.write_text("{}")
        getattr(directory, name).write_text("{}")
    assert directory.manifest.exists()
    assert directory.journal.exists()


def test_one_process_at_a_time(directory):
    with open_journal(spec(directory)) as journal:
        use(journal)
        with pytest.raises(JournalInUse), open_journal(spec(directory, begun=True)):
            pytest.fail("opened twice")
    with open_journal(spec(directory, begun=True)):
        pass


def test_a_directory_whose_run_is_forgotten_is_not_overwritten(directory):
    with open_journal(spec(directory)) as journal:
        use(journal)
    with pytest.raises(UsageError, match=r"run\.json is gone"), open_journal(spec(directory)):
        pytest.fail("opened")
    with open_journal(spec(directory, begun=True)) as journal:
        assert not journal.is_empty()


def test_a_run_may_keep_none(directory):
    with open_journal(spec(directory, journal=False)) as journal:
        assert journal is None
    assert not directory.journal.exists()
    assert directory.path.exists(), "its parts may be there"
