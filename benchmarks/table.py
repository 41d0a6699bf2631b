"""Writes the figures of README.md and docs/figures.md from the raw numbers in `results`, between their two markers.

python benchmarks/table.py            # after a benchmark has written new numbers
python benchmarks/table.py --check    # exits 1 if one of the two says something else than the numbers
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from figures import Cost, Spread, costs, over_rounds, ratio
from machine import RESULTS, load

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- benchmark -->", "<!-- /benchmark -->"
Costs = dict[str, dict[int, Cost]]
BUSIEST = 0.9  # share of all cores, client and server together: from there on a rate says what they can do
SCRIPTS = {"journal-wire": "journal", "throttled-http": "throttled_http"}  # of other results, their own name
_MODES = {"submit": "submit only", "end to end": "end to end"}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit 1 if a page is out of date"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="directory of the JSON files")
    parser.add_argument("--root", type=Path, default=ROOT, help="directory of README.md and docs/figures.md")
    asked = parser.parse_args()
    stale = False
    for page, render in (("README.md", headlines), ("docs/figures.md", tables)):
        path = asked.root / page
        old = path.read_text(encoding="utf-8")
        new = replaced(old, render(asked.results))
        stale |= new != old
        if not asked.check:
            path.write_text(new, encoding="utf-8")
        elif new != old:
            print(f"{path} differs from {asked.results}: run python benchmarks/table.py", file=sys.stderr)
    return int(asked.check and stale)


def replaced(text: str, between: str) -> str:
    """Return `text` with `between` between its markers.

    Raises:
        SystemExit: The markers are not there, once each and in order.
    """
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end or BEGIN in tail or END in tail:
        sys.exit(f"expected one {BEGIN} and, after it, one {END}")
    return f"{head}{BEGIN}\n{between}{END}{tail}"


def headlines(results: Path) -> str:
    """Return the Markdown of what the benchmarks that have results come to, in medians."""
    return "".join(
        f"{render(load(path))}\n"
        for name, render in (
            ("throughput", compared),
            ("upload", uploaded),
            ("scale", grown),
            ("pacing", kept),
            ("start", started),
        )
        if (path := results / f"{name}.json").exists()
    )


def compared(content: dict[str, Any]) -> str:
    """Return fanout beside each other way: how many times its rate, for which share of its CPU."""
    samples, titles = content["samples"], content["settings"]["titles"]
    heads, columns = [], []
    for payload in content["settings"]["payloads"]:
        for mode, what in _MODES.items():
            found = costs(s for s in samples if s["payload_bytes"] == payload and s.get("mode") == mode)
            if found:
                heads.append(f"{what}, {_size(payload)}")
                columns.append(found)
    rows = [
        (f"{titles[name]}", *(_beside(found, name) for found in columns))
        for name in titles
        if name not in {"fanout", "processes"}
    ]
    rows.append(("**fanout** itself", *(_itself(found["fanout"]) for found in columns)))
    return "\n".join(_table(("fanout beside", *heads), rows))


def _beside(found: Costs, name: str) -> str:
    if name not in found:
        return ""
    faster, cheaper = (ratio(found["fanout"], found[name], what) for what in ("per_s", "cpu_us"))
    return (
        "" if faster is None or cheaper is None else f"{faster.median:.1f}x rate, {cheaper.median:.2f}x CPU"
    )


def _itself(rounds: dict[int, Cost]) -> str:
    per_s, cpu_us, peak = (over_rounds(rounds, name).median for name in ("per_s", "cpu_us", "peak_bytes"))
    return f"{per_s:,.0f}/s, {cpu_us:,.0f} µs, {peak / 1e6:,.0f} MB"


def uploaded(content: dict[str, Any]) -> str:
    """Return the uploader beside s5cmd."""
    said = []
    for size in content["settings"]["sizes"]:
        found = costs(sample for sample in content["samples"] if sample["payload_bytes"] == size)
        if "s5cmd" in found:
            said.append(f"{_beside(found, 's5cmd')} at {_size(size)}")
    return f"- Uploads beside s5cmd: {'; '.join(said)}."


def grown(content: dict[str, Any]) -> str:
    """Return what runs of more and more rows cost, beside the shortest in the same round."""
    by_rows: dict[int, list[dict[str, Any]]] = {}
    for sample in content["samples"]:
        if sample["kind"] == "rows":
            by_rows.setdefault(sample["value"], []).append(sample)
    first = {sample["round"]: sample["cpu_us"] for sample in by_rows[min(by_rows)]}
    said = []
    for value, found in sorted(by_rows.items()):
        cpu_us, peak_mb, times = (
            Spread.of(figures).median
            for figures in (
                [sample["cpu_us"] for sample in found],
                [sample["peak_bytes"] / 1e6 for sample in found],
                [sample["cpu_us"] / first[sample["round"]] for sample in found],
            )
        )
        cpu = f"{cpu_us:,.0f} µs a row" if value == min(by_rows) else f"{times:.2f} times as much a row"
        said.append(f"{cpu} and {peak_mb:,.0f} MB at {value:,} rows")
    return f"- CPU and peak memory: {'; '.join(said)}."


def kept(content: dict[str, Any]) -> str:
    """Return how well `--rate` is kept."""
    said: dict[str, list[str]] = {"submit": [], "end to end": []}
    for mode, rate, found in _by_case(content["samples"]):
        error, late = (
            Spread.of(sample[name] for sample in found).median for name in ("error", "late_p99_ms")
        )
        busy = Spread.of(sample["client_share"] + sample["server_share"] for sample in found).median
        if busy > BUSIEST * content["machine"]["cores"]:
            said[mode].append(f"{rate:,} a second is beyond the cores, which reach {rate * (1 + error):,.0f}")
            continue
        said[mode].append(f"{error:+.1%}, {late:.1f} ms at {rate:,} a second")
    return (
        f"- Error of `--rate`, and how late requests leave in p99, end to end: {'; '.join(said['end to end'])}; "
        f"submit only: {'; '.join(said['submit'])}."
    )


def started(content: dict[str, Any]) -> str:
    """Return what a run of two rows costs."""
    found = _starts(content)
    cpu_s, times = (found["fanout"][name].median for name in ("cpu_s", "times"))
    return (
        f"- A run of {content['settings']['rows']} rows: {cpu_s:.2f} s of CPU, {times:.2f} times that of the "
        "aiobotocore script, which keeps no journal."
    )


def _starts(content: dict[str, Any]) -> dict[str, dict[str, Spread]]:
    """Return for each contender the spread of its CPU, seconds, peak, and CPU as times the script's."""
    runs: dict[str, dict[int, dict[str, Any]]] = {}
    for sample in content["samples"]:
        runs.setdefault(sample["contender"], {})[sample["round"]] = sample
    script = runs["aiobotocore"]
    return {
        name: {
            **{
                key: Spread.of(each[key] for each in rounds.values())
                for key in ("cpu_s", "seconds", "peak_bytes")
            },
            "times": Spread.of(each["cpu_s"] / script[number]["cpu_s"] for number, each in rounds.items()),
        }
        for name, rounds in runs.items()
    }


