"""`fanout gc` and `fanout discard` as they are typed, against an account in memory."""

from __future__ import annotations

import json
import re

import pytest
from support.left_behind import BUCKET

from fanout.cli.verbs import discard as discard_verb
from fanout.domain.queues import queue_name
from fanout.rundir.journal import Journal
from fanout.simulator.errors import ServiceError

PREFIX = ("--input-prefix", f"s3://{BUCKET}/inputs")


def test_gc_lists_and_says_how_to_remove(left, typed):
    run = left.run()
    code, out, err = typed("gc", *PREFIX, "--older-than", "0s")
    assert code == 0
    head, *lines = out.splitlines()
    assert head.split() == ["run", "what", "silent", "then", "name", "why"]
    assert len(lines) == 6
    assert all(line.startswith(f"{run}  ") and "  goes  " in line for line in lines)
    assert "1 uploaded payload " in out
    assert err == "fanout: 6 things would be removed: run it again with --delete\n"
    assert left.remains(run) == 6


def test_gc_removes_what_is_gone_and_nothing_that_lives(left, typed):
    run, live = left.run(), left.run()
    journal = Journal(left.directory(live).journal)
    code, out, err = typed("gc", *PREFIX, "--older-than", "0s", "--delete")
    journal.close()
    assert (code, err) == (0, "fanout: 6 things removed\n")
    assert (out.count("  removed  "), out.count("  stays  ")) == (6, 6)
    assert (left.remains(run), left.remains(live)) == (0, 6)


def test_gc_waits_for_a_day_unless_it_is_told_otherwise(left, typed):
    run = left.run()
    assert typed("gc", *PREFIX, "--delete")[2] == "fanout: nothing is to be removed\n"
    assert left.remains(run) == 6
    code, _, err = typed("gc", "--older-than", "yesterday")
    assert (code, "write 90s, 15m, 12h or 1d" in err) == (2, True)


def test_gc_of_a_clean_account(left, typed):
    assert typed("gc") == (0, "", "fanout: nothing is left of any run\n")
    assert typed("gc", "-q") == (0, "", "")
    assert json.loads(typed("gc", "--json", "-q")[1]) == {
        "version": 1,
        "mode": "list",
        "found": [],
        "unseen": [],
    }


@pytest.mark.parametrize("flags", [(), ("-q",), ("--json",)])
def test_gc_says_what_it_could_not_see_and_leaves_with_0(left, typed, monkeypatch, flags):
    left.run()
    permit = left.account.world.faults.permit

    def refuses(asked):
        if asked == "ListSubscriptions":
            raise ServiceError(403, "AuthorizationError", "no")
        permit(asked)

    monkeypatch.setattr(left.account.world.faults, "permit", refuses)
    code, _, err = typed("gc", *flags)
    assert code == 0
    assert "subscriptions could not be seen: grant sns:ListSubscriptions." in err


def test_what_others_wrote_reaches_a_terminal_escaped(left, typed):
    run = left.run(directory=False)
    left.account.world.queues.tag(queue_name(run), {"fanout:run": "\x1b[2J"})
    _, out, _ = typed("gc", "--older-than", "0s")
    assert "\x1b" not in out
    assert "\\x1b[2J" in out


def test_discard_without_a_terminal_needs_yes(left, typed):
    run = left.run()
    directory = left.directory(run).path
    code, out, err = typed("discard", directory)
    assert (code, out) == (2, "")
    assert f"queue https://sqs.us-east-1.amazonaws.com/123456789012/{queue_name(run)}" in err
    assert "nothing was removed: add --yes to remove all of this" in err
    assert typed("discard", directory, "-q")[0] == 2
    assert left.remains(run) == 6
    code, out, err = typed("discard", directory, "--yes", "--json", "-q")
    assert (code, err) == (0, "")
    assert json.loads(out)["run"] == run
    assert (left.remains(run), directory.exists()) == (0, False)


@pytest.mark.parametrize(("answer", "goes"), [(True, True), (False, False)])
def test_discard_asks_at_a_terminal(left, typed, monkeypatch, answer, goes):
    run = left.run()
    asked = []

    def confirm(text, **_more):
        asked.append(text)
        return answer

    monkeypatch.setattr(discard_verb, "at_a_terminal", lambda: True)
    monkeypatch.setattr(discard_verb.typer, "confirm", confirm)
    code, _, err = typed("discard", left.directory(run).path)
    assert asked == ["Remove all of this?"]
    assert code == (0 if goes else 2)
    assert ("was discarded" in err, "nothing was removed" in err) == (goes, not goes)
    assert left.remains(run) == (0 if goes else 6)


def test_discard_of_a_finished_run_says_that_it_is(left, typed, monkeypatch):
    run = left.run()
    directory = left.directory(run)
    directory.summary.write_text("{}")
    monkeypatch.setattr(discard_verb, "at_a_terminal", lambda: True)
    code, _, err = typed("discard", directory.path)
    assert code == 2
    assert f"the run has finished: nothing is left to discard but its directory, {directory.path}" in err
    assert directory.path.exists()
    assert typed("discard", directory.path, "--yes")[0] == 0
    assert not directory.path.exists()


def test_discard_of_a_run_at_work_is_exit_5(left, typed):
    run = left.run()
    journal = Journal(left.directory(run).journal)
    code, _, err = typed("discard", left.directory(run).path, "--yes")
    journal.close()
    assert (code, "in use by another process" in err) == (5, True)
    assert left.remains(run) == 6


def test_discard_says_what_stays_in_the_directory(left, typed):
    run = left.run()
    stranger = left.directory(run).path / "notes.txt"
    stranger.write_text("mine")
    _, _, err = typed("discard", left.directory(run).path, "--yes")
    assert f"fanout: {stranger} is not the run's and stays" in err


def test_discard_of_no_run_is_exit_2(left, typed, tmp_path):
    code, _, err = typed("discard", tmp_path, "--yes")
    assert (code, "holds no run" in err) == (2, True)


def test_gc_gives_up_places_of_runs_that_could_be_resumed_only_if_it_is_told_to(left, typed):
    run = left.run()
    manifest = left.directory(run).manifest.read_bytes()
    left.account.world.objects.put(BUCKET, "runs/one/run.json", manifest, content_type=None, now=0.0)
    line = ("gc", "--run-dir", f"s3://{BUCKET}/runs/", "--older-than", "0s", "--delete")
    code, out, _ = typed(*line)
    assert (code, f"`fanout resume s3://{BUCKET}/runs/one`" in out) == (0, True)
    code, out, _ = typed(*line, "--unfinished")
    assert code == 0
    assert re.search(r"place, 1 object +\S+ \S+ +removed", out), out
    assert left.account.world.objects.find(BUCKET, "runs/one/run.json") is None
