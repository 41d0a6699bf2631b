"""Every figure as a picture of the page: its own names, the page's colours, a label, and no more than was measured."""

from __future__ import annotations

import json
import re

import pytest
from support.outputs import outcome, writer

from fanout.domain.prices import Prices
from fanout.report.build import report_of
from fanout.report.figures.drawing import drawings
from fanout.report.figures.theme import ROLES


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    rows = [
        outcome(row, way=("inline", "s3")[row % 3 == 0], total_ms=100 + row * 7 % 300) for row in range(240)
    ]
    rows[5].attempts = 2
    return report_of([writer(tmp_path_factory.mktemp("figures"))(rows, simulated="true")], Prices())


@pytest.fixture(scope="module")
def drawn(report):
    return {each.figure.name: each for each in drawings(report)}


def test_there_is_one_for_all_that_was_measured(report, drawn):
    assert "retry" in report.phases
    phases = [f"distribution-{phase}" for phase in report.phases]
    rows = [f"waterfall-{place}" for place in range(3)]
    assert list(drawn) == ["rate", "flight", "over-time", "percentiles", *phases, *rows, "sizes"]


def test_names_are_the_figures_own_and_colours_the_pages(drawn):
    pictures = [each for found in drawn.values() for each in (found.wide, found.narrow) if each is not None]
    ids = [name for picture in pictures for name in re.findall(r'\bid="([^"]+)"', picture)]
    assert len(ids) == len(set(ids)) >= len(pictures)
    for picture in pictures:
        named = re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', picture)
        assert {one or other for one, other in named} <= set(ids)
        assert set(re.findall(r"var\(--(\w+)\)", picture)) <= set(ROLES)
        assert not re.search(r"#[0-9a-f]{3,6}\b", picture)
        assert re.match(r'<svg id="[^"]+" role="img" aria-label="[^"]+\(simulated\)" viewBox=', picture)


def test_a_telephone_has_pictures_of_its_own(drawn):
    for each in drawn.values():
        assert (each.narrow is None) == each.figure.small
    width = re.search(r'viewBox="0 0 ([\d.]+) ', drawn["rate"].narrow)
    assert 320 <= float(width[1]) <= 340


def test_what_lives_tells_values_and_zooms_where_a_picture_does_not(drawn):
    figure = drawn["percentiles"].figure
    assert "params" not in json.dumps(figure.still(900))
    live = figure.live()
    assert live["width"] == "container"
    told = live["layer"][-1]["encoding"]["tooltip"]
    assert [each["title"] for each in told] == ["transport", "percentile", "milliseconds"]
    assert live["layer"][0]["params"][0]["bind"] == "scales"
    assert "params" not in json.dumps(figure.spec), "the specification itself is left as it is"


def test_the_tail_ends_at_the_maximum(report, drawn):
    values = drawn["percentiles"].figure.spec["layer"][0]["data"]["values"]
    for spread in report.spreads:
        if spread.phase == "total":
            most = max(each["ms"] for each in values if each["way"].lower() == spread.way)
            assert most == pytest.approx(spread.max)


def test_no_figure_without_rows(tmp_path):
    assert drawings(report_of([writer(tmp_path)([])], Prices())) == []


def test_one_row_is_drawn(tmp_path):
    names = [each.figure.name for each in drawings(report_of([writer(tmp_path)([outcome(0)])], Prices()))]
    assert "percentiles" in names


def test_a_size_tells_its_p999_as_its_table_does(report, drawn):
    assert report.sizes
    layers = drawn["sizes"].figure.live()["layer"]
    told = next(each["encoding"]["tooltip"] for each in layers if "tooltip" in each.get("encoding", {}))
    assert [each["title"] for each in told][-2:] == ["p99", "p99.9"]