def _by_case(samples: list[dict[str, Any]]) -> Iterator[tuple[str, int, list[dict[str, Any]]]]:
    """Yield each mode and rate of the pacing, and its samples."""
    for mode, rate in sorted({(sample["mode"], sample["rate"]) for sample in samples}):
        yield mode, rate, [sample for sample in samples if (sample["mode"], sample["rate"]) == (mode, rate)]


def tables(results: Path) -> str:
    """Return the Markdown of every benchmark that has results; nothing for those that have none."""
    parts = []
    for name, render in (
        ("throughput", throughput),
        ("upload", upload),
        ("scale", scale),
        ("pacing", pacing),
        ("throttled", throttled),
        ("throttled-http", throttled_http),
        ("start", start),
        ("journal", journal),
        ("journal-wire", journal),
        ("place", place),
        ("remote", remote),
        ("bytes_read", bytes_read),
        ("beside_ray", beside_ray),
    ):
        path = results / f"{name}.json"
        if path.exists():
            content = load(path)
            parts.append(f"{render(content)}\n{_source(content, SCRIPTS.get(name, name))}\n")
    return "\n".join(parts)


def throughput(content: dict[str, Any]) -> str:
    samples, titles = content["samples"], content["settings"]["titles"]
    lines: list[str] = []
    for payload in content["settings"]["payloads"]:
        sized = [sample for sample in samples if sample["payload_bytes"] == payload]
        for mode, what in _MODES.items():
            found = costs(sample for sample in sized if sample.get("mode") == mode)
            if not found:
                continue
            ours = found.get("fanout", {})
            rows = []
            for name, rounds in found.items():
                title = f"**{titles[name]}**" if name == "fanout" else titles[name]
                # A C client's memory is below what starting it from Python lets one see; it holds one request.
                peak = "" if name == "wrk" else f"{over_rounds(rounds, 'peak_bytes').median / 1e6:,.0f}"
                rows.append(
                    (
                        title,
                        _spread(over_rounds(rounds, "per_s"), 0),
                        _spread(over_rounds(rounds, "cpu_us"), 1),
                        _times(ratio(ours, rounds, "per_s")),
                        _times(ratio(rounds, ours, "cpu_us")),
                        f"{over_rounds(rounds, 'start_s').median:.2f}",
                        peak,
                        f"{over_rounds(rounds, 'server_share').median:.0%}",
                    )
                )
            heads = (
                "records/s",
                "CPU µs/record",
                "fanout is x times as fast",
                "CPU x times fanout's",
                "start-up s",
                "peak MB",
                "server busy",
            )
            lines += _table((f"{what}, {_size(payload)}", *heads), rows)
    for payload in content["settings"]["payloads"]:
        hashing = [
            s["cpu_s"] * 1e6 for s in samples if s["contender"] == "hashing" and s["payload_bytes"] == payload
        ]
        lines.append(
            f"Hashing that SigV4 cannot do without, {_size(payload)}: {_spread(Spread.of(hashing), 1)} µs a request."
        )
    lines += [f"Left out: {titles[name]}: {reason}." for name, reason in content["skipped"].items()]
    return "\n".join(lines)


