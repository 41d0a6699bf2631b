"""What a person reads of leftovers: every count, every outcome, and nothing that a terminal would obey."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanout.cli.leftovers_text import given_up, summed_up, table
from fanout.commands.discard import Discard
from fanout.commands.gc import Cleared
from fanout.commands.leftovers import FoundQueue, Leftover
from fanout.domain.dead_runs import Verdict

RUN = "abcdefghij"
STAYS = Verdict(gone=False, reason="its run may live")


def leftover(kind="queue", *, gone=True, age_s=None, **more):
    verdict = Verdict(gone=gone, reason="its run is gone" if gone else "its run may live", age_s=age_s)
    given = {"name": "n", "run_id": RUN, "endpoint": None, "sight": None, "target": FoundQueue("u", None)}
    return Leftover(kind=kind, verdict=verdict, **(given | more))


def cells(line):
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_nothing_is_no_table():
    assert table([]) == []


def test_a_line_says_what_it_is_and_what_becomes_of_it_and_why():
    head, *lines = table([
        leftover(outcome="removed", age_s=100.0),
        leftover("inputs", count=1_234, gone=False, age_s=90_000.0),
        leftover("upload", outcome="left", problem="grant s3:AbortMultipartUpload"),
        leftover("subscription"),
    ])  # fmt: skip
    assert cells(head) == ["run", "what", "silent", "then", "name", "why"]
    assert [cells(line) for line in lines] == [
        [RUN, "queue", "2 min", "removed", "n", "its run is gone"],
        [RUN, "1,234 uploaded payloads", "1 d", "stays", "n", "its run may live"],
        [RUN, "unfinished upload", "-", "stays", "n", "grant s3:AbortMultipartUpload"],
        [RUN, "subscription", "-", "goes", "n", "its run is gone"],
    ]
    assert len({line.index("  n  ") for line in lines}) == 1, "columns stand below each other"


@pytest.mark.parametrize(
    ("age_s", "said"), [(0.0, "0 s"), (59.4, "59 s"), (60.0, "1 min"), (7_200.0, "2 h"), (172_800.0, "2 d")]
)
def test_spans_are_in_the_largest_unit_that_fits(age_s, said):
    assert cells(table([leftover(age_s=age_s)])[1])[2] == said


def test_what_others_wrote_is_escaped():
    lines = table([leftover(name="a\x1b[2Jb", problem="c\x9bd")])
    lines += given_up(discard(unseen=["e\x1bf"]))
    assert not {"\x1b", "\x9b"} & set("".join(lines))


@pytest.mark.parametrize(
    ("mode", "leftovers", "said"),
    [
        ("list", [], "nothing is left of any run"),
        ("delete", [leftover(gone=False)], "nothing is to be removed"),
        ("list", [leftover(), leftover(gone=False)], "1 thing would be removed: run it again with --delete"),
        ("delete", [leftover(outcome="removed")] * 2, "2 things removed"),
        (
            "delete",
            [leftover(outcome="removed"), leftover(outcome="left")],
            "1 thing removed, 1 could not be",
        ),
    ],
)
def test_a_sentence_sums_it_up(mode, leftovers, said):
    assert summed_up(Cleared(mode, leftovers, [])) == said


def discard(**changes):
    given = {
        "run_dir": Path("rd"), "run_id": RUN, "state": "unfinished", "accepted": 0, "durable": 0, "workspace": None,
        "leftovers": (), "unseen": (),
    }  # fmt: skip
    return Discard(**(given | changes))


def test_what_giving_a_run_up_costs_is_said_in_full(tmp_path):
    left = (leftover(name="q"), leftover("inputs", count=2, gone=False, name="s3://b/in"))
    assert given_up(
        discard(leftovers=left, workspace=tmp_path, durable=1, accepted=3, unseen=["grant x."])
    ) == [
        f"{RUN}, in rd: this will be removed",
        "  queue q",
        f"  its output as far as it was written, {tmp_path}",
        "  its directory, with the results of 1 row",
        "this stays: 2 uploaded payloads s3://b/in: its run may live",
        "3 rows that the endpoint has, or may have, cannot be recalled: it serves them",
        "grant x.",
    ]


def test_a_run_that_has_sent_nothing_has_no_name_and_costs_nothing():
    plan = discard(run_id=None, workspace=Path("/nowhere/at/all"))
    assert given_up(plan) == ["a run that has sent nothing, in rd: this will be removed", "  its directory"]


def test_of_a_run_that_is_kept_in_s3_its_place_goes():
    plan = discard(run_dir="s3://b/runs/r", durable=2)
    assert given_up(plan)[-1] == "  its place, with everything in it, with the results of 2 rows"
