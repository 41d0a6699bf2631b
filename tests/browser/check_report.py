"""Opens the page of a report in Chromium, as a person would: at each width, light, dark, without scripts, on paper.

    python tests/browser/check_report.py [--all] [--pages DIRECTORY] [--keep DIRECTORY]

It makes the pages of a run, of two runs side by side and of an experiment against the local AWS, and asks of each: is
every figure drawn, does nothing stick out, is nothing fetched, does axe-core find no fault (contrast included), does a
pointer learn a value, does a table sort, is everything there without scripts and on paper, with no page empty. Needs
Chromium and `pip install --no-deps axe-playwright-python pypdf`; exits with 1 if a check fails, with 0 and a word where
there is no Chromium. `--pages` takes pages that exist, `--keep` saves pictures and PDFs.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import re
import sys
import tempfile
import unicodedata
from importlib.resources import files
from io import BytesIO
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.browser import CHROMIUM, Page, open_page
from support.cli import fanout, write_jsonl

WIDTHS = (360, 800, 1440, 1920)
SCHEMES = ("light", "dark")
ALL = [(width, scheme) for width in WIDTHS for scheme in SCHEMES]
SOME = [(360, "light"), (800, "light"), (1440, "dark"), (1920, "light")]
JUDGED = [(360, "light"), (1440, "dark")]
"""Views that axe-core looks at, which takes seconds each: contrast goes by the scheme, the rest by the width."""
RATE = 200
say = functools.partial(print, flush=True)


def main() -> int:
    asked = _arguments()
    if CHROMIUM is None:
        say("SKIPPED: there is no Chromium here, so no page was looked at (apt-get install chromium)")
        return 0
    with tempfile.TemporaryDirectory(prefix="fanout-pages-") as scratch:
        pages = sorted(asked.pages.glob("*.html")) if asked.pages else make_pages(Path(scratch))
        problems = [problem for page in pages for problem in asyncio.run(look(page, asked))]
    for problem in problems:
        say(f"FAILED: {problem}")
    views = len(pages) * len(ALL if asked.all else SOME)
    say(f"{views} views of {len(pages)} pages, {len(problems)} problems")
    return 1 if problems or not pages else 0


def make_pages(directory: Path) -> list[Path]:
    """Make the pages: a run with errors, the same beside one with retries, an experiment with gate and baseline."""
    rows = [{"id": f"user-{n}", "n": n, "pad": "x" * (n % 40 * 50)} for n in range(400)]
    write_jsonl(directory / "in.jsonl", rows)
    with (directory / "in.jsonl").open("ab") as file:
        file.write(b"not <b>json</b>\n")
    (directory / "sim.toml").write_text(
        '[retry]\npatterns = [".*"]\n[local.simulator]\nfailure_share = 0.05\n'
    )
    run = ("run", "in.jsonl", "--local", "--id-column", "id", "--rate", RATE, "-q")
    _ran(fanout(*run, "-o", "one.parquet", cwd=directory), 3)
    _ran(fanout(*run, "-c", "sim.toml", "-o", "two.parquet", cwd=directory), 3)
    (directory / "busy.toml").write_text("[bench]\nlate_ms = 5000\n")  # this machine may have other work
    bench = ("bench", "--local", "--rate", 60, "--pairs", 12, "--warmup", 2, "-c", "busy.toml", "-q")
    _ran(fanout(*bench, "-o", "b1", cwd=directory), 0)
    _ran(
        fanout(
            *bench, "-o", "b2", "--baseline", "b1/bench.json", "--fail-if", "total.p50 > 1ms", cwd=directory
        ),
        3,
    )
    for name, words in {
        "run": ("one.parquet",),
        "compared": ("one.parquet", "two.parquet", "--compare"),
        "experiment": ("b2/",),
    }.items():
        _ran(fanout("report", *words, "-o", f"{name}.html", cwd=directory), 0)
    return sorted(directory.glob("*.html"))


def _ran(done: object, code: int) -> None:
    assert done.returncode == code, (done.returncode, done.stderr)  # type: ignore[attr-defined]


async def look(path: Path, asked: argparse.Namespace) -> list[str]:
    """Return what is wrong with a page."""
    found: list[str] = []
    keep = asked.keep
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    async with open_page() as page:
        for width, scheme in ALL if asked.all else SOME:
            await page.resize(width, 900)
            await page.emulate(scheme=scheme)
            await page.open(path)
            where = f"{path.name} at {width} px, {scheme}"
            found += [f"{where}: {text}" for text in _layout(await page.settled(_SCROLL))]
            if asked.all or (width, scheme) in JUDGED:
                await page.evaluate(axe + ";0")
                found += [f"{where}: {text}" for text in await page.settled(_AXE)]
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                await page.screenshot(keep / f"{path.stem}-{width}-{scheme}.png")
        found += [f"{path.name}: {text}" for text in await _pointer(page)]
        found += [f"{path.name}: {text}" for text in await page.settled(_SORT)]
        texts = await page.evaluate(_TEXTS)
        found += [f"{path.name} on paper: {text}" for text in await _paper(page, texts, path, keep=keep)]
        found += [f"{path.name} on its console: {text}" for text in page.problems]
        if set(page.requests) != {path.as_uri()}:
            found.append(f"{path.name} fetched {set(page.requests) - {path.as_uri()}}")
    async with open_page() as page:
        await page.call("Emulation.setScriptExecutionDisabled", value=True)
        for width in WIDTHS:
            await page.resize(width, 900)
            await page.open(path)
            found += [
                f"{path.name} at {width} px without scripts: {text}"
                for text in _still(await page.evaluate(_STILL))
            ]
        found += [
            f"{path.name} on paper without scripts: {text}"
            for text in await _paper(page, texts, path, keep=None)
        ]
    return found


def _layout(facts: dict[str, object]) -> list[str]:
    found = [] if facts["overflow"] <= 0 else [f"sticks out by {facts['overflow']} px"]  # type: ignore[operator]
    if facts["drawn"] != facts["figures"] or not facts["figures"]:
        found.append(f"{facts['drawn']} of {facts['figures']} figures came to life")
    return found + [f"{name} is {size}" for name, size in facts["thin"]]  # type: ignore[attr-defined]


def _still(facts: dict[str, object]) -> list[str]:
    found = [] if facts["overflow"] <= 0 else [f"sticks out by {facts['overflow']} px"]  # type: ignore[operator]
    if facts["pictures"] != facts["figures"]:
        found.append(f"{facts['pictures']} pictures of {facts['figures']} figures are shown")
    return found + [f"text of {size} px in a picture" for size in facts["small"]]  # type: ignore[attr-defined]


async def _pointer(page: Page) -> list[str]:
    """Move a pointer along a curve and onto a bar, and see what it is told."""
    found = []
    for script, wanted in (
        (_ONTO_CURVE, r"transport(inline|S3)percentile[\d.]+milliseconds[\d.,]+"),
        (_ONTO_BAR, r"phase[a-z]+from\N{MINUS SIGN}?[\d.,]+to[\d.,]+milliseconds[\d.,]+"),
    ):
        place = await page.settled(script)
        for step in range(6):
            await page.call("Input.dispatchMouseEvent", type="mouseMoved", x=place["x"] + step, y=place["y"])
        told = await page.settled(_TOLD)
        if not re.fullmatch(wanted, told):
            found.append(f"a pointer on {place['name']} is told {told!r}")
    # What a pointer is told is fixed in the window, and would stand on every sheet, above the text.
    await page.emulate(media="print")
    if (shown := await page.evaluate(_TIP_ON_PAPER)) != "none":
        found.append(f"what a pointer was told is printed (display: {shown})")
    await page.emulate()
    return found


async def _paper(page: Page, texts: list[str], path: Path, *, keep: Path | None) -> list[str]:
    from pypdf import PdfReader

    printed = await page.printed()
    if keep is not None:
        (keep / f"{path.stem}.pdf").write_bytes(printed)
    sheets = [_letters(sheet.extract_text()) for sheet in PdfReader(BytesIO(printed)).pages]
    found = [f"page {number} is empty" for number, text in enumerate(sheets, 1) if len(text) < 40]
    # A cell may be broken by the edge of a sheet, and its letters are then not in one piece.
    whole = "".join(sheets)
    return found + [f"{text!r} is not there" for text in texts if _letters(text) not in whole][:5]


def _letters(text: str) -> str:
    """Return the letters of a text; a font draws some pairs of them as one."""
    return re.sub(r"[^0-9A-Za-z]", "", unicodedata.normalize("NFKC", text))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--all", action="store_true", help="every width in both schemes, each judged by axe-core"
    )
    parser.add_argument("--pages", type=Path, help="directory of pages to look at instead")
    parser.add_argument("--keep", type=Path, help="directory for pictures and PDFs")
    return parser.parse_args()


# Down the page and up again, until every figure is drawn; then what a layout must be.
_SCROLL = """(async () => {
  const pause = () => new Promise(done => requestAnimationFrame(() => setTimeout(done, 30)));
  const figures = [...document.querySelectorAll("figure")];
  const until = performance.now() + 20000;
  for (const each of figures)
    for (each.scrollIntoView(); !each.classList.contains("drawn") && performance.now() < until;) await pause();
  scrollTo(0, 0);
  await pause();
  const box = each => each.getBoundingClientRect();
  const thin = figures.filter(each => box(each.querySelector(".live svg") || each).width < 250 ||
    box(each).height < 60).map(each => [each.id, `${box(each).width} x ${box(each).height}`]);
  return {overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    figures: figures.length, drawn: document.querySelectorAll("figure.drawn").length, thin};
})()"""

_AXE = """axe.run(document, {resultTypes: ["violations"]}).then(found => found.violations.flatMap(
  each => each.nodes.slice(0, 3).map(node => `axe: ${each.id}: ${node.html.slice(0, 100)}`)))"""

_ONTO_CURVE = """(async () => {
  const figure = document.querySelector("#figure-distribution-total");
  figure.scrollIntoView({block: "center", behavior: "instant"});
  while (!figure.classList.contains("drawn")) await new Promise(done => setTimeout(done, 30));
  const box = figure.querySelector(".live svg").getBoundingClientRect();
  return {name: figure.id, x: box.x + box.width / 2, y: box.y + box.height / 2};
})()"""

_ONTO_BAR = """(async () => {
  const figure = document.querySelector("#figure-waterfall-0");
  figure.scrollIntoView({block: "center", behavior: "instant"});
  while (!figure.classList.contains("drawn")) await new Promise(done => setTimeout(done, 30));
  const wide = each => each.getBoundingClientRect().width;
  const bars = [...figure.querySelectorAll(".mark-rect path")].sort((a, b) => wide(b) - wide(a));
  const box = bars[0].getBoundingClientRect();
  return {name: figure.id, x: box.x + box.width / 2 - 3, y: box.y + box.height / 2};
})()"""

_TOLD = """(async () => {
  const until = performance.now() + 3000;
  const tip = () => document.querySelector("#vg-tooltip-element.visible");
  while (!tip() && performance.now() < until) await new Promise(done => setTimeout(done, 30));
  return tip() ? tip().textContent : "";
})()"""

_TIP_ON_PAPER = """getComputedStyle(document.querySelector("#vg-tooltip-element")).display"""

# The last column of numbers of the latencies: a click sorts it upwards, another one downwards.
_SORT = """(async () => {
  const table = document.querySelector("#latency table"), place = table.tHead.rows[0].cells.length - 1;
  const head = table.tHead.rows[0].cells[place];
  const number = row => parseFloat(row.cells[place].textContent.replace(/,/g, ""));
  const values = () => [...table.tBodies[0].rows].map(number);
  const is = (list, order) => list.every((each, index) => !index || order * (each - list[index - 1]) >= 0);
  const before = values(), found = [];
  head.querySelector("button").click();
  if (head.ariaSort !== "ascending" || !is(values(), 1)) found.push(`not sorted upwards: ${values()}`);
  head.querySelector("button").click();
  if (head.ariaSort !== "descending" || !is(values(), -1)) found.push(`not sorted downwards: ${values()}`);
  if (values().length !== before.length || before.length < 3) found.push("rows were lost");
  return found;
})()"""

_TEXTS = """[...document.querySelectorAll("h1, h2, h3, p, li, td, th, caption, figcaption, dt, .tiles dd")].filter(
  each => !each.closest(".live, nav, #vg-tooltip-element")).map(each => each.textContent.trim()).filter(Boolean)"""

_STILL = """(() => {
  const seen = each => each.getBoundingClientRect().width > 0;
  const pictures = [...document.querySelectorAll(".still svg")].filter(seen);
  const small = pictures.flatMap(each => {
    const scale = each.getBoundingClientRect().width / each.viewBox.baseVal.width;
    return [...each.querySelectorAll("text")].slice(0, 1).map(() => Math.round(12 * scale * 10) / 10);
  }).filter(size => size < 8.5);
  return {overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    figures: document.querySelectorAll("figure").length, pictures: pictures.length, small};
})()"""


if __name__ == "__main__":
    sys.exit(main())