def upload(content: dict[str, Any]) -> str:
    lines: list[str] = []
    for size in content["settings"]["sizes"]:
        found = costs(sample for sample in content["samples"] if sample["payload_bytes"] == size)
        ours, megabytes = found.get("fanout", {}), size / 1e6
        rows = [
            (
                f"**{name}**" if name == "fanout" else name,
                _spread(over_rounds(rounds, "per_s").scaled(megabytes), 0),
                _spread(over_rounds(rounds, "cpu_us").scaled(1e-3 / megabytes), 2),
                _times(ratio(ours, rounds, "per_s")),
                _times(ratio(rounds, ours, "cpu_us")),
                f"{over_rounds(rounds, 'start_s').median:.2f}",
                f"{over_rounds(rounds, 'peak_bytes').median / 1e6:,.0f}",
                f"{over_rounds(rounds, 'server_share').median:.0%}",
            )
            for name, rounds in found.items()
        ]
        heads = (
            "MB/s",
            "CPU ms/MB",
            "fanout is x times as fast",
            "CPU x times fanout's",
            "start-up s",
            "peak MB",
            "server busy",
        )
        lines += _table((f"upload, {_size(size)}", *heads), rows)
    lines += [f"Left out: {name}: {reason}." for name, reason in content["skipped"].items()]
    return "\n".join(lines)


def scale(content: dict[str, Any]) -> str:
    lines: list[str] = []
    for kind, title in (("rows", "rows of the run"), ("window", "window of open rows")):
        samples = [sample for sample in content["samples"] if sample["kind"] == kind]
        values = sorted({sample["value"] for sample in samples})
        rows = []
        for value in values:
            found = [sample for sample in samples if sample["value"] == value]
            cpu = Spread.of(sample["cpu_us"] for sample in found)
            peak = Spread.of(sample["peak_bytes"] / 1e6 for sample in found)
            rows.append((f"{value:,}", _spread(cpu, 1), _spread(peak, 0)))
        if rows:
            lines += _table((title, "CPU µs/record", "peak MB"), rows)
    return "\n".join(lines)


