"""The ten questions of a reader: each has its answer, in every form, and its place in the page."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace

import pytest
from support.outputs import EPOCH, outcome, writer

from fanout.analysis.fail_conditions import parse_condition
from fanout.domain.prices import Prices
from fanout.report.answers import answers
from fanout.report.build import Asked, make_report, report_of
from fanout.report.html import html
from fanout.report.markdown import markdown
from fanout.report.sections import sections
from fanout.rundir.provenance import PROVENANCE_KEY, Provenance

QUESTIONS = (
    "When?", "Where?", "Against what?", "Did my gate pass?", "Which size to switch at?", "Why is the p99 high?",
    "What failed?", "What did it cost?", "Did the client limit it?", "What do I do next?",
)  # fmt: skip
SAID = Provenance(
    fanout="0.1.0",
    commands=(("fanout", "run", "in.jsonl", "--rate", "10"),),
    account="123456789012",
    account_alias="ml-prod",
    region="eu-west-1",
    instances=2,
    instance_types={"ml.g5.xlarge": 2},
    in_force={"pacing.window": 100, "pacing.rate": 10.0},
    settings={"pacing": {"rate": 10.0}},
)


def told(report):
    return {each.question: each.answer for each in answers(report)}


def said(provenance=SAID):
    return {"provenance": provenance.as_metadata()[PROVENANCE_KEY]}


def rows(count=400, slow=(), **changes):
    return [
        outcome(row, total_ms=5_000 if row in slow else 100 + row % 7, id=f"user-{row}", **changes)
        for row in range(count)
    ]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    found = rows(slow=range(100, 104))
    found[9] = outcome(
        9, id="user-9", status="failed", error_code="ModelFailed", error_message="CUDA", fetched_at=None
    )
    conditions = tuple(map(parse_condition, ("total.p50 > 1s", "total.max > 4s")))
    return make_report(
        [writer(tmp_path_factory.mktemp("report"))(found, **said())],
        Prices(instances={"ml.g5.xlarge": 3600.0}),
        Asked(conditions),
    )


@pytest.fixture(scope="module")
def page(report):
    return html(report)  # its figures take two seconds


def test_each_question_has_its_answer(report):
    found = told(report)
    assert tuple(found) == QUESTIONS
    assert found["When?"] == "2025-10-09 08:53:20 to 08:54:00 UTC, 40.0 s."
    assert found["Where?"] == "Endpoint e in eu-west-1, account ml-prod (123456789012), 2 x ml.g5.xlarge."
    assert found["Did my gate pass?"].startswith(
        "No: 1 of 3 conditions failed. total.max > 4s: inline 5,000.0 ms"
    )
    assert found["Why is the p99 high?"] == (
        "The 4 slowest rows (203.9 ms or more) take 4,897.0 ms longer than the others on average, 40 % of that in "
        "service."
    )
    assert found["What failed?"] == "1 of 400 rows (0.25 %): 1 x ModelFailed (failed)."
    assert found["What did it cost?"].endswith(" (about 0.02 instance hours, $80.00 by [prices.instances]).")
    assert (
        found["Did the client limit it?"]
        == "No: 0 % of the requests left more than 10 ms after they were due."
    )
    assert found["What do I do next?"].startswith(
        "First deal with ModelFailed (1 row): See the endpoint's log"
    )
    assert (
        f"To send it again, run: `fanout retry {report.files[0].path} -o FILE`."
        in found["What do I do next?"]
    )
    assert "A gate failed (total.max > 4s)" in found["What do I do next?"]


def test_each_answer_stands_in_the_page_and_leads_to_more(report, page):
    page = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    places = set(re.findall(r'<section id="([^"]+)"', page))
    for each in answers(report):
        start = page.index(f"<dt>{each.question}</dt>")
        entry = page[start : page.index("</div>", start)]
        assert f'href="#{each.section}"' in entry
        assert each.section in places, f"{each.question} leads to {each.section}"
        assert len(each.answer) > 3
    assert all(question in markdown(report) for question in QUESTIONS)


def test_an_output_of_an_earlier_version_says_what_is_not_known(make_output, monkeypatch):
    report = report_of([make_output(rows(30))], Prices())
    found = told(report)
    assert found["Where?"] == "Endpoint e. Its account, region and instances are not known."
    assert "which are not known" in found["What did it cost?"]
    assert found["Did my gate pass?"] == "No condition was given (--fail-if)."
    assert found["Against what?"].startswith("Nothing: no earlier run was named")
    monkeypatch.setattr(
        sys.modules[html.__module__], "drawings", lambda _: []
    )  # seconds, for nothing asked here
    page = html(report)
    assert "an earlier version of fanout, which recorded neither command nor settings" in page


def test_several_outputs_say_where_if_they_agree(make_output):
    one, other = (make_output(rows(30), f"{run}.parquet", run=run * 10, **said()) for run in "ab")
    there = "Endpoint e in eu-west-1, account ml-prod (123456789012), 2 x ml.g5.xlarge."
    assert told(report_of([one, other], Prices()))["Where?"] == there
    elsewhere = make_output(rows(30), "c.parquet", run="c" * 10, **said(replace(SAID, region="eu-west-2")))
    unknown = "Endpoint e. Its account, region and instances are not known."
    assert told(report_of([one, elsewhere], Prices()))["Where?"] == unknown
    unsaid = make_output(rows(30), "d.parquet", run="d" * 10)
    assert told(report_of([one, unsaid], Prices()))["Where?"] == unknown


def test_commands_are_code_on_the_page_and_no_line_begins_with_a_unit(report, page):
    assert f"<code>fanout retry {report.files[0].path} -o FILE</code>" in page
    assert "1 of 400 rows (0.25\N{NO-BREAK SPACE}%)" in page
    assert "`" not in re.sub(r"<(script|style)[ >].*?</\1>", "", page, flags=re.DOTALL)


def test_each_phase_of_the_single_rows_stands_in_a_table(report):
    section = next(each for each in sections(report) if each.name == "waterfall")
    (table,) = section.tables
    assert table.head == ("", "transport", "row", "payload", *table.head[4:-1], "total")
    assert [(row[0], row[-1]) for row in table.rows] == [("median", "103.0"), ("slowest", "5,000.0")]


def test_a_client_that_kept_rows_waiting_is_named_and_warned_of(make_output):
    late = [outcome(row, total_ms=300, sent_at=EPOCH + row / 10 + 0.2) for row in range(50)]
    report = report_of([make_output(late, throttles="0")], Prices())
    assert told(report)["Did the client limit it?"].startswith(
        "Yes: 100 % of the requests left more than 10 ms"
    )
    assert "Lower `--rate`, raise `--concurrency`" in told(report)["What do I do next?"]
    assert "latencies hold waiting in this client" in markdown(report).partition("## In short")[0]
    throttled = report_of([make_output(late, "t.parquet", throttles="9")], Prices())
    assert told(throttled)["Did the client limit it?"].startswith("Not the client, but throttling: 100 %")


def test_a_full_window_is_named(make_output):
    crowd = [outcome(row, total_ms=60_000) for row in range(200)]
    report = report_of([make_output(crowd, **said())], Prices())
    assert told(report)["Did the client limit it?"].startswith("The window did: 200 rows were in flight")


def test_two_runs_are_told_apart(make_output):
    before = make_output(rows(60), "before.parquet", **said())
    slower = [outcome(row, total_ms=150 + row % 7, id=f"user-{row}") for row in range(60)]
    now = make_output(slower, "now.parquet", run="bbbbbbbbbb", **said())
    report = make_report([before, now], Prices(), Asked((parse_condition("worse"),), compare=True))
    assert told(report)["Against what?"] == (
        f"Against {before}: total latency: inline slower (+50.0 ms, +50.0 to +50.0), by 60 rows paired by id."
    )
    assert told(report)["Did my gate pass?"].startswith(
        "No: 1 of 2 conditions failed. worse: inline +50.0 ms"
    )
    assert json.dumps(told(report))


def test_nothing_is_left_to_do_where_all_went_well(make_output):
    assert told(report_of([make_output(rows(20))], Prices()))["What do I do next?"] == (
        "Nothing is left to do: every row succeeded."
    )
