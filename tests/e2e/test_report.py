"""The real `fanout report` of a real run, in every form; `tests/browser/check_report.py` opens its page."""

from __future__ import annotations

import json
import subprocess
import sys

import duckdb
import pytest
from support.cli import fanout, write_jsonl


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    directory = tmp_path_factory.mktemp("report")
    write_jsonl(directory / "in.jsonl", [{"n": n, "pad": "x" * (n * 40)} for n in range(200)])
    with (directory / "in.jsonl").open("ab") as file:
        file.write(b"not json\n")
    done = fanout("run", "in.jsonl", "--local", "-o", "out.parquet", "-q", cwd=directory)
    assert done.returncode == 3, done.stderr
    return directory / "out.parquet"


def test_json_is_what_duckdb_computes(output):
    done = fanout("report", output, "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["kind"], found["version"], found["simulated"]) == ("fanout-report", 1, True)
    assert found["counts"]["by_status"] == {"succeeded": 200, "rejected": 1}
    assert found["counts"]["errors"][0]["code"] == "InvalidJSON"
    assert found["throttles"] == 0
    total = next(each for each in found["latency"] if each["phase"] == "total")
    sql = f"select quantile_cont(total_ms, [0.5, 0.9, 0.99]), max(total_ms) from '{output}'"
    upper, most = duckdb.sql(sql).fetchall()[0]
    assert [total["p50"], total["p90"], total["p99"], total["max"]] == pytest.approx([*upper, most])
    assert sum(found["timeline"]["sent"]) == 200


def test_the_form_follows_the_files_name(output, tmp_path):
    for name, start in (("r.md", "# fanout report"), ("r.txt", "Simulated")):
        assert fanout("report", output, "-o", tmp_path / name).returncode == 0
        assert (tmp_path / name).read_text().startswith(start)


def test_a_report_never_replaces_results(output, tmp_path):
    victim = tmp_path / "b.txt"
    victim.write_bytes(output.read_bytes())
    for more in (["-o", victim], ["-o", victim, "--format", "json"]):
        done = fanout("report", output, *more)
        assert done.returncode == 2
        assert "is a Parquet file, which a report must not replace" in done.stderr
    assert victim.read_bytes() == output.read_bytes()


def test_a_suffix_that_names_no_format_is_refused(output, tmp_path):
    done = fanout("report", output, "-o", tmp_path / "r.pdf")
    assert done.returncode == 2
    assert "no format is named .pdf: end it in .html, " in done.stderr
    assert fanout("report", output, "-o", tmp_path / "r.log", "--format", "text").returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["r.log"]


def test_what_was_exported_of_a_local_run_is_said_to_be_simulated(tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [{"n": n} for n in range(100)])
    command = (
        "run",
        "in.jsonl",
        "--local",
        "--rate",
        20,
        "--deadline",
        "2",
        "--run-dir",
        "rd",
        "-o",
        "o.parquet",
    )
    assert fanout(*command, cwd=tmp_path).returncode == 7
    assert fanout("export", "rd", "-o", "some.parquet", cwd=tmp_path).returncode == 0
    found = json.loads(fanout("report", "some.parquet", "--format", "json", cwd=tmp_path).stdout)
    assert found["simulated"] is True
    assert found["files"][0]["endpoint"] == "simulated"


def test_prices_of_the_configuration(output, tmp_path):
    (tmp_path / "prices.toml").write_text("[prices]\ns3_put_per_1000 = 5\n")
    found = json.loads(fanout("report", output, "--format", "json", "-c", tmp_path / "prices.toml").stdout)
    assert found["cost"]["dollars"] == pytest.approx(200 * (5 / 1_000 + 0.88e-6 + 0.5e-6))


def test_without_the_extra_a_sentence_says_what_to_install(output, tmp_path):
    script = (
        "import sys; sys.modules['vl_convert'] = None\n"
        "import importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'vl_convert' else real(name, *rest)\n"
        "from fanout.cli import main\n"
        f"main(['report', {str(output)!r}, '-o', {str(tmp_path / 'r.html')!r}])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'sagemaker-fanout[report]'" in done.stderr
    assert not (tmp_path / "r.html").exists()


def test_a_form_that_is_none(output):
    done = fanout("report", output, "--format", "pdf")
    assert done.returncode == 2
    assert "known are text, json, markdown, html" in done.stderr


def test_what_a_run_recorded_of_itself_is_told(output, tmp_path):
    found = json.loads(fanout("report", output, "--format", "json").stdout)
    said = found["files"][0]["provenance"]
    assert said["commands"] == [["fanout", "run", "in.jsonl", "--local", "-o", "out.parquet", "-q"]]
    assert (said["account"], said["region"]) == ("123456789012", "us-east-1")
    assert said["settings"]["local"] == {"enabled": True}
    answers = {each["question"]: each["answer"] for each in found["answers"]}
    assert answers["Where?"].startswith(
        "Endpoint simulated in us-east-1, account 123456789012, 4 x ml.m5.large."
    )


def test_a_gate_of_a_run_decides_on_the_exit_code(output, tmp_path):
    conditions = ("--fail-if", "total.p50 > 0.001ms", "--fail-if", "failures > 90%")
    done = fanout("report", output, "-o", tmp_path / "r.md", *conditions)
    assert done.returncode == 3
    assert done.stderr.startswith("FAILED: --fail-if 'total.p50 > 0.001ms': inline ")
    assert "| FAILED | total.p50 \\> 0.001ms |" in (tmp_path / "r.md").read_text()
    assert fanout("report", output, "-o", tmp_path / "r.md", "--fail-if", "failures > 90%").returncode == 0
    done = fanout("report", output, "--fail-if", "total.p50 > baseline")
    assert (done.returncode, done.stdout) == (2, "")
    assert "needs an earlier run: name it first, and add --compare" in done.stderr


def test_two_runs_stand_side_by_side(output, tmp_path):
    again = fanout(
        "run", output.parent / "in.jsonl", "--local", "-o", tmp_path / "two.parquet", "-q", cwd=tmp_path
    )
    assert again.returncode == 3
    done = fanout("report", output, tmp_path / "two.parquet", "--compare", "--format", "json")
    found = json.loads(done.stdout)["compared_with"]
    assert (found["pairing"]["key"], found["pairing"]["shared"]) == ("row", 201), found["pairing"]
    sql = f"""select median(b.total_ms - a.total_ms) from '{output}' a join '{tmp_path / "two.parquet"}' b using (row)
              where a.status = 'succeeded' and b.status = 'succeeded'"""
    total = next(each for each in found["changes"] if (each["phase"], each["way"]) == ("total", "inline"))
    assert total["change"]["median"] == pytest.approx(duckdb.sql(sql).fetchall()[0][0])
    assert total["pairs"] == 200
    alone = fanout("report", output, "--compare")
    assert alone.returncode == 2
    assert "--compare takes two outputs, the earlier one first, and 1 were named" in alone.stderr