def pacing(content: dict[str, Any]) -> str:
    rows = []
    for mode, rate, found in _by_case(content["samples"]):
        errors = [Spread.of(sample[name] * 100 for sample in found) for name in ("error", "machine_error")]
        kept, machine = (f"{each.median:+.2f} ({each.low:+.2f} to {each.high:+.2f})" for each in errors)
        names = ("late_p50_ms", "late_p99_ms", "machine_p99_ms")
        late = [_spread(Spread.of(sample[name] for sample in found), 2) for name in names]
        busiest = max(sample["busiest_second"] for sample in found)
        rows.append((f"{rate:,}, {_MODES[mode]}", kept, f"{busiest:,}", *late[:2], machine, late[2]))
    heads = (
        *("--rate", "error %", "most in any second", "late p50 ms", "late p99 ms"),
        *("the machine: error %", "late p99 ms"),
    )
    return "\n".join(_table(heads, rows))


def throttled(content: dict[str, Any]) -> str:
    """Return what got through of a service's limit and what was refused, beside botocore's adaptive mode."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for sample in content["samples"]:
        found.setdefault(sample["case"], {}).setdefault(sample["rule"], []).append(sample)

    def cells(rules: dict[str, list[dict[str, Any]]], names: Sequence[str]) -> list[str]:
        return [
            _share(Spread.of(sample[name] for sample in rules[rule]))
            for rule in ("fanout", "adaptive")
            for name in names
        ]

    alone = ("first", "after", "refused_after")
    rows = [(case, *cells(rules, alone)) for case, rules in found.items() if "first" in rules["fanout"][0]]
    half_s = content["settings"]["seconds"] / 2
    heads = (f"first {half_s:.0f} s", "after", "refused")
    lines = _table(
        (
            "a service that takes, a second",
            *(f"fanout: {head}" for head in heads),
            *(f"adaptive: {head}" for head in heads),
        ),
        rows,
    )
    shared = ("together", "less", "refused")
    rows = [
        (case, *cells(rules, shared)) for case, rules in found.items() if "together" in rules["fanout"][0]
    ]
    heads = ("together", "the lesser part", "refused")
    return "\n".join(
        lines
        + _table(
            (
                "one limit for two, the second late",
                *(f"fanout: {head}" for head in heads),
                *(f"adaptive: {head}" for head in heads),
            ),
            rows,
        )
    )


def throttled_http(content: dict[str, Any]) -> str:
    """Return what got through over HTTP of what could be, beside a script with botocore's adaptive mode."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for sample in content["samples"]:
        found.setdefault(sample["case"], {}).setdefault(sample["rule"], []).append(sample)
    half_s = content["settings"]["seconds"] / 2
    rows = []
    for case, rules in found.items():
        cells = []
        for rule in ("fanout", "adaptive"):
            of = rules[rule]
            shares = [
                Spread.of(each[name] / each["could_be_per_s"] for each in of)
                for name in ("first_per_s", "after_per_s")
            ]
            per_s = Spread.of(each["per_s"] for each in of).median
            cells += [f"{per_s:,.0f}", *map(_share, shares)]
        rows.append((case, *cells))
    heads = ("a second", f"first {half_s:.0f} s", "after")
    return "\n".join(
        _table(
            (
                "over HTTP, a service that takes",
                *(f"{rule}: {head}" for rule in ("fanout", "adaptive") for head in heads),
            ),
            rows,
        )
    )


def _share(spread: Spread) -> str:
    """Write the median of shares, with the least and the greatest round, in percent."""
    texts = [f"{value:.1%}" for value in (spread.median, spread.low, spread.high)]
    return texts[0] if texts[0] == texts[1] == texts[2] else f"{texts[0]} ({texts[1]} to {texts[2]})"


