"""One run on several processes: the same file comes of it; whoever is killed or stopped, nothing is lost or doubled."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import time

import pyarrow.parquet as pq
import pytest
from support.audit import RATE_SLACK, audit, busiest_second, rows_before, run_of
from support.cli import fanout as command
from support.cli import local_aws, write_jsonl
from support.processes import QUICK, RESUME, Running, fanout, make_input, run_command

from fanout.commands.status import run_status
from fanout.domain.row_ranges import STRIPE_ROWS

ROWS = 4 * STRIPE_ROWS
ON = (*RESUME, "--rate", "4000")
"""Resume what was stopped, and do not dawdle: that a rate holds is tested for what was stopped."""


@pytest.fixture(scope="module")
def aws():
    with local_aws(*QUICK) as running:
        yield running


@pytest.fixture(scope="module")
def slow_aws():
    """An endpoint that takes two seconds: whoever is stopped has rows waiting there."""
    settings = ("concurrency_per_instance=500", "service_time.median_s=2", "service_time.sigma=0")
    with local_aws(*QUICK, *settings) as running:
        yield running


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    return make_input(tmp_path_factory.mktemp("input") / "in.jsonl", ROWS, seed=3, large_share=0.01)


def sent(aws, directory):
    """What the endpoint accepted of all shards of the run in `directory`."""
    names = [json.loads(path.read_text())["run"] for path in directory.glob("rd/shards/*/run.json")]
    return [line for name in names for line in aws.of(name)]


def finished(given, aws, directory, exited):
    assert exited.code == 0, exited.stderr
    table = pq.read_table(directory / "out.parquet")
    audit(table, given.payloads, accepted=sent(aws, directory), exit_code=exited.code)
    assert not list(directory.glob("rd/**/parts")), "the output holds their rows"
    return table


def begin(given, aws, directory, *, rate="200", least=100, **variables):
    """Start a run of five seconds on two processes; return it once both have sent, `least` rows together."""
    arguments = run_command(given, aws, "--processes", "2", "--rate", rate)
    running = Running(*arguments, aws=aws, directory=directory, **variables)

    def under_way():
        log = sent(aws, directory)
        shards = {str(line["inference_id"])[:10] for line in log}
        return len(shards) == 2 and len(log) >= least

    running.until(under_way)
    return running


def pids(directory):
    """The children's process ids by shard."""
    return {
        path.parent.name: json.loads(path.read_text())["pid"]
        for path in directory.glob("rd/shards/*/status.json")
    }


OWN_INTERPRETERS = {"PYTHONUTF8": "1"}
"""With it, this run and its shards are started as anybody's are; those of the other tests are forked."""


@pytest.mark.campaign
def test_two_processes_make_the_file_that_one_makes_and_their_failures_are_retried(tmp_path):
    good = 3 * STRIPE_ROWS - 100
    rows = [{"n": n, "text": "ä" * (n % 50)} for n in range(good)]
    write_jsonl(tmp_path / "in.jsonl", rows)
    with (tmp_path / "in.jsonl").open("a") as file:
        file.write("not json\n")
    options = ("--keep", "n", "--id-column", "n", "--local", "--json", "-q")
    one = command("run", "in.jsonl", "-o", "one.parquet", *options, cwd=tmp_path)
    two = command(
        "run", "in.jsonl", "-o", "two.parquet", *options, "--processes", "2", "--run-dir", "rd",
        "--metrics-textfile", "two.prom", cwd=tmp_path, env=OWN_INTERPRETERS,
    )  # fmt: skip
    assert (one.returncode, two.returncode) == (3, 3), two.stderr
    assert two.stderr == one.stderr == ""
    tables = [pq.read_table(tmp_path / f"{name}.parquet") for name in ("one", "two")]
    assert tables[0].schema.equals(tables[1].schema)
    same = [
        "row",
        "id",
        "n",
        "status",
        "transport",
        "payload_bytes",
        "response",
        "error_code",
        "error_message",
    ]
    answers = [table.select(same).to_pylist() for table in tables]
    for line in (line for lines in answers for line in lines if line["response"]):
        line["response"] = json.loads(line["response"])["sha256"]
    # Lines are counted by one process alone; of several, each tells the byte.
    said = [answer[good].pop("error_message").split("in.jsonl", 1)[1] for answer in answers]
    byte = (tmp_path / "in.jsonl").read_bytes().index(b"not json")
    assert said[0] == f":{good + 1}: not JSON: invalid literal, expected 'null' at column 1"
    assert said[1] == f": byte {byte}, row {good}: not JSON: invalid literal, expected 'null' at column 1"
    assert answers[0] == answers[1]
    senders = {name[:10] for name in tables[1]["inference_id"].to_pylist() if name}
    assert len(senders) == 2, "both processes sent"
    summaries = [json.loads(done.stdout) for done in (one, two)]
    assert summaries[1]["run"] not in senders
    (example,) = (error.pop("example") for error in summaries[1]["errors"])
    assert example.endswith(said[1]), "with the row that it has in the input"
    assert [error.pop("example") for error in summaries[0]["errors"]] != [example]
    for key in (
        "rows",
        "by_status",
        "by_transport",
        "errors",
        "payload_bytes",
        "exit_code",
        "warnings",
        "simulated",
    ):
        assert summaries[0][key] == summaries[1][key], key
    assert json.loads((tmp_path / "rd" / "summary.json").read_text()) == json.loads(two.stdout)
    metrics = (tmp_path / "two.prom").read_text()
    assert f'fanout_records_total{{job="fanout",status="succeeded",transport="inline"}} {good}.0' in metrics
    assert f'fanout_rows_ended{{job="fanout"}} {good + 1}.0' in metrics
    assert 'fanout_exit_code{job="fanout"} 3.0' in metrics

    found = run_status(tmp_path / "rd")
    assert (found.state, found.rows, found.next) == (
        "finished",
        good + 1,
        "mend the rejected rows in the input, then start a new run of them",
    )
    assert command("resume", "rd", "--json", "-q", cwd=tmp_path).stdout == two.stdout, "nothing to do"
    again = command("retry", "rd", "-o", "again.parquet", "--json", "-q", cwd=tmp_path)
    assert again.returncode == 3, again.stderr
    assert pq.read_table(tmp_path / "again.parquet")["row"].to_pylist() == [good]


