"""Makes the pictures of the README: a run and an experiment against the local AWS, their reports, photographed.

Everything in them is simulated, and they say so. The reports are ordinary ones; a picture is a part of such a page, in
light mode. Takes about two minutes; needs chromium and `pip install -e '.[dev]'`.

    python benchmarks/pictures.py
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from inputs import write_rows  # noqa: E402 - beside this file, like the import below
from support.browser import CHROMIUM, Page, open_page  # noqa: E402 - the tests' browser is not installed

WIDTH = 900  # CSS pixels: the report's column, and what a README shows without shrinking it much
PAYLOAD_BYTES = 2_000
SCALE = 1.5  # pixels a CSS pixel


def main() -> int:
    asked = _arguments()
    if CHROMIUM is None:
        print("there is no chromium here to photograph with", file=sys.stderr)
        return 1
    asked.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fanout-pictures-") as name:
        scratch = Path(name)
        rows = write_rows(scratch / "rows.jsonl", rows=asked.rows, payload_bytes=PAYLOAD_BYTES)
        answers, run_page = scratch / "answers.parquet", scratch / "report.html"
        fanout("run", rows, "--local", "--rate", asked.rate, "-o", answers, cwd=scratch)
        fanout("report", answers.name, "-o", run_page, cwd=scratch)
        bench_page = scratch / "bench.html"
        fanout("bench", "--local", "--pairs", asked.pairs, "-o", "bench", cwd=scratch)
        fanout("report", "bench/bench.parquet", "-o", bench_page, cwd=scratch)
        shots = (
            (
                run_page,
                ("header h1", "header .note", "header .tiles", "#answers"),
                asked.output / "report.png",
            ),
            (
                bench_page,
                (
                    "h1",
                    "header .note",
                    "#experiment h2",
                    "#experiment .answer",
                    "#figure-differences-size",
                    "#figure-differences-phase",
                ),
                asked.output / "bench.png",
            ),
        )
        asyncio.run(photograph(shots))
        for _, _, picture in shots:
            print(f"{picture}: {picture.stat().st_size:,} bytes")
    return 0


def fanout(*arguments: object, cwd: Path) -> None:
    subprocess.run([sys.executable, "-m", "fanout.cli", *map(str, arguments)], cwd=cwd, check=True)


async def photograph(shots: Iterable[tuple[Path, tuple[str, ...], Path]]) -> None:
    """Save what lies between the first and the last of some elements of a report; all others of it are hidden."""
    async with open_page() as page:
        await page.emulate(scheme="light")
        await page.resize(WIDTH, 1000)
        for report, parts, picture in shots:
            await page.open(report)
            clip = await page.evaluate(
                _SHOW_ONLY.replace("PARTS", json.dumps(parts)).replace("SCALE", str(SCALE))
            )
            await _save(page, clip, picture)


# Elements are kept with all that is in and above them; the picture gets the page's own margin all around.
_SHOW_ONLY = """(() => {
  const kept = PARTS.flatMap(each => [...document.querySelectorAll(each)].map(
    found => found.matches("svg") ? found.closest("figure") : found));
  for (const each of document.querySelectorAll("body *"))
    if (!kept.some(one => one.contains(each) || each.contains(one))) each.style.display = "none";
  const boxes = kept.map(each => each.getBoundingClientRect());
  const bottom = Math.max(...boxes.map(box => box.bottom)) + scrollY;
  return {x: 0, y: 0, width: innerWidth, height: Math.ceil(bottom + 16), scale: SCALE};
})()"""


async def _save(page: Page, clip: object, picture: Path) -> None:
    shot = await page.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
    picture.write_bytes(base64.b64decode(shot["data"]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "pictures", help="directory")
    parser.add_argument("--rows", type=int, default=2_400, help="of the run")
    parser.add_argument("--rate", type=float, default=150, help="requests a second of the run")
    parser.add_argument("--pairs", type=int, default=150, help="of each size of the experiment")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
