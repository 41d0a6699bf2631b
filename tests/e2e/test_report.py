"""The real `fanout report`: of a real run, in every form, and its page in a real browser."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import duckdb
import pytest
from support.browser import CHROMIUM, open_page
from support.cli import fanout, write_jsonl

FIGURES = ["timeline", "distributions", "percentiles", "sizes", "waterfall"]


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
        "import sys; sys.modules['matplotlib'] = None\n"
        "import importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'matplotlib' else real(name, *rest)\n"
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


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")
def test_the_page_in_a_browser(output, tmp_path):
    assert fanout("report", output, "-o", tmp_path / "r.html").returncode == 0
    found = json.loads(fanout("report", output, "--format", "json").stdout)

    async def look():
        async with open_page() as page:
            await page.resize(1280, 800)
            await page.open(tmp_path / "r.html")
            colours = {}
            for scheme in ("light", "dark"):
                await page.emulate(scheme=scheme)
                colours[scheme] = await page.evaluate(_COLOURS)
            await page.emulate(scheme="dark", media="print")
            colours["print"] = await page.evaluate(_COLOURS)
            await page.emulate()
            facts = await page.evaluate(_FACTS)
            overflow = {}
            for width in (1280, 420):
                await page.resize(width, 800)
                overflow[width] = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
            return page.problems, page.requests, colours, facts, overflow

    problems, requests, colours, facts, overflow = asyncio.run(look())
    assert problems == []
    assert requests == [(tmp_path / "r.html").as_uri()]
    assert [figure["id"] for figure in facts["figures"]] == [f"figure-{name}" for name in FIGURES]
    assert all(figure["height"] > 100 and figure["width"] > 600 for figure in facts["figures"])
    assert overflow == {1280: False, 420: False}
    # Dark paper is dark, print is white in either scheme, and what is written on them can be read.
    assert colours["light"]["paper"] == colours["print"]["paper"] == [255, 255, 255]
    assert max(colours["dark"]["paper"]) < 50
    for each in colours.values():
        for role in ("ink", "muted", "figure"):
            assert contrast(each["paper"], each[role]) >= 4.5, (role, each)
    total = next(each for each in found["latency"] if each["phase"] == "total")
    numbers = [f"{total[name]:,.1f}" for name in ("p50", "p90", "p99", "max")]
    assert ["total", "inline", f"{total['n']:,}", *numbers] in facts["rows"]
    assert facts["tiles"]["rows"] == "201"
    assert facts["tiles"]["not succeeded"] == "1"


def contrast(one, other):
    """WCAG's contrast ratio of two colours of 0..255."""

    def luminance(colour):
        parts = [c / 255 for c in colour]
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


_COLOURS = """(() => {
  const rgb = (element, name) => getComputedStyle(element)[name].match(/\\d+/g).slice(0, 3).map(Number);
  return {paper: rgb(document.body, 'backgroundColor'), ink: rgb(document.body, 'color'),
          muted: rgb(document.querySelector('caption'), 'color'),
          figure: rgb(document.querySelector('svg text'), 'fill')};
})()"""

_FACTS = """(() => {
  const text = element => element.textContent.trim();
  return {
    figures: [...document.querySelectorAll('svg[role=img]')].map(svg => {
      const box = svg.getBoundingClientRect();
      return {id: svg.id, width: box.width, height: box.height};
    }),
    rows: [...document.querySelectorAll('tbody tr')].map(row => [...row.cells].map(text)),
    tiles: Object.fromEntries([...document.querySelectorAll('.tiles div')].map(
      tile => [text(tile.children[0]), text(tile.children[1])])),
  };
})()"""