def start(content: dict[str, Any]) -> str:
    rows = [
        (
            f"**{name}**" if name == "fanout" else name,
            _spread(found["cpu_s"], 2),
            _times(found["times"]),
            _spread(found["seconds"], 2),
            f"{found['peak_bytes'].median / 1e6:,.0f}",
        )
        for name, found in _starts(content).items()
    ]
    numpy = "installed" if content["settings"]["numpy"] else "not installed"
    heads = ("CPU s", "CPU x times aiobotocore's", "seconds", "peak MB")
    return "\n".join(_table((f"a run of {content['settings']['rows']} rows, numpy {numpy}", *heads), rows))


def journal(content: dict[str, Any]) -> str:
    lines: list[str] = []
    for client in content["settings"]["clients"]:
        found = costs(sample for sample in content["samples"] if sample["client"] == client)
        rows = [
            (way, _spread(over_rounds(rounds, "per_s"), 0), _spread(over_rounds(rounds, "cpu_us"), 1))
            for way, rounds in found.items()
        ]
        ways = found["with"], found["without"]
        rows.append(("with / without", _times(ratio(*ways, "per_s")), _times(ratio(*ways, "cpu_us"))))
        lines += _table((f"journal, client {client}", "records/s", "CPU µs/record"), rows)
    return "\n".join(lines)


def place(content: dict[str, Any]) -> str:
    """Return what a run costs whose state is kept in S3, beside the same in SQLite."""
    unpaced = [sample for sample in content["samples"] if sample["rate"] is None]
    found = costs(unpaced)
    rows = [
        (way, _spread(over_rounds(rounds, "per_s"), 0), _spread(over_rounds(rounds, "cpu_us"), 1))
        for way, rounds in found.items()
    ]
    ways = found["s3"], found["sqlite"]
    rows.append(("s3 / sqlite", _times(ratio(*ways, "per_s")), _times(ratio(*ways, "cpu_us"))))
    lines = _table(("state of a run", "records/s", "CPU µs/record"), rows)
    paced: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for sample in content["samples"]:
        if sample["rate"] is not None:
            paced.setdefault((sample["contender"], sample["rate"]), []).append(sample)
    rows = []
    for (way, rate), samples in paced.items():
        per_s = Spread.of(each["segments"] / each["sending_s"] for each in samples)
        dollars = per_s.scaled(3_600 * content["settings"]["put_dollars"])
        waits = [
            _spread(Spread.of(each[name][place] for each in samples), 1)
            for name in ("wait_ms", "total_ms")
            for place in (0, 1)
        ]
        kept = way == "s3"
        bytes_a_row = Spread.of(each["segment_bytes"] / each["rows"] for each in samples)
        costs_s3 = (_spread(per_s, 1), _spread(dollars, 3), _spread(bytes_a_row, 0)) if kept else ("", "", "")
        rows.append((f"{way}, {rate:,} a second", *waits, *costs_s3))
    heads = ("wait ms p50", "wait ms p99", "total ms p50", "total ms p99", "PUTs/s", "$/h", "bytes a row")
    return "\n".join([*lines, *_table(("state of a run", *heads), rows)])


def remote(content: dict[str, Any]) -> str:
    """Return what input and output in S3 take, beside a local file."""
    rows = []
    inputs = [sample for sample in content["samples"] if sample["kind"] == "input"]
    for name in dict.fromkeys(sample["format"] for sample in inputs):
        found = {(each["round"], each["contender"]): each for each in inputs if each["format"] == name}
        rounds = sorted({number for number, _ in found})
        cpu = Spread.of(found[number, "s3"]["cpu_s"] / found[number, "file"]["cpu_s"] for number in rounds)
        more = Spread.of(
            (found[number, "s3"]["peak_bytes"] - found[number, "file"]["peak_bytes"]) / 1e6
            for number in rounds
        )
        peak = Spread.of(found[number, "s3"]["peak_bytes"] / 1e6 for number in rounds)
        more_mb = f"{more.median:+,.0f} ({more.low:+,.0f} to {more.high:+,.0f})"
        rows.append((name, _times(cpu), more_mb, _spread(peak, 0)))
    settings = content["settings"]
    size = f"{settings['rows'] * settings['text_bytes'] / 1e9:.1f} GB"
    lines = _table((f"{size} of input in S3", "times a file's CPU", "MB more", "peak MB"), rows)
    rows = [
        (sample["contender"], f"{sample['cpu_s']:.1f}", f"{sample['peak_bytes'] / 1e6:,.0f}")
        for sample in content["samples"]
        if sample["kind"] == "output"
    ]
    (stored,) = (sample for sample in content["samples"] if sample["kind"] == "object")
    head = f"an output of {stored['size_bytes'] / 1e6:,.0f} MB in S3, of a run that is killed twice"
    return "\n".join([*lines, *_table((head, "CPU s", "peak MB"), rows)])