def test_a_killed_child_is_started_again_and_nothing_is_lost_or_doubled(given, aws, tmp_path):
    running = begin(given, aws, tmp_path, rate="400")
    child = pids(tmp_path)["001"]
    os.kill(child, signal.SIGKILL)
    exited = running.wait()
    finished(given, aws, tmp_path, exited)
    assert exited.stderr.count("\n") == 1
    assert (
        f"shard 001 ({child}) was ended by SIGKILL: it is started again, and goes on where" in exited.stderr
    )


def test_a_stopped_child_stops_the_run_and_a_resume_loses_and_doubles_nothing(given, aws, tmp_path):
    running = begin(given, aws, tmp_path)
    live = run_status(tmp_path / "rd")
    assert (live.state, live.pid) == ("running", running.process.pid)
    children = pids(tmp_path)
    assert {shard.state for shard in live.shards} == {"running"}
    os.kill(children["001"], signal.SIGTERM)
    exited = running.wait()
    assert exited.code == 75, exited.stderr
    assert f"SIGTERM: stopped; `fanout resume {tmp_path}/rd` goes on" in exited.stderr
    assert not (tmp_path / "out.parquet").exists()

    found = run_status(tmp_path / "rd")
    assert (found.state, found.next) == ("stopped", f"fanout resume {tmp_path}/rd")
    assert [shard.state for shard in found.shards] == ["stopped", "stopped"]
    assert found.durable == sum(shard.durable for shard in found.shards) > 0
    assert (found.shards[0].accepted, found.shards[0].unknown) == (0, 0), "the other one was stopped in order"
    said = command("status", tmp_path / "rd").stdout
    assert f"shard 000: stopped, {found.shards[0].rows:,} rows ended" in said
    assert "shard 001: stopped" in said
    exported = fanout("export", "rd", "-o", "some.parquet", aws=aws, directory=tmp_path)
    assert exported.code == 0, exported.stderr
    some = pq.read_table(tmp_path / "some.parquet")
    assert some.num_rows == found.durable

    for name, words in (("rd/shards/000", f"resume {tmp_path}/rd"), ("rd", "run.processes differ")):
        refused = fanout("resume", name, aws=aws, directory=tmp_path, FANOUT_RUN_PROCESSES="3")
        assert refused.code == 2
        assert words in refused.stderr
    table = finished(given, aws, tmp_path, fanout(*ON, aws=aws, directory=tmp_path))
    # The rows of the second shard have got their numbers meanwhile, as the first one knows how many it has.
    lines = [each.drop_columns("row").to_pylist() for each in (table, some)]
    kept, was = ({line["inference_id"]: line for line in each} for each in lines)
    assert all(kept[name] == line for name, line in was.items()), "what was durable is what came of it"
    before = aws.stats()["requests"]
    assert fanout(*RESUME, aws=aws, directory=tmp_path).code == 0
    assert aws.stats()["requests"] == before, "a finished run is resumed by doing nothing"


def test_a_signal_drains_all_processes_which_together_kept_to_the_rate(given, aws, tmp_path):
    running = begin(given, aws, tmp_path, rate="201", least=300)
    running.signal(signal.SIGINT)
    exited = running.wait()
    assert exited.code == 75, exited.stderr
    assert "SIGINT: stopped" in exited.stderr
    assert exited.stderr.count("again to stop at once") == 1
    found = run_status(tmp_path / "rd")
    log = sent(aws, tmp_path)
    assert 300 <= len(log) < ROWS
    arrivals = sorted(line["arrived_at"] for line in log)
    assert len(log) <= 201 * (arrivals[-1] - arrivals[0] + 0.3), "a busy server stamps late, not for long"
    assert (found.durable, found.accepted, found.unknown) == (len(log), 0, 0)
    table = finished(given, aws, tmp_path, fanout(*ON, aws=aws, directory=tmp_path))
    assert sum(table["resends"].to_pylist()) == 0
    assert len(sent(aws, tmp_path)) == ROWS
    sent_at, before = table["sent_at"].to_pylist(), rows_before(table)
    rows = [line["row"] + before[run_of(line["inference_id"])] for line in log]  # a shard counts from 0
    assert busiest_second([sent_at[row].timestamp() for row in rows]) <= 201 * RATE_SLACK


