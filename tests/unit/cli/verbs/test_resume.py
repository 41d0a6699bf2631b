"""What `fanout resume` asks a person, and what it tells a script instead; against an account in memory."""

from __future__ import annotations

import shutil

import pytest

from fanout.api import verbs
from fanout.cli.verbs import resume as resume_verb
from fanout.commands.rebuild_choice import CHOICES
from fanout.config.model import Config
from fanout.errors import RunError


class Resumed(RunError):  # noqa: N818 - what is the case
    """The run is gone on with: that is tested elsewhere."""

    def __init__(self, run_dir, config):
        super().__init__("it goes on")
        self.run_dir, self.config = run_dir, config


@pytest.fixture
def resumed(monkeypatch):
    """With what configuration a run is gone on with."""
    found = []

    def resume(run_dir, *, observer=None, config=None):
        found.append(config)
        raise Resumed(run_dir, config)

    monkeypatch.setattr(verbs, "resume", resume)
    return found


@pytest.fixture
def resume(typed):
    """Calls `fanout resume`; returns the exit code and stderr."""

    def call(*words):
        code, _, err = typed("resume", *words)
        return code, err

    return call


@pytest.fixture
def lost(left):
    """The directory of a run whose journal is lost; its window bounds what is in doubt."""
    directory = left.directory(left.run())
    directory.journal.unlink()
    return directory


def files(directory):
    return sorted(path.name for path in directory.path.rglob("*"))


@pytest.fixture
def copy(left, tmp_path):
    original = left.directory(left.run()).path
    found = shutil.copytree(original, tmp_path / "copy")
    shutil.rmtree(original)
    return found


@pytest.fixture
def answering(monkeypatch):
    """Have a person be there, and answer so."""
    asked = []

    def answer(word):
        def choose(said, choices):
            asked.append((said, choices))
            return word

        monkeypatch.setattr(resume_verb, "at_a_terminal", lambda: True)
        monkeypatch.setattr(resume_verb, "choose", choose)
        return asked

    return answer


def test_a_script_that_says_nothing_is_told_what_may_be_sent_twice_and_nothing_changes(lost, resume, resumed):
    before = files(lost)
    code, err = resume(lost.path, "--rebuild")
    assert code == 2
    assert "up to 30,301 rows may have been sent" in err, "a window, and four parts beyond the last upload"
    assert all(f"{word} {meaning}" in err for word, meaning in CHOICES.items())
    assert "--rebuild --unknown CHOICE" in err
    assert (resumed, files(lost)) == ([], before)


@pytest.mark.parametrize("how", ["flag", "variable", "file"])
def test_a_script_that_says_it_goes_on(lost, resume, resumed, monkeypatch, tmp_path, how):
    more = []
    if how == "flag":
        more = ["--unknown", "resend"]
    elif how == "variable":
        monkeypatch.setenv("FANOUT_COLLECT_UNKNOWN", "resend")
    else:
        (tmp_path / "job.toml").write_text('[collect]\nunknown = "resend"\n')
        more = ["-c", tmp_path / "job.toml"]
    code, err = resume(lost.path, "--rebuild", *more)
    assert "journal rebuilt: 0 rows durable, 0 to collect, up to 30,301 uncertain" in err
    assert [config.collect.unknown for config in resumed] == ["resend"]
    assert lost.journal.exists()
    assert code == RunError("").exit


def test_a_person_is_asked_and_the_answer_holds(lost, resume, resumed, answering):
    asked = answering("settle")
    _, err = resume(lost.path, "--rebuild")
    [(said, choices)] = asked
    assert said.startswith("up to 30,301 rows may have been sent")
    assert choices == CHOICES
    assert [config.collect.unknown for config in resumed] == ["settle"]
    assert "journal rebuilt" in err


def test_a_question_that_is_not_answered_leaves_all_as_it_was(lost, resume, resumed, monkeypatch):
    def gone(*_):
        raise resume_verb.typer.Abort

    monkeypatch.setattr(resume_verb, "at_a_terminal", lambda: True)
    monkeypatch.setattr(resume_verb, "choose", gone)
    before = files(lost)
    code, _ = resume(lost.path, "--rebuild")
    assert (code != 0, resumed, files(lost)) == (True, [], before)


def test_a_choice_is_one_that_the_configuration_knows():
    for word in CHOICES:
        Config.model_validate({"collect": {"unknown": word}})


@pytest.mark.parametrize(("answer", "code"), [("moved", 1), ("leave", 5)])
def test_a_person_is_asked_which_copy_it_is(copy, resume, resumed, answering, answer, code):
    asked = answering(answer)
    _, err = resume(copy)
    [(said, choices)] = asked
    assert f"{copy} is a copy, or was moved" in said
    assert list(choices) == ["moved", "used", "leave"]
    if answer == "leave":
        assert resumed == []
        assert "`fanout export" in err
        return
    assert len(resumed) == 1
    assert resume(copy)[1].count("is a copy") == 0, "it is the run's own from now on"


def test_a_copy_of_which_another_was_used_is_rebuilt(copy, resume, resumed, monkeypatch):
    answers = iter(["used", "wait"])
    monkeypatch.setattr(resume_verb, "at_a_terminal", lambda: True)
    monkeypatch.setattr(resume_verb, "choose", lambda *_: next(answers))
    _, err = resume(copy)
    assert "journal rebuilt" in err
    assert [config.collect.unknown for config in resumed] == ["wait"]


def test_a_directory_that_is_the_run_s_own_is_asked_nothing(left, resume, resumed, answering):
    asked = answering("leave")
    resume(left.directory(left.run()).path)
    assert (asked, len(resumed)) == ([], 1)