def bytes_read(content: dict[str, Any]) -> str:
    """Return what is read of an input in S3 by how many shards, as parts of it."""
    found = {(each["shape"], each["shards"], each["beside"]): each for each in content["samples"]}
    shards = list(dict.fromkeys(each["shards"] for each in content["samples"]))
    rows = []
    for name in dict.fromkeys(each["shape"] for each in content["samples"]):
        for beside in (False, True):
            of = [found[name, count, beside] for count in shards]
            parts = ("asked_bytes", "beside_bytes", "plan_bytes")
            times = [sum(each[part] for part in parts) / each["bytes"] for each in of]
            where = "beside the plan" if beside else "read again"
            footers = f"{of[0]['footers'] / of[0]['bytes']:.1%}, {where}"
            rows.append((name, footers, *(f"{each:.3f}" for each in times)))
    heads = ["not divided" if count is None else f"{count} shard{'s' * (count > 1)}" for count in shards]
    return "\n".join(_table(("Parquet in S3, times what there is", "footers", *heads), rows))


def beside_ray(content: dict[str, Any]) -> str:
    """Return what shards on one machine cost as actors of a Ray that is started for them, beside processes."""
    rows = []
    for shards in content["settings"]["shards"]:
        found = {
            (each["way"], each["round"]): each for each in content["samples"] if each["shards"] == shards
        }
        rounds = sorted({number for _, number in found})
        for way in ("processes", "ray"):
            costs_of_way = [
                _spread(Spread.of(found[way, number][name] for number in rounds), digits)
                for name, digits in (("seconds", 1), ("cpu_s", 1), ("peak_mb", 0))
            ]
            rows.append((f"{shards}, {way}", *costs_of_way))
        more = Spread.of(
            found["ray", number]["cpu_s"] - found["processes", number]["cpu_s"] for number in rounds
        )
        rows.append((f"{shards}, what Ray adds", "", _spread(more, 1), ""))
    head = f"shards of {content['settings']['rows']:,} rows"
    return "\n".join(_table((head, "wall s", "CPU s", "peak MB"), rows))


def _source(content: dict[str, Any], name: str) -> str:
    machine = content["machine"]
    return (
        f"<sub>`benchmarks/{name}.py`, {machine['date']}: {machine['cores']} cores ({machine['cpu']}), "
        f"{machine['system']}, Python {machine['python']}; rounds: {content['settings']['rounds']}, load "
        f"{machine['load_before'][0]} before.</sub>"
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    rule = ["---", *("---:" for _ in heads[1:])]
    return [*(f"| {' | '.join(cells)} |" for cells in (heads, rule, *rows)), ""]


def _spread(spread: Spread, digits: int) -> str:
    """Write the median with the least and the greatest round; the median alone if there is nothing else.

    A rate or a cost that noise has pushed to 0 or below in some round comes from runs that were too small.
    """
    if spread.low <= 0:
        return "too small to say"
    texts = [f"{value:,.{digits}f}" for value in (spread.median, spread.low, spread.high)]
    return texts[0] if texts[0] == texts[1] == texts[2] else f"{texts[0]} ({texts[1]} to {texts[2]})"


def _times(spread: Spread | None) -> str:
    return "" if spread is None else _spread(spread, 2)


def _size(size_bytes: int) -> str:
    for unit, factor in (("MiB", 2**20), ("MB", 10**6), ("KB", 10**3)):
        if size_bytes >= factor and size_bytes % factor == 0:
            return f"{size_bytes // factor} {unit}"
    return f"{size_bytes:,} bytes"


if __name__ == "__main__":
    sys.exit(main())