@pytest.mark.campaign
def test_the_second_signal_stops_at_once_and_a_lost_journal_is_made_anew_for_its_shard(
    given, slow_aws, tmp_path
):
    # What a lost journal leaves in doubt is bounded by these.
    bounds = {"FANOUT_PACING_WINDOW": "800", "FANOUT_OUTPUT_PART_ROWS": "50"}
    running = begin(given, slow_aws, tmp_path, **bounds)
    running.signal(signal.SIGTERM)
    running.until(lambda: "again to stop at once" in running.stderr())
    running.signal(signal.SIGTERM)
    exited = running.wait()
    assert exited.code == 75, exited.stderr
    assert "stopped at once" in exited.stderr
    found = run_status(tmp_path / "rd")
    assert found.accepted > 0, "nothing was waited for"
    assert {shard.state for shard in found.shards} == {"stopped"}

    for file in (tmp_path / "rd/shards/001").glob("journal.sqlite*"):
        file.unlink()
    refused = fanout(*RESUME, "--rate", "2", aws=slow_aws, directory=tmp_path, FANOUT_RUN_GRACE_S="0")
    assert refused.code == 5, refused.stderr
    assert "shards/001/journal.sqlite is missing" in refused.stderr
    assert "--rebuild" in refused.stderr
    rebuilt = fanout(*ON, "--rebuild", "--unknown", "resend", aws=slow_aws, directory=tmp_path)
    finished(given, slow_aws, tmp_path, rebuilt)
    assert "journal rebuilt" in rebuilt.stderr
    assert not list(tmp_path.glob("rd/shards/000/*.damaged")), "the other one's was sound"


@pytest.mark.campaign
def test_children_do_not_outlive_a_killed_parent_for_long_and_are_named(given, slow_aws, tmp_path):
    running = begin(given, slow_aws, tmp_path, least=50)
    children = pids(tmp_path)
    watched = [os.pidfd_open(child) for child in children.values()]
    os.kill(children["001"], signal.SIGSTOP)  # it holds its shard for as long as the others take
    try:
        running.signal(signal.SIGKILL)
        running.wait()
        assert run_status(tmp_path / "rd").state == "running"
        early = fanout(*RESUME, aws=slow_aws, directory=tmp_path)
        assert early.code == 5, early.stderr
        assert re.search(
            rf"in use by another process \(({'|'.join(map(str, children.values()))})\)", early.stderr
        )
    finally:
        os.kill(children["001"], signal.SIGCONT)
    assert not alive(watched), "they go on for ever"
    found = run_status(tmp_path / "rd")
    assert (found.state, found.accepted) == ("dead", 0)
    assert all("the process that started it is gone" in shard.reason for shard in found.shards)
    table = finished(given, slow_aws, tmp_path, fanout(*ON, aws=slow_aws, directory=tmp_path))
    assert sum(table["resends"].to_pylist()) == 0


def alive(watched):
    """Those of the processes that have not ended after half a minute; closes them all."""
    ends = time.monotonic() + 30
    left = [*watched]
    while left and (rest := ends - time.monotonic()) > 0:
        ended, _, _ = select.select(left, [], [], rest)
        left = [handle for handle in left if handle not in ended]
    for handle in watched:
        os.close(handle)
    return left


def test_what_ends_one_process_ends_the_run_and_is_told_once(aws, tmp_path):
    (tmp_path / "in.jsonl").write_bytes(b"no\n" * 3 * STRIPE_ROWS)
    arguments = ("--processes", "2", "--max-failures", "5", "--run-dir", "rd")
    exited = fanout(
        "run",
        "in.jsonl",
        "--endpoint",
        aws.endpoint,
        "-o",
        "out.parquet",
        *arguments,
        aws=aws,
        directory=tmp_path,
    )
    assert exited.code == 3, exited.stderr
    assert exited.stderr.count("max_failures") == 1
    assert not (tmp_path / "out.parquet").exists()
    assert run_status(tmp_path / "rd").state == "stopped"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-"], "standard input can be read once"),
        (
            ["in.jsonl", "--queue-url", "https://sqs.us-east-1.amazonaws.com/123456789012/q"],
            "--no-notifications",
        ),
        (["in.jsonl", "--rate", "1.5"], "pacing.rate = 1.5 is less than one for each of 2 processes"),
        (["in.jsonl", "--window", "1"], "pacing.window"),
        (["pipe"], "a pipe can be read once"),
    ],
)
def test_what_several_processes_cannot_share(tmp_path, arguments, words):
    write_jsonl(tmp_path / "in.jsonl", [{"n": 1}])
    os.mkfifo(tmp_path / "pipe")
    done = command("run", *arguments, "--local", "--processes", "2", "-o", "out.parquet", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / ".fanout").exists()
